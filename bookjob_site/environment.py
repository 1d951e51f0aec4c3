"""Every setting from the environment, declared once: its default, what is right, and what a wrong value would break.

A value that cannot be right stops the start. All wrong values are told at once, one line each, with what was read,
what would be right and what it would have broken; nothing is guessed and nothing is ignored, a misspelled name neither.
`.env` counts less than the environment, and `var/secrets.env` (the secrets that `make run` makes) less than `.env`.

No Django in here, since gunicorn.conf.py reads it too. settings.py is the list of what Django gets; databases.py reads
the URLs. `.env.example` and docs/settings.md are drawn from these declarations (tests/pages.py).

Our own table and not pydantic-settings: that library reads `.env` as generously as the rest of them, and the larger
half of the work (names that nobody knows, values that clash, what breaks) would be written around it all the same.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Wrong(ValueError):
    """A converter's own words for what would be right."""


# --- From text to value --------------------------------------------------------------------------------------


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
    """Hosts, origins and networks: parted by blanks or commas."""
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


def url(text: str) -> str:
    if not text.startswith(("postgres://", "postgresql://", "sqlite:///")):
        raise ValueError(text)
    return text


# --- The declarations ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    name: str
    default: str  # as `.env.example` has it
    convert: Callable[[str], Any]
    right: str  # completes "It must be ..."
    broken: str  # completes "Otherwise ..."
    meaning: str  # for people, in docs/settings.md and `.env.example`
    shown: str = ""  # the default in docs/settings.md, where the text itself says too little
    unset: Any = ""  # the value where there is no text at all
    is_secret: bool = False


COUNT = "a whole number"
NUMBERS_CLASH = "numbers of work orders and part orders could not be told apart"

