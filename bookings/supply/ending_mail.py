"""The mail that says which areas' slots end, in time to make more. Off unless BOOKJOB_MAIL_URL is set.

Each area is told of once in AGAIN while it lasts, on however many machines this runs: its row of Counter is claimed
before the mail is sent, in a turn that one machine has at a time. Where no mail could be sent, the claim holds for an
hour: what runs again at once does not log in again with a wrong password until the account is locked. Where one address
of several is refused, the others are not told twice. A process that dies between the two leaves it to the next night.
No lock is held while the mail server is waited for.
"""

import contextlib
import socket
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.core.mail import get_connection, send_mail

from bookings.models import Counter, ServiceArea
from bookings.sentences import counted
from bookings.supply import areas, turns

# Less than a day: the timer does not begin at the same second each night.
AGAIN = timedelta(hours=20)
AFTER_A_FAULT = timedelta(hours=1)
NAMED = 50
HINT = (
    "Technicians will soon find no appointment there. Make more slots: a schedule on the desk (Schedules), seed_slots"
    " or import_slots. An area that is used no longer: take it away. This is said once a day while it lasts."
)


class NotSentError(Exception):
    """The mail server could not be reached, or did not take a mail. The message says whose, why and what is next."""


def tell(now: datetime, *, dry_run: bool = False) -> str:
    """Send what is due; a line about it, or an empty text. A dry run claims and sends nothing. Raises NotSentError."""
    if not settings.BOOKJOB_MAIL_TO:
        return ""
    ending = areas.whose_slots_end(ServiceArea.objects.all(), now).order_by("last", "code")
    rows = ending.values_list("pk", "code", "time_zone", "last")
    found = {key: areas.ending_text(code, zone, last, now) for key, code, zone, last in rows}
    due = _due(found, now) if dry_run else turns.write(partial(_claim, found, now))
    if not due:
        return ""
    to, subject = list(dict.fromkeys(settings.BOOKJOB_MAIL_TO)), f"The slots of {counted(len(due), 'area')} end"
    if dry_run:
        return f"Would mail to {', '.join(to)}: {subject}."
    refused = _send(to, subject, [found[key] for key in due])
    if len(refused) == len(to):
        mine = Counter.objects.filter(name__in=map(_name, due), value=_second(now))
        mine.update(value=_second(now - AGAIN + AFTER_A_FAULT))
    if refused:
        raise NotSentError(_complaint(subject, [one for one in to if one not in refused], refused))
    return f"Mailed to {', '.join(to)}: {subject}."


def _complaint(subject: str, told: Sequence[str], refused: Mapping[str, str]) -> str:
    why = f"the mail to {', '.join(refused)} was not sent: {'; '.join(dict.fromkeys(refused.values()))}."
    if told:
        return f"Mailed to {', '.join(told)}: {subject}. But {why} The next mail is due in a day."
    return f"{subject}, but {why} A run in an hour or later tries again."


def _send(to: Sequence[str], subject: str, sentences: Sequence[str]) -> dict[str, str]:
    """A mail to each address, by one connection. Says why those were refused that were."""
    more = [f"And {len(sentences) - NAMED:,} more."] if len(sentences) > NAMED else []
    sender = f"extend_schedules on {socket.gethostname()}"
    text = "\n".join([*sentences[:NAMED], *more, "", HINT, "", sender, ""])
    refused: dict[str, str] = {}
    server = get_connection()
    try:
        server.open()
        for one in to:
            try:
                send_mail(f"bookjob: {subject}", text, None, [one], connection=server)
            except Exception as fault:  # whatever it is, the others are told
                refused[one] = _why(fault)
    except Exception as fault:
        refused = dict.fromkeys(to, _why(fault))
    with contextlib.suppress(Exception):  # what was taken is taken
        server.close()
    return refused


def _why(fault: Exception) -> str:
    return str(fault) or type(fault).__name__


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
