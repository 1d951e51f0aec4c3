"""The service, but it writes to a primary that was replaced as well. Only for tests."""

from bookjob_site.wsgi import application  # noqa: F401  it makes Django ready for the imports below

# isort: split

from bookjob_site.postgresql.base import DatabaseWrapper

DatabaseWrapper._looks_at_timelines = lambda self: False
