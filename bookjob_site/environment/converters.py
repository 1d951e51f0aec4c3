"""From the text of a variable to its value. Raises ValueError where the text cannot be right."""

import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Wrong(ValueError):
    """A converter's own words for what would be right."""


def switch(text: str) -> bool:
    words = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def whole(least: int, most: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return convert


def one_of(*choices: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in choices:
            raise ValueError(text)
        return text

    return convert


def short_text(text: str) -> str:
    if len(text) > 20 or not text.isprintable():
        raise ValueError(text)
    return text


def parted(text: str) -> list[str]:
    """Hosts, origins and networks: parted by blanks or commas. With a password it is none, and no piece is told."""
    if re.search(r"(?s)//.*@", text):
        raise ValueError(text)
    return text.replace(",", " ").split()


LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
NAME = rf"{LABEL}(?:\.{LABEL})*\.?"
IPV6 = r"\[[0-9A-Fa-f:.]+\]"


def hosts(text: str) -> list[str]:
    for host in parted(text):
        if not re.fullmatch(rf"\*|\.?{NAME}|{IPV6}", host):
            raise Wrong(f"host names alone, without scheme, port or path, which {host!r} is not")
    return parted(text)


def origins(text: str) -> list[str]:
    for origin in parted(text):
        if not re.fullmatch(rf"https?://(?:(?:\*\.)?{NAME}|{IPV6})(?::[0-9]{{1,5}})?", origin):
            raise Wrong(
                f"origins such as https://bookjob.example.org, scheme and host without path; {origin!r} is none"
            )
    return parted(text)


def origins_or_none(text: str) -> list[str]:
    return [] if text.strip().lower() == "none" else origins(text)


def networks(text: str) -> list[Network]:
    found = [ipaddress.ip_network(entry) for entry in parted(text)]
    for network in found:
        if network.prefixlen == 0:
            raise Wrong(f"networks of your own; {network} is every address there is")
    return found


def codes(text: str) -> list[str]:
    if "," in text or ";" in text:
        raise ValueError(text)
    return text.split()


def code(text: str) -> str:
    if len(text) > 100 or not text.isprintable():
        raise ValueError(text)
    return text


def jwt_keys(text: str) -> dict[str, str]:
    keys: dict[str, str] = {}
    for entry in text.split():
        kid, colon, secret = entry.partition(":")
        if re.search(r",(?:[^\s:,]*:|$)", entry):
            raise Wrong("kid:secret pairs separated by blanks; a comma between two would make one key of both")
        if not (kid and colon) or kid in keys:
            raise Wrong("kid:secret pairs separated by blanks, each kid once")
        if len(secret.encode()) < 32:
            raise Wrong(f"kid:secret pairs, 32 bytes at least a secret; under the kid {kid!r} it has fewer")
        keys[kid] = secret
    return keys


def json_pointer(text: str) -> str:
    """RFC 6901: each step begins with a slash; a tilde stands only before 0 or 1."""
    if not text.startswith("/") or re.search("~(?![01])", text):
        raise ValueError(text)
    return text


def metrics_token(text: str) -> str:
    if len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(text)
    return text


def reasons(text: str) -> list[str]:
    found = [reason.strip() for reason in text.split(";") if reason.strip()]
    if not found or any(len(reason) > 100 for reason in found) or len(set(found)) < len(found):
        raise ValueError(text)
    return found


class MailServer(NamedTuple):
    scheme: str
    host: str
    port: int
    user: str
    password: str


MAIL_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
ADDRESS = rf"[\w.!#$%&'*+/=?^`{{|}}~-]+@{NAME}"


def mail_server(text: str) -> MailServer:
    parts = urlsplit(text)
    host, user, password = parts.hostname or "", unquote(parts.username or ""), unquote(parts.password or "")
    is_known = parts.scheme in MAIL_PORTS and re.fullmatch(rf"{NAME}|[0-9a-f:]+:[0-9a-f.:]*", host)
    if not is_known or bool(user) != bool(password) or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(text)
    if not (user + password).isascii():
        raise Wrong("a user and a password of ASCII alone, since no others can be sent")
    if user and parts.scheme == "smtp" and host not in ("localhost", "127.0.0.1", "::1"):
        raise Wrong("smtp+starttls:// or smtps:// where it holds a password, which would travel unencrypted")
    return MailServer(parts.scheme, host, parts.port or MAIL_PORTS[parts.scheme], user, password)


def mail_addresses(text: str) -> list[str]:
    for address in parted(text):
        if not re.fullmatch(ADDRESS, address, re.ASCII):
            raise Wrong(f"addresses such as supervisor@example.org, which {address!r} is not")
    return parted(text)


def mail_address(text: str) -> str:
    (address,) = mail_addresses(text)
    return address


def url(text: str) -> str:
    if not text.startswith(("postgres://", "postgresql://", "sqlite:///")):
        raise ValueError(text)
    return text
