"""What the worker and `bookings.operations.drain` use of gunicorn beyond its documentation; whether it is all there.

After an upgrade of gunicorn: `missing()` says which of these are gone or take other arguments. Then read
gunicorn/workers/gthread.py again beside threads.py and watching.py, and write the version below. Until then the service
runs with gunicorn's own worker, in which slow callers keep threads.
"""

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

READ_AGAINST = "27.0.1"
FALL_BACK = (
    "Serving with gunicorn's own worker: slow callers keep threads, and BOOKJOB_DRAIN_SECONDS has no effect. Install"
    " gunicorn %s; this one lacks %s"
)

# Methods that are called or overridden, as they are declared.
METHODS = {
    "gunicorn.arbiter": ["Arbiter.handle_term(self)"],
    "gunicorn.glogging": ["Logger.setup(self, cfg)"],
    "gunicorn.http.unreader": ["Unreader.take_buffered(self)", "Unreader.unread(self, data)"],
    "gunicorn.workers.gthread": [
        "TConn.__init__(self, cfg, sock, client, server)",
        "TConn.init(self)",
        "TConn.close(self, graceful=False)",
        "ThreadWorker.init_process(self)",
        "ThreadWorker.accept(self, listener)",
        "ThreadWorker.enqueue_req(self, conn)",
        "ThreadWorker.handle(self, conn)",
        "ThreadWorker.handle_error(self, req, client, addr, exc)",
        "ThreadWorker.finish_request(self, conn, fs)",
        "ThreadWorker.murder_pending(self)",
        "ThreadWorker._cap_keepalive(self, deadline)",
    ],
}
# Attributes that are read or written, by the method that makes or uses them.
ATTRIBUTES = {
    "concurrent.futures.thread": {"ThreadPoolExecutor.__init__": "_work_queue"},
    "gunicorn.config": {"Config.__getattr__": "settings get"},
    "gunicorn.glogging": {"Logger.__init__": "error_log"},
    "gunicorn.http.parser": {"Parser.__init__": "unreader"},
    "gunicorn.http.unreader": {"Unreader.__init__": "buf"},
    "gunicorn.workers.base": {"Worker.__init__": "cfg alive"},
    "gunicorn.workers.gthread": {
        "TConn.__init__": "sock parser",
        "ThreadWorker.__init__": "tpool poller nr_conns worker_connections keepalived_conns",
    },
}
# What is overridden is of use only as long as it is called from here.
CALLS = {
    "gunicorn.workers.gthread": {
        "ThreadWorker.run": "murder_pending _cap_keepalive worker_connections",
        "ThreadWorker.set_accept_enabled": "accept",
        "ThreadWorker.enqueue_req": "handle",
        "ThreadWorker.handle": "handle_error",
    },
}
ERRORS = (
    "ParseException NoMoreData LimitRequestLine LimitRequestHeaders InvalidRequestLine InvalidRequestMethod"
    " UnsupportedTransferCoding ExpectationFailed InvalidResponseHeader InvalidResponseHeaderName ConfigurationProblem"
)


def missing() -> list[str]:
    """The names that are not there as they were read."""
    gone = [name for module, names in METHODS.items() for name in names if not _is_declared(module, name)]
    for module, uses in [*ATTRIBUTES.items(), *CALLS.items()]:
        gone += [f"{place}: {name}" for place, name in _each(uses) if not _is_used(module, place, name)]
    return gone + [f"errors.{name}" for name in ERRORS.split() if _found("gunicorn.http.errors", name) is None]


def _each(uses: dict[str, str]) -> Iterator[tuple[str, str]]:
    return ((place, name) for place, names in uses.items() for name in names.split())


def _found(module: str, path: str) -> Any:
    try:
        found = importlib.import_module(module)
        for step in path.split("."):
            found = getattr(found, step)
    except (ImportError, AttributeError):
        return None
    return found


def _is_declared(module: str, name: str) -> bool:
    path, _, arguments = name.partition("(")
    method = _found(module, path)
    return method is not None and str(inspect.signature(method)) == f"({arguments}"


def _is_used(module: str, place: str, name: str) -> bool:
    code = getattr(_found(module, place), "__code__", None)
    return code is not None and name in code.co_names
