"""Every setting, declared once: its default, what is right, and what a wrong value would break."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bookjob_site.environment.converters import (
    code,
    codes,
    hosts,
    json_pointer,
    jwt_keys,
    mail_address,
    mail_addresses,
    mail_server,
    metrics_token,
    networks,
    one_of,
    origins,
    origins_or_none,
    reasons,
    short_text,
    switch,
    url,
    whole,
)

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VAR_DIR = BASE_DIR / "var"
LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


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
            "BOOKJOB_PATRONI", "", origins_or_none, "addresses such as http://db1:8008, separated by blanks, or none",
            "`doctor` could not see whether the cluster is safe",
            "where Patroni answers on each host of the database, `http://db1:8008 http://db2:8008`: `doctor` asks"
            " there; `none` where something else keeps two primaries apart",
            shown="empty", unset=None,
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
            "BOOKJOB_HTTPS", "", switch, "on or off", "log-ins could travel unencrypted, or no one could log in",
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
            "read tokens from trusted networks without checking their signature; only for customers that get"
            " no key from ServiceMobility",
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
    "Mail": [
        Setting(
            "BOOKJOB_MAIL_URL", "", mail_server,
            "smtp://host:port, smtp+starttls://user:password@host:port or smtps://user:password@host:port",
            "no mail would arrive",
            "the mail server, by which `extend_schedules` says which areas' slots end: `smtp://host` (port 25),"
            " `smtp+starttls://user:password@host` (587) or `smtps://user:password@host` (465); signs in user and"
            " password that an address cannot hold are percent-encoded",
            shown="none: no mail is sent", unset=None,
        ),
        Setting(
            "BOOKJOB_MAIL_TO", "", mail_addresses, "addresses separated by blanks or commas", "no mail would arrive",
            "who gets it, `supervisors@example.org`, separated by blanks or commas", unset=[],
        ),
        Setting(
            "BOOKJOB_MAIL_FROM", "", mail_address, "one address such as bookjob@example.org", "no mail would arrive",
            "the sender, where the mail server takes mail from certain addresses alone",
            shown="the first of `BOOKJOB_MAIL_TO`",
        ),
    ],
    "Metrics": [
        Setting(
            "BOOKJOB_METRICS_TOKEN", "", metrics_token, "a random text of at least 16 characters without blanks",
            "anybody could guess it, or Prometheus could not send it",
            "what Prometheus sends as `Authorization: Bearer …` to read `/metrics` and `/proof`",
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
    *(
        f"{name}_FILE"
        for name in ("DATABASE_URL", "SECRET_KEY", "BOOKJOB_JWT_KEYS", "BOOKJOB_MAIL_URL", "BOOKJOB_METRICS_TOKEN")
    ),
}
