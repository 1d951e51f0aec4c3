"""What a booking takes on PostgreSQL's disk: `python -m bench.disk`. (What it writes: tests/support/costs.json.)

A server of its own, thousands of bookings of the size of those that `bench.run` makes, and how much each table and each
index has grown by then. As many bookings before them are not counted: they leave a few megabytes in which words wait
for their index, and which are used again and again.
"""

import os
import sys

import psycopg

from bench import services, world
from tests.support import postgres

BOOKINGS = 3_000
SIZES = """
    SELECT relname, pg_relation_size(pg_class.oid)
        + CASE WHEN reltoastrelid = 0 THEN 0 ELSE pg_total_relation_size(reltoastrelid) END
    FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace
    WHERE nspname = 'public' AND relkind IN ('r', 'i')
"""


def grown(url: str) -> dict[str, float]:
    """By how many bytes a booking."""
    os.environ.update(services.environment(url))
    os.environ |= {"DJANGO_SETTINGS_MODULE": "bookjob_site.settings", "ALLOWED_HOSTS": "localhost"}
    os.environ["BOOKJOB_HTTPS"] = "off"
    import django

    django.setup()
    from tests.support import costs

    calls = costs.Calls()
    found = []
    for _ in range(2):
        for _ in range(BOOKINGS):
            calls.booking()()
        found.append(sizes(url))
    before, after = found
    return {name: (after[name] - before[name]) / BOOKINGS for name in after}


def sizes(url: str) -> dict[str, int]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM")  # which puts into the index of the words what waits for that
        return dict(connection.execute(SIZES).fetchall())


def main() -> int:
    with postgres.running() as server:
        url = server.url
        services.migrate(url)
        world.fill(url, world.SLOTS_OF_AN_AREA, BOOKINGS)
        found = grown(url)
    lines = [f"| {name} | {size:,.0f} |" for name, size in sorted(found.items(), key=lambda one: -one[1]) if size >= 1]
    print("\n".join(["| table or index | bytes a booking |", "| --- | --- |", *lines]))
    print(f"| all | {sum(found.values()):,.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