SETTINGS: dict[str, list[Setting]] = {
    "Django": [
        Setting(
            "DATABASE_URL", "", url, "postgres://user:password@host:port/name or sqlite:///path",
            "every request would fail with 503",
            "`postgres://user:password@host:5432/name` in production; pools, PgBouncer, failover: docs/databases.md",
            shown="SQLite in `var/`",
        ),
        Setting(
            "DATABASE_REPLICA_URL", "", url, "postgres://user:password@host:port/name",
            "searches would never use the replica",
            "a streaming replica of it, which searches may read",
        ),
        Setting(
            "SECRET_KEY", "", str, "a long random text", "sessions could be forged",
            "a long random text, for Django's sessions",
            shown="none: the service does not start without it", is_secret=True,
        ),
        Setting(
            "DEBUG", "off", switch, "on or off", "callers could see settings and source code",
            "Django's debug pages, never where anything matters",
        ),
        Setting(
            "ALLOWED_HOSTS", " ".join(LOCAL_HOSTS), hosts, "host names", "every request would be answered with 400",
            "host names under which the service is reached, separated by blanks or commas", shown="this machine",
        ),
        Setting(
            "CSRF_TRUSTED_ORIGINS", "", origins, "origins", "no form of the admin could be sent",
            "origins of the admin behind a proxy, `https://bookjob.example.org`", unset=[],
        ),
        Setting(
            "BOOKJOB_HTTPS", "", switch, "on or off", "log-ins could travel unencrypted, or nobody could log in",
            "the admin only over https, secure cookies, HSTS; the proxy sets `X-Forwarded-Proto` itself and drops the"
            " caller's",
            shown="on, unless only this machine is allowed", unset=None,
        ),
        Setting(
            "STATIC_ROOT", "", Path, "a folder", "the admin would have no style",
            "folder that `collectstatic` fills; as long as it is empty the files come from the packages",
            shown="`var/static`", unset=VAR_DIR / "static",
        ),
    ],
    "Server": [
        Setting(
            "PORT", "8000", whole(1, 65_535), "a port, 1 to 65535", "the service could not listen",
            "port on 127.0.0.1 that the service listens on",
        ),
        Setting(
            "WEB_CONCURRENCY", "2", whole(1, 256), "a number of workers, 1 to 256",
            "no worker would answer and callers would wait for ever",
            "workers of eight threads; one for each core that is not PostgreSQL's",
        ),
        Setting(
            "BOOKJOB_DRAIN_SECONDS", "0", whole(0, 300), "a number of seconds, 0 to 300",
            "load balancers would send requests to a service that stops",
            "how many seconds `/readyz` says 503 before the service stops, so that load balancers look elsewhere first",
        ),
    ],
    "Tokens": [
        Setting(
            "BOOKJOB_JWT_KEYS", "", jwt_keys, "kid:secret pairs separated by blanks",
            "valid tokens would be refused with 401",
            "`kid:secret kid:secret …`, separated by blanks; all verify, the first one signs; 32 bytes at least each",
            shown="none: no token is accepted", unset={}, is_secret=True,
        ),
        Setting(
            "BOOKJOB_TOKEN_MINUTES", "480", whole(1, 525_600), "a number of minutes, 1 to 525600",
            "tokens would run out at the wrong time", "life of tokens issued here",
        ),
        Setting(
            "BOOKJOB_TOKEN_LEEWAY_SECONDS", "30", whole(0, 600), "a number of seconds, 0 to 600",
            "tokens that ran out would be taken, or good ones refused",
            "how far the clocks of issuer and service may differ",
        ),
        Setting(
            "BOOKJOB_TRUST_UPSTREAM", "off", switch, "on or off", "tokens would be believed or refused by mistake",
            "read tokens from trusted networks without checking their signature; only for customers to whom"
            " ServiceMobility gives no key",
        ),
        Setting(
            "BOOKJOB_TRUSTED_NETWORKS", "", networks, "networks such as 10.1.0.0/16, separated by blanks or commas",
            "tokens that anybody can write would be believed",
            "networks whose tokens are read then, `10.1.0.0/16 fd00::/8`", unset=[],
        ),
        Setting(
            "BOOKJOB_PROXIES", "", networks, "networks such as 127.0.0.0/8, separated by blanks or commas",
            "callers could claim any address, and limits by address would not hold",
            "networks of the proxies in front, whose `X-Forwarded-For` is believed, `10.0.5.0/24`; a proxy on a Unix"
            " socket needs one too, and `127.0.0.1/32` will do",
            unset=[],
        ),
    ],
    "Bookings": [
        Setting(
            "BOOKJOB_FOLLOWUP_POLICY", "single", one_of("single", "multiple", "move"), "single, multiple or move",
            "an order could get more appointments than you want",
            "`single`: one active follow-up an order; `multiple`: several in different periods; `move`: a second"
            " booking moves the first",
        ),
        Setting(
            "BOOKJOB_ORDER_PREFIX", "FU-", short_text, "a text of at most 20 characters", NUMBERS_CLASH,
            "what the numbers of work orders begin with",
        ),
        Setting(
            "BOOKJOB_PART_ORDER_PREFIX", "PO-", short_text, "a text of at most 20 characters", NUMBERS_CLASH,
            "what the numbers of part orders begin with",
        ),
        Setting(
            "BOOKJOB_NOTICE_MINUTES", "120", whole(0, 525_600), "a number of minutes, 0 to 525600",
            "appointments could be booked too late to prepare them, or not at all",
            "a slot can be booked from now + notice on",
        ),
        Setting(
            "BOOKJOB_HORIZON_DAYS", "21", whole(1, 3660), "a number of days, 1 to 3660",
            "nothing, or far too much, would be offered", "a slot can be booked until now + horizon",
        ),
        Setting(
            "BOOKJOB_SLOT_POINTER", "", json_pointer, "a JSON Pointer such as /Visit/Period",
            "the slot would be looked for in the wrong place",
            "where a booking says its slot, as a JSON Pointer such as `/Visit/Period`; asked before `TimeConstraints`",
        ),
        Setting(
            "BOOKJOB_DEFAULT_AREA", "", code, "the code of a service area",
            "requests without an area would find nothing",
            "area of requests whose code, postcode and earlier visits name none",
        ),
    ],
    "Dispatch desk": [
        Setting(
            "BOOKJOB_CANCEL_REASONS",
            "Customer cancelled; Customer not reachable; Parts not available; Worker not available; Booked by mistake;"
            " Other",
            reasons, "different reasons of at most 100 characters, separated by semicolons",
            "staff could not cancel a booking",
            "what dispatch staff choose from when they cancel, separated by semicolons", shown="six common reasons",
        ),
        Setting(
            "BOOKJOB_SESSION_HOURS", "12", whole(1, 720), "a number of hours, 1 to 720",
            "staff would be logged out all the time, or never", "how long staff stay logged in after the log-in",
        ),
        Setting(
            "BOOKJOB_SESSION_IDLE_MINUTES", "120", whole(5, 43_200), "a number of minutes, 5 to 43200",
            "staff would be logged out all the time, or never", "how long staff stay logged in without doing anything",
        ),
    ],
    "Searches": [
        Setting(
            "BOOKJOB_MAX_OFFERS", "50", whole(1, 1000), "a number, 1 to 1000", "searches would offer nothing",
            "offers of a search",
        ),
        Setting(
            "BOOKJOB_UNAVAILABLE_TYPES", "", codes, "codes separated by blanks alone",
            '"not available" would be read as available',
            '`Type` codes of the customer\'s times that mean "not available", separated by blanks', unset=[],
        ),
        Setting(
            "BOOKJOB_OFFER_TYPE", "", code, "a code", "phones could not read the offers", "`Type` of the offers",
            shown="empty",
        ),
    ],
    "Housekeeping": [
        Setting(
            "BOOKJOB_PURGE_PERSONAL_DATA", "off", switch, "on or off",
            "customers' data would be kept, or lost, by mistake",
            "whether `purge` also empties old work orders of names, addresses and bodies; their numbers stay taken",
        ),
    ],
    "Metrics": [
        Setting(
            "BOOKJOB_METRICS_TOKEN", "", metrics_token, "a random text of at least 16 characters without blanks",
            "anybody could guess it, or Prometheus could not send it",
            "what Prometheus sends as `Authorization: Bearer …` to read `/metrics`",
            shown="none: there is no such page", is_secret=True,
        ),
    ],
    "HTTP": [
        Setting(
            "BOOKJOB_DOCUMENTED_STATUSES_ONLY", "off", switch, "on or off",
            "clients would get statuses that they do not know",
            "for clients that know no other statuses than 200, 401 and 500: every error but 401 answers 500, with the"
            " same body",
        ),
        Setting(
            "BOOKJOB_MAX_BODY_BYTES", "1048576", whole(1024, 64 * 1024 * 1024), "a number of bytes, 1024 to 67108864",
            "good bookings would be refused, or bad ones fill the memory", "largest request body",
        ),
        Setting(
            "BOOKJOB_LOG_ADDRESSES", "off", switch, "on or off",
            "guesses of passwords could not be told apart, or addresses would be kept where they must not",
            "addresses of refused log-ins in the log: `on` plainly, `off` as a word that stands for each for a day",
        ),
        Setting(
            "BOOKJOB_CALLER_LIMIT", "300", whole(0, 10_000_000), "a number, 0 (off) to 10000000",
            "good calls would be refused, or a script that runs wild not",
            "requests a minute to each endpoint from one caller, counted by all workers; 0: no limit",
        ),
        Setting(
            "BOOKJOB_ADDRESS_LIMIT", "3000", whole(0, 10_000_000), "a number, 0 (off) to 10000000",
            "good calls would be refused, or a script that runs wild not",
            "the same from one address (ServiceMobility may have one for all phones); 0: no limit",
        ),
    ],
}  # fmt: skip
BY_NAME = {setting.name: setting for group in SETTINGS.values() for setting in group}
# What deploy/entrypoint.sh reads: a file with the secret.
KNOWN = {
    *BY_NAME,
    *(f"{name}_FILE" for name in ("DATABASE_URL", "SECRET_KEY", "BOOKJOB_JWT_KEYS", "BOOKJOB_METRICS_TOKEN")),
}

