"""The mail that says which areas' slots end, in time to make more. Off unless BOOKJOB_MAIL_URL is set.

Each area is told of once in AGAIN while it lasts, on however many machines this runs: its row of Counter is claimed
before the mail is sent, in a turn that one machine has at a time, and given up where the mail could not be sent. A
process that dies between the two leaves it to the next night. No lock is held while the mail server is waited for.
"""

import socket
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.core.mail import send_mail

from bookings.models import Counter, ServiceArea
from bookings.sentences import counted
from bookings.supply import areas, turns

# Less than a day: the timer does not begin at the same second each night.
AGAIN = timedelta(hours=20)
NAMED = 50
HINT = (
    "Technicians will soon find no appointment there. Make more slots: a schedule on the desk (Schedules), seed_slots"
    " or import_slots. An area that is used no longer: take it away. This is said once a day while it lasts."
)


class NotSentError(Exception):
    """The mail server could not be reached, or did not take the mail. The message says which areas and why."""


def tell(now: datetime, *, dry_run: bool = False) -> str:
    """Send what is due; a line about it, or an empty text. A dry run claims and sends nothing. Raises NotSentError."""
    if not settings.BOOKJOB_MAIL_TO:
        return ""
    ending = areas.whose_slots_end(ServiceArea.objects.all(), now).order_by("last", "code")
    found = {key: areas.ending_text(code, last, now) for key, code, last in ending.values_list("pk", "code", "last")}
    due = _due(found, now) if dry_run else turns.write(partial(_claim, found, now))
    if not due:
        return ""
    to, subject = ", ".join(settings.BOOKJOB_MAIL_TO), f"The slots of {counted(len(due), 'area')} end"
    if dry_run:
        return f"Would mail to {to}: {subject}."
    try:
        _send(subject, [found[key] for key in due])
    except Exception as fault:  # whatever it is, the next run tells of these areas
        Counter.objects.filter(name__in=map(_name, due), value=_second(now)).delete()
        why = str(fault) or type(fault).__name__
        raise NotSentError(f"{subject}, but the mail to {to} was not sent: {why}.") from fault
    return f"Mailed to {to}: {subject}."


def _send(subject: str, sentences: Collection[str]) -> None:
    more = [f"And {len(sentences) - NAMED:,} more."] if len(sentences) > NAMED else []
    sender = f"extend_schedules on {socket.gethostname()}"
    text = "\n".join([*list(sentences)[:NAMED], *more, "", HINT, "", sender, ""])
    send_mail(f"bookjob: {subject}", text, None, settings.BOOKJOB_MAIL_TO)


def _name(area: int) -> str:
    return f"slots_end:{area}"


def _second(now: datetime) -> int:
    return int(now.timestamp())


def _due(keys: Iterable[int], now: datetime) -> list[int]:
    late = Counter.objects.filter(name__in=map(_name, keys), value__gt=_second(now - AGAIN))
    told = set(late.values_list("name", flat=True))
    return [key for key in keys if _name(key) not in told]


def _claim(keys: Iterable[int], now: datetime) -> list[int]:
    """Those of which this run tells: of several at once, one gets them all."""
    due = _due(keys, now)
    rows = [Counter(name=_name(key), value=_second(now)) for key in due]
    Counter.objects.bulk_create(rows, update_conflicts=True, unique_fields=["name"], update_fields=["value"])
    return due
