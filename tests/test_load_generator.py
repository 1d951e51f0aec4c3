"""What measures the service sends a call again that was not heard, wherever its connection broke."""

import contextlib
import socket
import threading

import pytest

from bench import load, standby
from tests.support import postgres

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def port():
    """Where each connection is answered once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        if connection.recv(1000):
                            connection.sendall(ANSWER)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("broken", ["at the send", "at the begin"])
def test_a_call_that_cannot_be_sent_is_sent_again(port, monkeypatch, broken):
    monkeypatch.setattr(load, "AFTER_A_BREAK", 0.0)
    heard = []
    calls = iter([load.Call(0.0, "search", lambda: b"GET / HTTP/1.1\r\n\r\n")])
    arrivals = load.Arrivals(port, calls, lambda call, status, body: heard.append((status, body)), connections=1)
    if broken == "at the send":
        arrivals.idle.append(load.Connection(port))
        arrivals.idle[0].socket.close()
        arrivals.opened = 1
    else:
        connect, tried = socket.create_connection, []

        def refused_once(*given):
            tried.append(given)
            if len(tried) == 1:
                raise ConnectionRefusedError
            return connect(*given)

        monkeypatch.setattr(socket, "create_connection", refused_once)
    arrivals.run()
    assert heard == [(200, b"{}")]
    assert dict(arrivals.again) == {"search without an answer": 1}
    assert arrivals.opened == 1


@pytest.mark.skipif(not postgres.find_binaries(), reason="no PostgreSQL")
def test_a_standby_is_measured_only_where_both_servers_sync():
    with postgres.running(durable=True) as server:
        with postgres.replica_of(server, durable=True) as durable:
            standby.stop_unless_durable(server, durable)
        with (
            postgres.replica_of(server) as careless,
            pytest.raises(SystemExit, match=f"port {careless.port} does not sync"),
        ):
            standby.stop_unless_durable(server, careless)
