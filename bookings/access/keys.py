"""Keys of other systems: made, shown once, read at each request, revoked at once.

A key is sent as `Authorization: Bearer bookjob_…`. Only its digest is kept.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from django.db import IntegrityError, transaction
from django.db.models import Q
from rest_framework.exceptions import AuthenticationFailed

from bookings import clock
from bookings.access.tokens import Caller
from bookings.models import ApiKey, Scope, ServiceArea
from bookings.sentences import plain_blanks
from bookings.telemetry import origin

BEGINNING = "bookjob_"
SHOWN_LENGTH = len(BEGINNING) + 6
LONGEST_NAME, MOST_DAYS = 100, 3_650
# How often its last use is written.
USE_IS_WRITTEN = timedelta(minutes=1)


class Unfit(Exception):
    """A key that cannot be made or revoked, and why; for the person who wants it."""


@dataclass(frozen=True)
class System(Caller):
    """The caller that a key stands for."""

    key: ApiKey | None = None

    def may(self, scope: str) -> bool:
        return self.key is not None and scope in self.key.scopes

    @cached_property
    def areas(self) -> set[int] | None:
        if self.key is None or not self.key.is_restricted:
            return None
        return set(self.key.areas.values_list("pk", flat=True))

    @property
    def places(self) -> set[int] | None:
        return self.areas


def make(
    *, name: str, scopes: Collection[str], areas: Collection[ServiceArea] | None, days: int | None, by: str
) -> str:
    """The key, which is never shown again. `areas` None: all of them. Raises Unfit."""
    name, now = plain_blanks(name), clock.now()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Unfit(f"A key needs a name of 1 to {LONGEST_NAME} printable characters.")
    if not scopes or (unknown := set(scopes) - set(Scope.values)):
        what = f"There is no scope {sorted(unknown)[0]}." if scopes else "A key without a scope can do nothing."
        raise Unfit(f"{what} Choose from {', '.join(Scope.values)}.")
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise Unfit(f"A key is good for 1 to {MOST_DAYS} days.")
    text = BEGINNING + secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            key = ApiKey.objects.create(
                name=name,
                beginning=text[:SHOWN_LENGTH],
                digest=_digest(text),
                scopes=[scope for scope in Scope.values if scope in scopes],
                is_restricted=areas is not None,
                made_at=now,
                made_by=by,
                expires_at=now + timedelta(days=days) if days else None,
            )
            key.areas.set(areas or [])
    except IntegrityError:
        raise Unfit(f"There is a key {name} already. Revoke it first, or choose another name.") from None
    return text


def revoke(key: ApiKey, *, by: str) -> None:
    """From the next request on it is not valid. Raises Unfit if it was revoked before."""
    if not ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=clock.now(), revoked_by=by):
        raise Unfit(f"The key {key} was revoked before.")


def system_of(text: str) -> System:
    """Who sends this key. Raises AuthenticationFailed for one that is none, was revoked, or has expired.

    What is written in the request from here on says in the history that the key did it.
    """
    now = clock.now()
    good = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    key = ApiKey.objects.filter(good, digest=_digest(text), revoked_at__isnull=True).first()
    if key is None:
        raise AuthenticationFailed(code="bad_key")
    if key.last_used_at is None or key.last_used_at < now - USE_IS_WRITTEN:
        ApiKey.objects.filter(pk=key.pk, last_used_at=key.last_used_at).update(last_used_at=now)
    origin.current.set(origin.current.get()._replace(key=key.name))
    return System(f"key {key.name}", key=key)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
