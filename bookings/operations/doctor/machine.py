"""What is wrong with this machine: settings that work against each other, keys, proxies, room on the disk."""

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection

from bookings.models import ApiKey
from bookings.operations import installation
from bookings.operations.doctor.finding import NAMED, Finding

# A random key of 32 bytes has more different characters; "changemechangemechangemechangeme" has not.
DIFFERENT_CHARACTERS = 12
# A rotation needs two; more were forgotten.
KEYS_OF_A_ROTATION = 2
KEY_ENDS_SOON, KEY_IS_UNUSED = timedelta(days=14), timedelta(days=180)
# Of a /16; addresses of your own are private ones, or few.
MANY_ADDRESSES = 65_536
LOCAL_HOSTS = {"localhost", "127.0.0.1", "[::1]"}
MEBIBYTE = 1024 * 1024
LITTLE_ROOM, SCARCE_ROOM = 1024 * MEBIBYTE, 256 * MEBIBYTE


def settings_that_contradict(now: datetime) -> Iterator[Finding]:
    """What the start does not refuse, since it can be meant so on a machine for trying."""
    public = sorted(set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS)
    if settings.DEBUG and public:
        yield Finding(
            True, f"DEBUG is on, and {public[0]} is served: callers see settings and source code. Turn it off."
        )
    if public and not settings.BOOKJOB_HTTPS:
        yield Finding(
            False, f"BOOKJOB_HTTPS is off, and {public[0]} is served: log-ins travel unencrypted. Serve it by https."
        )
    if settings.BOOKJOB_HTTPS:
        for origin in settings.CSRF_TRUSTED_ORIGINS:
            if origin.startswith("http://"):
                yield Finding(
                    False, f"CSRF_TRUSTED_ORIGINS has {origin}, but BOOKJOB_HTTPS is on. Write https, or take it away."
                )
        if not settings.BOOKJOB_METRICS_TOKEN:
            yield Finding(
                False, "BOOKJOB_METRICS_TOKEN is empty: nothing is counted, and no alert can fire. Set it, and let"
                " Prometheus read /metrics.",
            )  # fmt: skip
    if 0 < settings.BOOKJOB_ADDRESS_LIMIT < settings.BOOKJOB_CALLER_LIMIT:
        yield Finding(
            False, "BOOKJOB_ADDRESS_LIMIT is smaller than BOOKJOB_CALLER_LIMIT: no caller can reach its limit, and"
            " callers behind one address stop each other. Set it higher.",
        )  # fmt: skip


def keys(now: datetime) -> Iterator[Finding]:
    signing = settings.BOOKJOB_JWT_KEYS
    if not signing and not settings.BOOKJOB_TRUST_UPSTREAM:
        yield Finding(True, "BOOKJOB_JWT_KEYS is empty: no token is accepted. Set the key of ServiceMobility there.")
    for kid, secret in signing.items():
        if len(set(secret)) < DIFFERENT_CHARACTERS:
            yield Finding(
                True, f"The key {kid} in BOOKJOB_JWT_KEYS can be guessed. Take a random one: openssl rand -hex 32."
            )
    if len(signing) > KEYS_OF_A_ROTATION:
        named = ", ".join(signing)
        yield Finding(
            False, f"BOOKJOB_JWT_KEYS has {len(signing)} keys ({named}). Take away those whose tokens have run out."
        )
    for name, other in (("SECRET_KEY", settings.SECRET_KEY), ("BOOKJOB_METRICS_TOKEN", settings.BOOKJOB_METRICS_TOKEN)):
        if other in signing.values():
            yield Finding(True, f"{name} is also a key in BOOKJOB_JWT_KEYS: who knows it can write tokens. Change it.")


def keys_of_systems(now: datetime) -> Iterator[Finding]:
    held = ApiKey.objects.filter(revoked_at=None).order_by("name")
    for key in held.filter(expires_at__gt=now, expires_at__lt=now + KEY_ENDS_SOON)[:NAMED]:
        yield Finding(
            False, f"The API key {key.name} runs out on {key.expires_at:%Y-%m-%d}. Make another one: make_key."
        )
    long_ago = now - KEY_IS_UNUSED
    for key in (
        held.filter(made_at__lt=long_ago).exclude(last_used_at__gte=long_ago).exclude(expires_at__lt=now)[:NAMED]
    ):
        yield Finding(
            False,
            f"The API key {key.name} was not used for {KEY_IS_UNUSED.days} days. Revoke it: revoke_key {key.name}.",
        )


def proxies(now: datetime) -> Iterator[Finding]:
    """Served by https, the service stands behind a proxy: it speaks no TLS itself."""
    if settings.BOOKJOB_HTTPS and not settings.BOOKJOB_PROXIES:
        trusting = " and BOOKJOB_TRUSTED_NETWORKS looks at that address" if settings.BOOKJOB_TRUST_UPSTREAM else ""
        yield Finding(
            settings.BOOKJOB_TRUST_UPSTREAM,
            f"BOOKJOB_PROXIES is empty: all callers count as the proxy in front,{trusting} and limits by address stop"
            " all of them at once. Name the proxy's network.",
        )
    for name in ("BOOKJOB_PROXIES", "BOOKJOB_TRUSTED_NETWORKS"):
        for network in getattr(settings, name):
            if not network.is_private and network.num_addresses > MANY_ADDRESSES:
                yield Finding(
                    True, f"{name} has {network}, which is a large part of the internet. Name your own networks alone."
                )


def room_on_the_disk(now: datetime) -> Iterator[Finding]:
    """Of the folders on this machine. PostgreSQL's own disk has an alert: BookjobDisk."""
    folders = {Path(settings.VAR_DIR)}
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():  # type: ignore[attr-defined]
        folders.add(Path(connection.settings_dict["NAME"]).parent)
    for folder in sorted(folder for folder in folders if folder.is_dir()):
        free = shutil.disk_usage(folder).free
        if free < LITTLE_ROOM:
            yield Finding(
                free < SCARCE_ROOM,
                f"{folder} has {free // MEBIBYTE} MiB left. Make room: docs/slots.md, Removing what is old.",
            )


def files(now: datetime) -> Iterator[Finding]:
    if problem := installation.missing_file():
        yield Finding(False, problem)


CHECKS: list[Callable[[datetime], Iterator[Finding]]] = [
    settings_that_contradict,
    keys,
    keys_of_systems,
    proxies,
    room_on_the_disk,
    files,
]
