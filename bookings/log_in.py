"""Log-in with a user name and a password: for a token of the API (contract, section 3), and into the admin.

Guessing is slowed down, never stopped: after some failures the next attempt has to wait, a little longer each time,
at most LONGEST_WAIT seconds, so that nobody can lock a technician out. Failures are counted for a user name from an
address, for a user name, and for an address. The wait of a user name does not hold for an address from which that
user has logged in before: what strangers do elsewhere costs him nothing.
"""

import hashlib
import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.db.models import Case, F, Value, When
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed, Throttled

from bookings.models import LogInRecord

# Failures within the window that cost nothing. Many technicians share ServiceMobility's address.
FREE_FOR_PAIR, FREE_FOR_NAME, FREE_FOR_ADDRESS = 5, 20, 100
WINDOW = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)
LONGEST_WAIT = 30  # seconds


def may_use_the_api(user: User) -> bool:
    return user.has_perm("bookings.log_in_to_api")


def log_in(*, username: str, password: str, address: str, may_enter: Callable[[User], bool] = may_use_the_api) -> User:
    """The user, who may enter. Raises Throttled, or AuthenticationFailed without telling what was wrong."""
    now = timezone.now()
    pair, name, source = _key("pair", username, address), _key("name", username), _key("address", address)
    free = {pair: FREE_FOR_PAIR, name: FREE_FOR_NAME, source: FREE_FOR_ADDRESS}
    before = LogInRecord.objects.in_bulk(free)
    known = pair in before and (before[pair].succeeded_at or now - KNOWN_FOR) > now - KNOWN_FOR
    watched = [key for key in free if not (known and key == name)]
    _refuse_to_hurry([before[key] for key in watched if key in before], free, now)
    # Counted before the password is looked at, and looked at again: of many guesses at once, those that others were
    # counted beside get no answer beyond what is free.
    for key in free:
        _count(key, now)
    alone = before[pair].failures + 1 if pair in before else 1
    if LogInRecord.objects.get(key=pair).failures > max(FREE_FOR_PAIR, alone):
        raise Throttled(LONGEST_WAIT)
    # Django takes as long for a name that does not exist, or a user who is not active, as for a wrong password.
    user = authenticate(username=username, password=password)
    if not isinstance(user, User) or not may_enter(user):
        raise AuthenticationFailed
    LogInRecord.objects.filter(key=pair).update(failures=0, succeeded_at=now)
    LogInRecord.objects.filter(key__in=[name, source], failures__gt=0).update(failures=F("failures") - 1)
    return user


def _refuse_to_hurry(records: Iterable[LogInRecord], free: dict[str, int], now: datetime) -> None:
    wait = max((_wait(record, free[record.key], now) for record in records), default=0)
    if wait > 0:
        raise Throttled(wait)


def _wait(record: LogInRecord, free: int, now: datetime) -> int:
    """Seconds until the next attempt, 0 if it may be made now."""
    if record.failed_at is None or record.failed_at < now - WINDOW or record.failures < free:
        return 0
    wait = min(LONGEST_WAIT, 2 ** min(record.failures - free, 10))
    left = math.ceil((record.failed_at + timedelta(seconds=wait) - now).total_seconds())
    # More than that is left only where the clock was set back since; nobody has to wait until it has caught up.
    return max(0, left) if left <= 2 * LONGEST_WAIT else 0


def _count(key: str, now: datetime) -> None:
    again = Case(When(failed_at__lt=now - WINDOW, then=Value(1)), default=F("failures") + 1)
    record = LogInRecord.objects.filter(key=key)
    if not record.update(failures=again, failed_at=now):
        # Of several who make the row at once, one does; all of them count.
        LogInRecord.objects.bulk_create([LogInRecord(key=key)], ignore_conflicts=True)
        record.update(failures=again, failed_at=now)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
