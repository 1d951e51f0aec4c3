"""The tokens of callers (contract, section 3; RFC 8725): issued with the first key, checked with all.

HS256 and nothing else; the keys are those of BOOKJOB_JWT_KEYS. ServiceMobility documents no claims but `exp` and
`iat`, so no other is asked for, and no user is looked up.
"""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import jwt
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from rest_framework.exceptions import AuthenticationFailed

from bookings import clock
from bookings.db import sql
from bookings.models import Scope, visible_areas

ISSUER = "bookjob"
# ServiceMobility's tokens are a few hundred characters long; a megabyte is refused without decoding it.
MAX_TOKEN_LENGTH = 8192
MAX_NAME_LENGTH = 200
# A phone sends the same token with every call: one that was verified is remembered for a moment.
REMEMBERED_SECONDS, MOST_REMEMBERED = 60, 1_000
# What a token may be good for; all else is for keys.
OF_TOKENS = (Scope.SEARCH, Scope.BOOK, Scope.WORK_ORDERS_READ)
# For so long a user who was switched off may go on.
USERS_REMEMBERED_SECONDS = 5
USER = "SELECT id, is_active FROM auth_user WHERE username = %s"


@dataclass(frozen=True)
class Caller:
    """The holder of a valid token; `name` is empty where the token has none.

    `username` is the user's here, and empty for tokens that were issued elsewhere, whatever these say.
    """

    name: str
    username: str = ""
    is_authenticated: bool = True

    @cached_property
    def user(self) -> User | None:
        """The active user of this system, looked up once."""
        return User.objects.filter(username=self.username, is_active=True).first() if self.username else None

    def may(self, scope: str) -> bool:
        """A token searches and books; a user of this system may be allowed to read work orders. The rest is for keys.

        A technician's token is not enough to read every customer's address.
        """
        if scope == Scope.WORK_ORDERS_READ:
            return self.user is not None and bool(self.user.has_perm("bookings.read_workorder_by_api"))
        return scope in OF_TOKENS

    @cached_property
    def areas(self) -> set[int] | None:
        """The keys of the only areas of which it may read work orders, or None for all."""
        return visible_areas(self.user) if self.user else set()

    @property
    def places(self) -> set[int] | None:
        """The keys of the only areas in which it may search and book, or None for all."""
        return None


def caller_of(claims: dict[str, Any]) -> Caller:
    """Only a token that was issued here names a user of this system. Raises AuthenticationFailed for one who is out."""
    username = claims.get("sub") if claims.get("iss") == ISSUER else ""
    if not isinstance(username, str) or not username:
        return Caller(_name_in(claims))
    uid = claims.get("uid")
    if not isinstance(uid, int | None) or _users.is_out(username, uid):
        raise AuthenticationFailed
    return Caller(_name_in(claims), username)


