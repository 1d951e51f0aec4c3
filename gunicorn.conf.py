"""gunicorn's settings, found by gunicorn itself. Its command line and GUNICORN_CMD_ARGS override them."""

import gc
import os
from typing import Any

from bookings.operations import drain
from bookjob_site import environment
from bookjob_site.version import VERSION
from bookjob_site.worker import names

# No collection looks for garbage while all is loaded, which would be a seventh of the start; post_fork begins again.
gc.disable()

# Private names of gunicorn that this release of it has not, or otherwise: then its own worker has to do.
missing = names.missing()

# What is wrong in there is told with all the rest, when the settings are loaded.
bind = f"127.0.0.1:{environment.value('PORT')}"
worker_class = "gthread" if missing else "bookjob_site.worker.threads.Worker"
workers = environment.value("WEB_CONCURRENCY")
threads = 8  # each keeps a database connection of its own (settings.DATABASES)
control_socket_disable = True
preload_app = True  # a wrong setting ends the start at once instead of worker by worker; memory is shared
# Where each worker shows that it is alive: in memory, where there is such a folder. A disk may be full.
worker_tmp_dir = next(filter(lambda folder: os.access(folder, os.W_OK), ["/dev/shm"]), None)  # noqa: S108
timeout = 30  # longer than the statement and lock timeouts of the database
keepalive = 65  # longer than a proxy keeps its side open, so that it never writes into a closed connection
# A token or an order number that is too long gets an answer that helps from the service itself; far beyond that,
# from the worker.
limit_request_line = 8190
sendfile = False  # the worker sends, so that no slow reader keeps a thread
forwarder_headers = ""  # no header of a caller says where the service is mounted or who is logged in
limit_request_field_size = 256 * 1024
logger_class = "gunicorn.glogging.Logger" if missing else "bookjob_site.worker.lines.Lines"


def post_fork(server: Any, worker: Any) -> None:
    """Also after a reload of these settings."""
    gc.enable()


def worker_exit(server: Any, worker: Any) -> None:
    """In the worker that ends, which has answered its last request."""
    from bookings.services import empty_searches

    empty_searches.write_at_exit()


def when_ready(server: Any) -> None:
    """Before the workers are forked: what was loaded stays for good, so no collection looks at it (or copies it)."""
    server.log.info("bookjob %s serves.", VERSION, extra={"facts": {"version": VERSION}})
    if missing:
        server.log.warning(names.FALL_BACK, names.READ_AGAINST, ", ".join(missing))
    else:
        drain.stop_after(server, environment.value("BOOKJOB_DRAIN_SECONDS"))
    gc.freeze()  # without a collection before: of a hundred things that were loaded two are garbage
    # Django REST framework leaves a cycle with each request of most addresses, which holds its body: rarely enough to
    # cost nothing, often enough that memory stays flat.
    gc.set_threshold(2_000, 10, 10)
