"""Log-in with a user name and a password: for a token of the API (contract, section 3), and into the admin.

Guessing is slowed down, never stopped: after some failures the next attempt has to wait, a little longer each time,
at most LONGEST_WAIT seconds, so that no attack locks a technician out. Failures are counted for a user name from an
address, for a user name, and for an address. A user name that has logged in from an address before waits there for its
own failures alone: what others do costs it nothing.

No answer tells which user names exist. Where an address or a user name has to wait, a known one with a wrong password
hears the same as an unknown one, after the same work (as far as DECOYS go).
"""

import hashlib
import math
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.db.models import Case, F, Value, When
from rest_framework.exceptions import AuthenticationFailed, Throttled

from bookings import clock
from bookings.access import admission
from bookings.models import LogInRecord

# Failures within the window that cost nothing. Many technicians share ServiceMobility's address.
FREE_FOR_PAIR, FREE_FOR_NAME, FREE_FOR_ADDRESS = 5, 20, 100
WINDOW = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)
LONGEST_WAIT = 30  # seconds
# Passwords a minute that are hashed for an address which has to wait, so that its waits take as long as its refusals.
DECOYS = 60


def may_use_the_api(user: User) -> bool:
    return user.has_perm("bookings.log_in_to_api")


def log_in(*, username: str, password: str, address: str, may_enter: Callable[[User], bool] = may_use_the_api) -> User:
    """The user, who may enter. Raises Throttled, or AuthenticationFailed without telling what was wrong."""
    now = clock.now()
    username = read_username(username)
    pair, name, source = _key("pair", username, address), _key("name", username), _key("address", address)
    free = {pair: FREE_FOR_PAIR, name: FREE_FOR_NAME, source: FREE_FOR_ADDRESS}
    before = LogInRecord.objects.in_bulk(free)
    waits = {key: _wait(record, free[key], now) for key, record in before.items()}
    if waits.get(pair):
        raise Throttled(waits[pair])
    known = pair in before and (before[pair].succeeded_at or now - KNOWN_FOR) > now - KNOWN_FOR
    wait = max(waits.get(name, 0), waits.get(source, 0))
    if wait and not known:
        if not admission.buckets.take(f"decoy {source}", DECOYS, clock.ticks()):
            authenticate(username=username, password=password)
        raise Throttled(wait)
    # Counted before the password is looked at, and looked at again: of many guesses at once, those that others were
    # counted beside get no answer beyond what is free. The same guess again at the same moment is no other guess: it is
    # counted when it has failed.
    counted = [pair] if wait else list(free)
    is_first = not admission.buckets.take(f"guess {pair} {password}", 1, clock.ticks())
    if is_first:
        _count(counted, now)
        alone = before[pair].failures + 1 if pair in before else 1
        if LogInRecord.objects.get(key=pair).failures > max(FREE_FOR_PAIR, alone):
            raise Throttled(LONGEST_WAIT)
    # Django takes as long for a name that does not exist, or a user who is not active, as for a wrong password.
    user = authenticate(username=username, password=password)
    if not isinstance(user, User) or not may_enter(user):
        if not is_first:
            _count(counted, now)
        raise Throttled(wait) if wait else AuthenticationFailed
    LogInRecord.objects.filter(key=pair).update(failures=0, succeeded_at=now)
    if is_first and not wait:
        LogInRecord.objects.filter(key__in=[name, source], failures__gt=0).update(failures=F("failures") - 1)
    return user


def read_username(text: str) -> str:
    """As the log-in page of the desk reads it."""
    return unicodedata.normalize("NFKC", text.strip())


def _wait(record: LogInRecord, free: int, now: datetime) -> int:
    """Seconds until the next attempt, 0 if it may be made now."""
    if record.failed_at is None or record.failed_at < now - WINDOW or record.failures < free:
        return 0
    wait = min(LONGEST_WAIT, 2 ** min(record.failures - free, 10))
    left = math.ceil((record.failed_at + timedelta(seconds=wait) - now).total_seconds())
    # More than that is left only where the clock was set back since; no user waits until it has caught up.
    return max(0, left) if left <= 2 * LONGEST_WAIT else 0


def _count(keys: Iterable[str], now: datetime) -> None:
    again = Case(When(failed_at__lt=now - WINDOW, then=Value(1)), default=F("failures") + 1)
    for key in keys:
        record = LogInRecord.objects.filter(key=key)
        if not record.update(failures=again, failed_at=now):
            # Of several who make the row at once, one does; all of them count.
            LogInRecord.objects.bulk_create([LogInRecord(key=key)], ignore_conflicts=True)
            record.update(failures=again, failed_at=now)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
