"""gunicorn's settings, found by gunicorn itself. Its command line and GUNICORN_CMD_ARGS override them."""

import os

bind = f"127.0.0.1:{os.environ.get('PORT') or 8000}"
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = 8  # as many as a process may have database connections (settings.DATABASES)
control_socket_disable = True
preload_app = True  # a wrong setting ends the start at once instead of worker by worker; memory is shared
timeout = 30  # longer than the statement and lock timeouts of the database
keepalive = 65  # longer than a proxy keeps its side open, so that it never writes into a closed connection
# A token or an order number that is too long gets an answer that helps from the service itself; far beyond that,
# gunicorn refuses with a page of its own.
limit_request_line = 8190
forwarder_headers = ""  # no header of a caller says where the service is mounted or who is logged in
limit_request_field_size = 256 * 1024
