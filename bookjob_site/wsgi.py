"""What gunicorn serves."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BytesIO
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")
pages = get_wsgi_application()

from django.conf import settings  # noqa: E402  the settings exist only from here on
from django.core import signals  # noqa: E402
from django.core.cache import close_caches  # noqa: E402
from django.core.handlers.base import reset_urlconf  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import close_old_connections, reset_queries  # noqa: E402

from bookings.api import schema  # noqa: E402
from bookings.api.serializers import BROKEN_PATH  # noqa: E402
from bookings.operations import metrics  # noqa: E402
from bookjob_site.postgresql.base import DatabaseWrapper  # noqa: E402
from bookjob_site.sqlite.base import Connection  # noqa: E402

DatabaseWrapper.gives_up = True
Connection.keeps_place = True
metrics.begin()
# Of what Django does around each request, only what a connection needs once it is over. No cache here has connections,
# no request has addresses of its own, and statements are kept with DEBUG alone.
signals.request_started.disconnect(close_old_connections)
signals.request_finished.disconnect(close_caches)
signals.request_finished.disconnect(reset_urlconf)
if not settings.DEBUG:
    signals.request_started.disconnect(reset_queries)
with suppress(OSError):  # no booking waits for a document: its address says 503, and `manage.py check` names it
    schema.published()  # before the first request


class ApiHandler(WSGIHandler):
    """Django with API_MIDDLEWARE alone: the rest would cost every call and do nothing for it."""

    def load_middleware(self, is_async: bool = False) -> None:
        every, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.API_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = every


API = "/api/"
api = ApiHandler()


def handler_for(environ: dict[str, Any]) -> WSGIHandler:
    """Django, which would misread two things that are noted or mended here.

    It takes a body without Content-Length for an empty one: a chunked body is measured. At most one byte more than
    BOOKJOB_MAX_BODY_BYTES is kept, enough for the parser to refuse it. And it reads bytes of the path that are no
    UTF-8 as their percent signs, and keeps nothing of what came: `serializers.read_order` refuses those.

    One trailing slash is no part of an address of the API: ServiceMobility's settings are written by hand.
    """
    try:
        environ["PATH_INFO"].encode("latin-1").decode()
    except UnicodeError:
        environ[BROKEN_PATH] = True
    if environ.get("wsgi.input_terminated") and "CONTENT_LENGTH" not in environ:
        body = environ["wsgi.input"].read(settings.BOOKJOB_MAX_BODY_BYTES + 1)
        environ["wsgi.input"] = BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
    if not environ["PATH_INFO"].startswith(API):
        return pages
    environ["PATH_INFO"] = API + environ["PATH_INFO"].removeprefix(API).removesuffix("/")
    return api


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return handler_for(environ)(environ, start_response)
