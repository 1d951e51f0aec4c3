"""A mail server of this machine: it takes what is sent to it, or refuses all, or one receiver."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, refuses: bool, unknown: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.refuses, self.unknown = refuses, unknown
        self.connections = 0
        self.taken: list[tuple[str, list[str], str]] = []  # sender, receivers, text

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _Talk(socketserver.StreamRequestHandler):
    server: MailServer

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        sender, receivers = "", []
        self.server.connections += 1
        self.say("220 mail.example.org ESMTP")
        while line := self.rfile.readline().decode().strip():
            match line.split(":")[0].upper().split()[0]:
                case "MAIL":
                    sender, receivers = _address(line), []
                    self.say("550 not from you" if self.server.refuses else "250 good")
                case "RCPT":
                    is_known = _address(line) != self.server.unknown
                    receivers += [_address(line)] if is_known else []
                    self.say("250 good" if is_known else "550 unknown")
                case "DATA":
                    self.say("354 go on")
                    lines = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
                    self.server.taken.append((sender, receivers, "\n".join(lines)))
                    self.say("250 taken")
                case "QUIT":
                    self.say("221 good bye")
                    return
                case _:
                    self.say("250 mail.example.org")


def _address(line: str) -> str:
    return line[line.index("<") + 1 : line.index(">")]


@contextmanager
def mail_server(*, refuses: bool = False, unknown: str = "") -> Iterator[MailServer]:
    with MailServer(refuses, unknown) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
