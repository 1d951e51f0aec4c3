"""When a viewer was last at the board, so that it can say what came since."""

from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Q
from django.http import HttpRequest

from bookings import clock
from bookings.models import BoardVisit

# Who comes back after so long was away; until then the board goes on to say what came before.
AWAY = timedelta(minutes=30)
# A visit is noted no more often than this, however often the board is looked at.
EVERY = timedelta(minutes=1)


def note_visit(request: HttpRequest) -> datetime | None:
    """When the viewer's visit before this one ended; None where this is the first."""
    now = clock.now()
    visit, is_first = BoardVisit.objects.get_or_create(user=cast(Any, request.user), defaults={"seen_at": now})
    if is_first or now - visit.seen_at < EVERY:
        return visit.left_at
    if now - visit.seen_at > AWAY:
        visit.left_at = visit.seen_at
    visit.seen_at = now
    visit.save()
    return visit.left_at


def left_at(request: HttpRequest) -> datetime:
    """For the lists behind the numbers. What has no visit before has nothing since."""
    left = BoardVisit.objects.filter(user=request.user.pk).values_list("left_at", flat=True).first()
    return left or clock.now()


def came_since(field: str, request: HttpRequest) -> Q:
    """For the filters of the lists."""
    return Q(**{f"{field}__gt": left_at(request)})
