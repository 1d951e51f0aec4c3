"""Secret addresses of calendars: made, shown once, looked up at each request, revoked at once.

Only their digests are kept.
"""

import hashlib
import secrets

from bookings import clock
from bookings.models import CalendarAddress, ServiceArea


class Unfit(Exception):
    """An address that cannot be revoked, and why."""


def make(*, worker: str = "", area: ServiceArea | None = None, shows_customers: bool, by: str) -> str:
    """The secret of the address, which is never shown again. Of a worker or of an area."""
    secret = secrets.token_urlsafe(32)
    CalendarAddress.objects.create(
        digest=_digest(secret),
        worker=worker,
        area=area,
        shows_customers=shows_customers,
        made_at=clock.now(),
        made_by=by,
    )
    return secret


def revoke(address: CalendarAddress, *, by: str) -> None:
    """From the next request on it is not there. Raises Unfit if it was revoked before."""
    good = CalendarAddress.objects.filter(pk=address.pk, revoked_at__isnull=True)
    if not good.update(revoked_at=clock.now(), revoked_by=by):
        raise Unfit("It was revoked before.")


def find(secret: str) -> CalendarAddress | None:
    good = CalendarAddress.objects.filter(digest=_digest(secret), revoked_at__isnull=True)
    return good.select_related("area").first()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
