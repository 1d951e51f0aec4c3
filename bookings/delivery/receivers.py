"""What people do to receivers, and what makes a delivery due. Nothing here calls out.

An address or a secret is refused here, before anything is sent to it: what cannot be right never gets into the table.
"""

import ipaddress
import json
from codecs import BOM_UTF8
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.db import transaction
from django.db.models import F, Max
from django.db.models.functions import Coalesce

from bookings import clock
from bookings.delivery import mapping
from bookings.models import Counter, Delivery, DeliveryEntry, Receiver, WorkOrder
from bookings.models.delivery import NAME_LENGTH
from bookings.sentences import counted, plain_blanks
from bookings.services import feed

Event = DeliveryEntry.Event

NAME = "ServiceMobility"
# Due, whatever the clock says.
AT_ONCE = datetime(2000, 1, 1, tzinfo=UTC)
# Larger than any key: each cancelled order may be there.
ALL_ORDERS = 2**62
# So slow that `deliver` still ends in order when it is told to: a thread may be waiting for its turn.
LEAST_RATE, MOST_RATE = 0.1, 1000
MOST_TEMPLATE = 64 * 1024
LONGEST_URL = 2000
NO_TROUBLE: dict[str, Any] = {"trouble": "", "trouble_since": None, "probe_at": None, "failures": 0}


class Unfit(ValueError):
    """What was given cannot be right; the text says why, and what would be."""


def check_url(url: str) -> str:
    """The address. Raises Unfit: https, or http on this machine alone; no log-in, no fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Unfit(f"{_shown(url)} is no address such as https://host/path.") from None
    if parts.scheme not in ("http", "https") or not host or len(url) > LONGEST_URL:
        raise Unfit(f"{_shown(url)} is no address such as https://host/path.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Unfit("The address holds a blank or another character that must be percent-encoded.")
    if parts.username is not None or parts.password is not None:
        raise Unfit("The address holds a log-in, which would be shown. Leave it out.")
    if parts.fragment:
        raise Unfit("The address holds a #fragment. Leave it out.")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise Unfit("An http address may be on this machine only: what is sent names customers. Use https.")
    return url


def _shown(url: str) -> str:
    return repr(url[:100]) if "@" not in url else "What is given, with a log-in,"


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_base(url: str) -> str:
    """The base address of ServiceMobility, to which each call adds its path. Raises Unfit."""
    if urlsplit(check_url(url)).query:
        raise Unfit("The base address of ServiceMobility holds a question mark. Leave the query out.")
    if "/seiapi" in urlsplit(url).path:
        raise Unfit("The base address ends before /seiapi: each call adds that itself.")
    return url.rstrip("/")


def check_rate(rate: float) -> float:
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise Unfit(f"The rate {rate:g} is not between {LEAST_RATE} and {MOST_RATE} calls a second.")
    return rate


def read_template(path: str) -> dict[str, Any]:
    """Raises Unfit."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_TEMPLATE + 1)
    except OSError as fault:
        raise Unfit(f"{path} cannot be read: {fault.strerror}.") from None
    return read_object(content, path)


def read_object(content: bytes, what: str) -> dict[str, Any]:
    """A template. Raises Unfit."""
    if len(content) > MOST_TEMPLATE:
        raise Unfit(f"{what} is larger than {MOST_TEMPLATE} bytes.")
    try:
        found = orjson.loads(content.removeprefix(BOM_UTF8))
        text = orjson.dumps(found)
        json.loads(text, parse_float=_check_number)
    except (ValueError, TypeError) as fault:
        raise Unfit(f"{what} holds no JSON that can be sent: {fault}.") from None
    if not isinstance(found, dict):
        raise Unfit(f"{what} holds no JSON object, such as {{}}.")
    if b"\\u0000" in text:
        raise Unfit(f"{what} holds the character NUL, which cannot be stored.")
    if "OrderNum" in found:
        raise Unfit(f"{what} names an OrderNum: that is each work order's own.")
    if why := mapping.barred(found):
        raise Unfit(f"{what} names the OrderStatus of a work order that is {why}: it could not be changed any more.")
    return found


def _check_number(text: str) -> None:
    """Raises ValueError: a whole number as large comes back from the database as one that is not sent."""
    if abs(float(text)) >= 2**63:
        raise ValueError(f"{text} needs more than 64 bits")


def connect(name: str, kind: str, *, by: str, **columns: Any) -> Receiver:
    """Make the receiver, or turn it on again: it hears of all changes from now on."""
    while feed.number_changes():
        pass
    counters = dict(Counter.objects.values_list("name", "value"))
    from_now_on = {
        "is_on": True,
        "connected_at": clock.now(),
        "epoch": counters.get("epoch", 0),
        "place": counters.get("change", 0),
        "last_order_before": WorkOrder.objects.aggregate(last=Max("pk"))["last"] or 0,
    }
    with transaction.atomic():
        receiver, _ = Receiver.objects.update_or_create(name=name, defaults={"kind": kind} | columns | from_now_on)
        write_line(receiver, Event.CONNECTED, by=by, text=receiver.url)
    return receiver


def change(receiver: Receiver, *, by: str, **columns: Any) -> None:
    """Change how it is reached; where it was in trouble it is tried at once."""
    # A template is long, and may name people: that it was changed is enough.
    said = ", ".join(name for name, value in columns.items() if getattr(receiver, name) != value)
    with transaction.atomic():
        Receiver.objects.filter(pk=receiver.pk).update(**columns, **NO_TROUBLE)
        write_line(receiver, Event.CHANGED, by=by, text=said)