# --- Refusing ------------------------------------------------------------------------------------------------

_refused: list[str] = []
_refused_names: set[str] = set()


def refuse(name: str, read: str, right: str, broken: str) -> None:
    """Note a line; `stop_if_refused` tells all of them. `read` begins with a verb ("is 'soon'")."""
    _refused_names.add(name)
    _refused.append(f"bookjob does not start: {name} {read}. It must be {right}. Otherwise {broken}.")


def stop_if_refused() -> None:
    """End the process before it serves anything, with a line for each wrong value instead of a traceback."""
    if _refused:
        raise SystemExit("\n".join(_refused))


def shown(name: str, text: str) -> str:
    """What was read, without secrets."""
    if name in BY_NAME and BY_NAME[name].is_secret:
        return "is set (a secret, not shown here)"
    text = re.sub(r"((?:^(?!\w+://)|//)[^:/@]*:).*@", r"\1***@", text) if name.endswith("_URL") else text
    text = re.sub(r"password=[^&]*", "password=***", text)
    return f"is {text[:200]!r}"


# --- Reading -------------------------------------------------------------------------------------------------


def read_file(path: Path) -> None:
    """Put the lines of a file into the environment, which counts more. `NAME=value`, quotes around it if need be."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeError) as fault:
        problem = fault.strerror if isinstance(fault, OSError) else "is no UTF-8"
        refuse(str(path), f"cannot be read: {problem}", "a text file that this user may read", "no setting would hold")
        return
    names: set[str] = set()
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        place = f"{path.name}, line {number},"
        found = re.fullmatch(r"(?:export )?([A-Za-z_][A-Za-z0-9_]*)=(.*)", line)
        if not found or found[2][:1].isspace():
            name = re.split(r"[\s=:]", line.removeprefix("export "))[0][:60]
            refuse(f"{place} {name}", "is no setting as it stands", f"{name}=value, without blanks around the sign or a"
                   " colon in its place", "the line would be ignored")  # fmt: skip
            continue
        name, value = found.groups()
        if quoted := re.fullmatch(r"""'([^']*)'|"((?:[^"\\]|\\.)*)\"""", value):
            value = quoted[1] if quoted[1] is not None else re.sub(r"\\(.)", r"\1", quoted[2])
        elif value[:1] in ("'", '"', "#") or re.search(r"\s#", value):
            refuse(f"{place} {name}", "has a comment or a lone quote in its value",
                   "the value alone; a comment gets a line of its own, a value with # is quoted",
                   "the rest of the line would be part of the value")  # fmt: skip
            continue
        if name in names:
            refuse(f"{place} {name}", "stands there a second time", "there once", "one of the two would be ignored")
        elif name not in KNOWN and not is_ours(name) and (near := nearest(name, 0.85)):
            refuse(f"{place} {name}", "is no setting", f"{near}, if that is what is meant", "it would be ignored")
        names.add(name)
        os.environ.setdefault(name, value)