class _Users:
    """Who was switched off, as it was a few seconds ago: no booking waits for a statement more.

    A token says in `uid` which user it was issued to: that one may be gone, or another one may have the name by now.
    While the database is away, what it said last holds.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, Any], tuple[float, bool]] = {}

    def is_out(self, username: str, uid: Any) -> bool:
        until, is_out = self.known.get((username, uid), (0.0, False))
        if clock.ticks() < until:
            return is_out
        with suppress(DatabaseError):
            found = sql.run(USER, [username]).rows
            is_out = not (found[0][1] and uid in (None, found[0][0])) if found else uid is not None
        if len(self.known) >= MOST_REMEMBERED:
            self.known = {}
        self.known[username, uid] = clock.ticks() + USERS_REMEMBERED_SECONDS, is_out
        return is_out


_users = _Users()


def issue_token(username: str, *, minutes: int | None = None, claims: dict[str, Any] | None = None) -> str:
    """A token signed with the first key, good for `minutes` (BOOKJOB_TOKEN_MINUTES)."""
    if not settings.BOOKJOB_JWT_KEYS:
        raise ImproperlyConfigured("BOOKJOB_JWT_KEYS holds no key to sign with.")
    kid, secret = next(iter(settings.BOOKJOB_JWT_KEYS.items()))
    now = datetime.now(UTC)
    expires = now + timedelta(minutes=minutes if minutes is not None else settings.BOOKJOB_TOKEN_MINUTES)
    payload = {"iat": now, "exp": expires, "sub": username, "iss": ISSUER, **(claims or {})}
    return jwt.encode(payload, secret, algorithm="HS256", headers={"kid": kid})


def read_token(token: str, *, is_checked: bool = False) -> dict[str, Any]:
    """The claims of a valid token, or of one that upstream has checked. Raises AuthenticationFailed for any other.

    `iss` is only among them where a key of ours, named in the header, vouches for it.
    """
    if not is_checked and (claims := _verified_before.claims_of(token)):
        return claims
    try:
        if not token or len(token) > MAX_TOKEN_LENGTH:
            raise AuthenticationFailed
        header = jwt.get_unverified_header(token)
        if header.get("alg") != "HS256" or "crit" in header:
            raise AuthenticationFailed
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise AuthenticationFailed
        if is_checked:
            claims, is_ours = _decoded(token, "", verify=False), False
        else:
            claims, is_ours = _verified(token, kid)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        # PyJWT lets claims of absurd types and sizes through to Python's own errors.
        raise AuthenticationFailed from None
    if not isinstance(claims.get("exp"), int | float):
        raise AuthenticationFailed
    if not is_ours:
        claims.pop("iss", None)
    if not is_checked:
        _verified_before.remember(token, claims)
    return claims


class _VerifiedTokens:
    """Tokens that were verified a moment ago: never beyond `exp`, never with other keys than these."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.known: dict[str, tuple[float, dict[str, Any]]] = {}

    def claims_of(self, token: str) -> dict[str, Any] | None:
        until, claims = self.known.get(token, (0.0, {}))
        return claims if time.time() < until and self.keys is settings.BOOKJOB_JWT_KEYS else None

    def remember(self, token: str, claims: dict[str, Any]) -> None:
        if self.keys is not settings.BOOKJOB_JWT_KEYS or len(self.known) >= MOST_REMEMBERED:
            self.keys, self.known = settings.BOOKJOB_JWT_KEYS, {}
        until = min(time.time() + REMEMBERED_SECONDS, claims["exp"] + settings.BOOKJOB_TOKEN_LEEWAY_SECONDS)
        self.known[token] = until, claims


_verified_before = _VerifiedTokens()


def _decoded(token: str, secret: str, *, verify: bool = True) -> dict[str, Any]:
    """The claims: `exp` is asked for and nothing else, `sub` or `jti` may be anything. Raises jwt.PyJWTError.

    Without `verify` the signature is not checked, the times are.
    """
    options: Any = {
        "require": ["exp"],
        "verify_signature": verify,
        "verify_exp": True,
        "verify_nbf": True,
        "verify_iat": True,
        "verify_aud": False,
        "verify_sub": False,
        "verify_jti": False,
    }
    leeway = settings.BOOKJOB_TOKEN_LEEWAY_SECONDS
    return jwt.decode(token, secret, algorithms=["HS256"], leeway=leeway, options=options)


def _verified(token: str, kid: str | None) -> tuple[dict[str, Any], bool]:
    """The claims, and whether the token names the key of ours that it is signed with.

    ServiceMobility's tokens name no key, or one of its own: they are tried with each.
    """
    keys = settings.BOOKJOB_JWT_KEYS
    is_ours = kid is not None and kid in keys
    for secret in [keys[kid]] if kid is not None and kid in keys else keys.values():
        try:
            return _decoded(token, secret), is_ours
        except jwt.InvalidSignatureError:
            continue
    raise AuthenticationFailed


def _name_in(claims: dict[str, Any]) -> str:
    for claim in ("sub", "name", "email"):
        name = claims.get(claim)
        if isinstance(name, str) and name.strip():
            # The name is stored with the booking; what no database takes is left out.
            return name.replace("\0", "").encode(errors="ignore").decode()[:MAX_NAME_LENGTH]
    return ""