def turn_off(receiver: Receiver, *, by: str) -> None:
    """It hears of nothing until it is connected again, and then of what changes from then on.

    The lease ends by itself: until then a call may be under way, which a new leader must not overtake.
    """
    with transaction.atomic():
        Receiver.objects.filter(pk=receiver.pk).update(is_on=False, **NO_TROUBLE)
        settled = {"due_at": None, "wanted_at": None, "needs_person": "", "wanted": F("wanted") + 1}
        Delivery.objects.filter(receiver=receiver).open().update(**settled)
        write_line(receiver, Event.TURNED_OFF, by=by)


def pause(receiver: Receiver, *, reason: str, by: str) -> None:
    """Nothing is sent until it is resumed; what changes meanwhile waits. Raises Unfit without a reason."""
    if not reason.strip():
        raise Unfit("Say why it is paused: others read it.")
    with transaction.atomic():
        Receiver.objects.filter(pk=receiver.pk).update(paused_at=clock.now(), paused_by=by, paused_reason=reason)
        write_line(receiver, Event.PAUSED, by=by, text=reason)


def resume(receiver: Receiver, *, by: str) -> None:
    with transaction.atomic():
        paused = Receiver.objects.filter(pk=receiver.pk, paused_at__isnull=False)
        if paused.update(paused_at=None, paused_by="", paused_reason=""):
            write_line(receiver, Event.RESUMED, by=by)


def send_again(delivery: Delivery, *, by: str) -> None:
    """Look at once at what stands there, and send what differs, whatever was taken before."""
    with transaction.atomic():
        make_due(delivery.receiver, [delivery.work_order_id], to_look=True)
        write_line(delivery.receiver, Event.SENT_AGAIN, by=by, delivery=delivery)


def make_due(receiver: Receiver, work_orders: Collection[int], *, to_look: bool = False) -> None:
    """Bring the receiver to the state that these work orders have now. In a transaction of the caller."""
    new = [Delivery(receiver=receiver, work_order_id=key) for key in work_orders]
    Delivery.objects.bulk_create(new, ignore_conflicts=True)
    Delivery.objects.filter(receiver=receiver, work_order__in=work_orders).update(
        **due(clock.now()), **({"is_uncertain": True} if to_look else {})
    )


def due(now: datetime) -> dict[str, Any]:
    """The columns of a delivery that is wanted anew. It lags behind since it was wanted first."""
    return {
        "wanted": F("wanted") + 1,
        "wanted_at": Coalesce("wanted_at", now),
        "due_at": AT_ONCE,
        "needs_person": "",
        "attempts": 0,
    }


def write_line(
    receiver: Receiver, event: Event, *, by: str = "", text: str = "", delivery: Delivery | None = None
) -> None:
    DeliveryEntry.objects.create(receiver=receiver, delivery=delivery, event=event, at=clock.now(), by=by, text=text)


def remove(receiver: Receiver) -> None:
    """With all that is known of it, in steps: there may be many rows."""
    turn_off(receiver, by="")
    for rows in (DeliveryEntry.objects.filter(receiver=receiver), Delivery.objects.filter(receiver=receiver)):
        while keys := list(rows.values_list("pk", flat=True)[:500]):
            rows.filter(pk__in=keys).delete()
    receiver.delete()


def check_name(name: str) -> str:
    """Of a webhook. Raises Unfit."""
    name = check_text("NAME", plain_blanks(name))
    if name == NAME:
        raise Unfit(f"{NAME} is the name of ServiceMobility itself. Give another one.")
    return name


def check_paths(paths: list[str], most: int) -> list[str]:
    """Of the files of its secrets, which are not read here. Raises Unfit."""
    if len(paths) > most:
        raise Unfit("Give one file." if most == 1 else "Give one file, or two while the secret is changed.")
    for path in paths:
        if not path.startswith("/") or not path.isprintable() or len(path) > LONGEST_URL:
            raise Unfit("The path of a file must be absolute, such as /etc/bookjob/erp.secret.")
    return paths


def check_text(what: str, text: str) -> str:
    """Raises Unfit."""
    if not text.strip() or not text.isprintable() or len(text) > NAME_LENGTH:
        raise Unfit(f"{what} is empty, too long, or holds a character that cannot be shown.")
    return text.strip()


def state_lines(receiver: Receiver | None) -> list[str]:
    """How a receiver is, for people."""
    if receiver is None:
        return [f"{NAME} is not connected."]
    if not receiver.is_on:
        return [f"{receiver} is off."]
    rows = Delivery.objects.filter(receiver=receiver)
    waiting, stuck = rows.waiting().count(), rows.stuck().count()
    said = [
        f"{receiver}: {receiver.url}, {receiver.rate:g} calls a second at the most.",
        f"{counted(waiting, 'work order waits', 'work orders wait')}, {counted(stuck, 'needs', 'need')} a person.",
    ]
    if receiver.paused_at:
        said.append(
            f"Paused since {receiver.paused_at:%Y-%m-%d %H:%M} UTC by {receiver.paused_by}: {receiver.paused_reason}"
        )
    if receiver.trouble:
        said.append(f"In trouble since {receiver.trouble_since:%Y-%m-%d %H:%M} UTC: {receiver.trouble}")
    if not Receiver.objects.led().filter(pk=receiver.pk).exists():
        said.append("No process delivers to it: run manage.py deliver.")
    return said