def is_ours(name: str) -> bool:
    return bool(re.match(r"BOOK_?-?JOB_", name, re.IGNORECASE))


def nearest(name: str, cutoff: float) -> str:
    """The setting whose name looks like this one; what all our names begin with makes none alike."""
    ours = {_rest(known): known for known in sorted(KNOWN)}
    found = difflib.get_close_matches(_rest(name), ours, 1, cutoff)
    return ours[found[0]] if found else ""


def _rest(name: str) -> str:
    return re.sub(r"^BOOK_?-?JOB_", "", name.upper().replace("-", "_"))


def read_all() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, setting in BY_NAME.items():
        given = os.environ.get(name, "").strip()
        text = given or setting.default
        try:
            values[name] = setting.convert(text) if text else setting.unset
        except ValueError as fault:
            right = str(fault) if isinstance(fault, Wrong) else setting.right
            refuse(name, shown(name, given), right, setting.broken)
            values[name] = setting.convert(setting.default) if setting.default else setting.unset
    for name in sorted(os.environ):
        if name not in KNOWN and is_ours(name):
            near = nearest(name, 0.6)
            right = f"{near}, if that is what is meant" if near else "one of the names in .env.example"
            refuse(name, "is no setting", right, "it would be ignored")
    return values


def compare(values: dict[str, Any]) -> None:
    """Refuse what is right alone and wrong together."""

    def read(*names: str) -> bool:
        """Whether these are worth comparing: what was refused by itself stands here with its default."""
        return _refused_names.isdisjoint(names)

    if not values["SECRET_KEY"] and not values["DEBUG"] and read("DEBUG"):
        refuse("SECRET_KEY", "is not set", "a long random text (or run `make run` for a demo with its own)",
               "sessions could be forged")  # fmt: skip
    trusts, trusted = values["BOOKJOB_TRUST_UPSTREAM"], values["BOOKJOB_TRUSTED_NETWORKS"]
    if read("BOOKJOB_TRUST_UPSTREAM", "BOOKJOB_TRUSTED_NETWORKS"):
        if trusts and not trusted:
            refuse("BOOKJOB_TRUST_UPSTREAM", "is on without BOOKJOB_TRUSTED_NETWORKS", "off, or the networks be named",
                   "tokens that anybody can write would be believed")  # fmt: skip
        if trusted and not trusts:
            refuse("BOOKJOB_TRUSTED_NETWORKS", "is set, but BOOKJOB_TRUST_UPSTREAM is off",
                   "empty, or BOOKJOB_TRUST_UPSTREAM be on", "it would change nothing")  # fmt: skip
    order, part = values["BOOKJOB_ORDER_PREFIX"], values["BOOKJOB_PART_ORDER_PREFIX"]
    shorter, longer = sorted((order, part), key=len)
    # FU- and FU-1: FU-12 could be either.
    if longer.startswith(shorter) and re.fullmatch("[0-9]*", longer[len(shorter) :]):
        refuse("BOOKJOB_PART_ORDER_PREFIX", f"is {part!r}, and BOOKJOB_ORDER_PREFIX {order!r}",
               "another text than BOOKJOB_ORDER_PREFIX, and not that with digits behind", NUMBERS_CLASH)  # fmt: skip
    notice, horizon = values["BOOKJOB_NOTICE_MINUTES"], values["BOOKJOB_HORIZON_DAYS"]
    if notice >= horizon * 24 * 60:
        refuse("BOOKJOB_NOTICE_MINUTES", f"is {notice} minutes, and BOOKJOB_HORIZON_DAYS {horizon} days",
               "less than the horizon", "no slot could be booked")  # fmt: skip
    if values["BOOKJOB_OFFER_TYPE"] in values["BOOKJOB_UNAVAILABLE_TYPES"]:
        refuse("BOOKJOB_OFFER_TYPE", f"is {values['BOOKJOB_OFFER_TYPE']!r}, one of BOOKJOB_UNAVAILABLE_TYPES",
               "another code", "each offer that a phone sends back would mean that the customer is away")  # fmt: skip
    static: Path = values["STATIC_ROOT"]
    try:
        static.mkdir(parents=True, exist_ok=True)
        next(static.iterdir(), None)
    except OSError as fault:
        refuse("STATIC_ROOT", f"is {str(static)!r}: {fault.strerror}", "a folder that this user can make or read",
               BY_NAME["STATIC_ROOT"].broken)  # fmt: skip


for _path in (BASE_DIR / ".env", VAR_DIR / "secrets.env"):
    read_file(_path)
_values = read_all()
compare(_values)


def value(name: str) -> Any:
    """The setting as its converter made it; the default where the value was refused."""
    return _values[name]
