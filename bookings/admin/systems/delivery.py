"""What staff see and do of delivery: a line for each receiver, the filter, the tile, *Send again*, and the texts that
say who is told.

Read from the tables alone: a page never calls another system. What is shown is only of bookings that the viewer may
see; what is done is done by bookings/delivery/receivers.py, which keeps who did it.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.forms import CharField, Textarea
from django.http import HttpRequest

from bookings import clock
from bookings.admin import addresses, days, filters, lists
from bookings.admin.actions import Action
from bookings.admin.forms import AREA, MAX_NOTE, ActionForm
from bookings.admin.systems.receiver_forms import SettingsForm
from bookings.delivery import receivers
from bookings.models import (
    Delivery,
    DeliveryEntry,
    Receiver,
    ServiceArea,
    WorkOrder,
    WorkOrderQuerySet,
    visible_areas,
)
from bookings.refusals import Code, Refused
from bookings.sentences import say

# A visit that is as near has to be on the device.
URGENT = timedelta(hours=24)
SHOWN_ENTRIES = 30


def servicemobility() -> Receiver | None:
    return Receiver.objects.on().filter(kind=Receiver.Kind.SERVICEMOBILITY).first()


# --- Which bookings ----------------------------------------------------------------------------------------------


def missing_on(receiver: Receiver, now: datetime) -> Q:
    """Visits to come whose present state it does not have: it lags behind, or has not read of the change yet.

    The second part is for the time in which no process delivers.
    """
    unread = Q(change_num__isnull=True) | Q(change_num__gt=receiver.place)
    behind = Q(pk__in=receiver.deliveries.open().values("work_order"))
    return Q(visit_start__gt=now) & (behind | (unread & Q(status=WorkOrder.Status.BOOKED)))


class DeliveryFilter(filters.BarFilter):
    """Where ServiceMobility is with a booking; there only if it is connected."""

    title, parameter_name = "ServiceMobility", "delivery"

    def __init__(self, *arguments: Any) -> None:
        self.receiver = servicemobility()
        super().__init__(*arguments)

    def has_output(self) -> bool:
        return self.receiver is not None or bool(self.value())

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("missing", "not there yet"), ("stuck", "needs a person"), ("there", "up to date there")]

    def condition(self, request: HttpRequest) -> Q:
        if self.receiver is None:
            return Q(pk__in=[])
        rows = self.receiver.deliveries
        if self.value() == "missing":
            return missing_on(self.receiver, clock.now())
        if self.value() == "stuck":
            return Q(pk__in=rows.stuck().values("work_order"))
        up_to_date = rows.filter(wanted_at__isnull=True).values("work_order")
        return Q(pk__in=up_to_date if self.value() == "there" else [])


def tiles(orders: WorkOrderQuerySet, codes: list[str]) -> list[dict[str, Any]]:
    """*Not on ServiceMobility*: red when such a visit is within 24 hours."""
    receiver, now = servicemobility(), clock.now()
    if receiver is None:
        return []
    missing = orders.filter(missing_on(receiver, now))
    is_near = missing.filter(visit_start__lt=now + URGENT).exists()
    return [
        {
            "title": "Not on ServiceMobility",
            "count": lists.count_text(lists.bounded_count(missing)),
            "link": addresses.list_of("workorder", view="all", delivery="missing", area=codes),
            "is_urgent": is_near,
            "is_alarm": is_near,
        }
    ]


# --- One booking -------------------------------------------------------------------------------------------------


def page_context(request: HttpRequest, work_order: WorkOrder) -> dict[str, Any]:
    """For the page of a work order: a line for each receiver, and the log of the attempts, without their bodies."""
    if not request.user.has_perm("bookings.view_delivery"):
        return {}
    deliveries = {row.receiver_id: row for row in work_order.deliveries.all()}
    entries = DeliveryEntry.objects.filter(delivery__in=[row.pk for row in deliveries.values()])
    return {
        "delivery_lines": [
            line(receiver, deliveries.get(receiver.pk), work_order) for receiver in Receiver.objects.on()
        ],
        "delivery_log": log(entries, work_order.area),
    }


def log(entries: QuerySet[DeliveryEntry], area: ServiceArea | None = None) -> list[dict[str, Any]]:
    """The newest lines; each on the clock of its booking's area, and on UTC's where it is of none."""
    found = entries.select_related("receiver", "delivery__work_order__area").order_by("-pk")[:SHOWN_ENTRIES]
    return [{"entry": entry, "at": _instant_text(area or _area_of(entry), entry.at)} for entry in found]


def _area_of(entry: DeliveryEntry) -> ServiceArea | None:
    return entry.delivery.work_order.area if entry.delivery else None


def _instant_text(area: ServiceArea | None, instant: datetime) -> str:
    return area.instant_text(instant) if area else f"{instant:%a} {instant.day} {instant:%b %Y, %H:%M} (UTC)"


def line(receiver: Receiver, delivery: Delivery | None, work_order: WorkOrder) -> dict[str, Any]:
    """What the page says of one receiver; a warning where a person has to do something, or the visit is near."""
    is_there = delivery is not None and delivery.wanted_at is None
    is_near = clock.now() < work_order.visit_start < clock.now() + URGENT
    is_expected = delivery is not None or work_order.pk > receiver.last_order_before
    return {
        "text": _text(receiver, delivery, work_order),
        "is_bad": bool(delivery and delivery.needs_person) or (is_expected and not is_there and is_near),
        "receiver": receiver,
    }


def _text(receiver: Receiver, delivery: Delivery | None, work_order: WorkOrder) -> str:
    name, area = receiver.name, work_order.area
    if delivery is not None and delivery.wanted_at is None:
        return _there_text(receiver, delivery, area)
    if delivery is not None and delivery.needs_person:
        return f"Needs you: {delivery.needs_person} ({name})"
    if delivery is None and work_order.pk <= receiver.last_order_before and _has_read(receiver, work_order):
        return f"Not sent to {name}: it was booked before {name} was connected."
    if receiver.paused_at:
        return f"Waiting: {name} is paused by {receiver.paused_by or 'an operator'}: {receiver.paused_reason}"
    if receiver.trouble:
        again = f" It is tried again at {_clock(area, receiver.probe_at)}." if receiver.probe_at else ""
        return f"Waiting: {name} does not take anything now: {receiver.trouble}{again}"
    if delivery is not None and delivery.is_asked_once_more:
        at = _clock(area, delivery.due_at)
        return f"{name} took it, and is asked once more at {at}: a call before got no answer."
    if delivery is None or not delivery.attempts:
        since = f" since {_clock(area, delivery.wanted_at)}" if delivery and delivery.wanted_at else ""
        return f"Waiting to be sent to {name}{since}"
    number = f"{_ordinal(delivery.attempts + 1)} try at {_clock(area, delivery.due_at)}" if delivery.due_at else ""
    return f"Waiting, {number}: {delivery.outcome} ({name})"


def _there_text(receiver: Receiver, delivery: Delivery, area: ServiceArea) -> str:
    name, since = receiver.name, _clock(area, delivery.pushed_at)
    if not (delivery.pushed_plan or delivery.pushed_rest):
        return f"Taken off {name} at {since}" if delivery.pushed_at else f"Never was on {name}"
    return f"On {name} since {since}" if receiver.is_servicemobility else f"Sent to {name} at {since}"


def _has_read(receiver: Receiver, work_order: WorkOrder) -> bool:
    return work_order.change_num is not None and work_order.change_num <= receiver.place


def _clock(area: ServiceArea, instant: datetime | None) -> str:
    """`13:02` today, else with its day, on the clock of the area."""
    if instant is None:
        return "once"
    shown = clock.local(instant, area.zone)
    day = "" if shown.date() == days.today(area.zone) else f"{shown:%a} {shown.day} {shown:%b %Y}, "
    return f"{day}{shown:%H:%M}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def told_text() -> str:
    """Who hears of what staff do, and what is left to do: the systems that are connected are told, and no other."""
    texts, notifies = [], False
    for receiver in Receiver.objects.on():
        later = " once it is resumed" if receiver.paused_at else ""
        if receiver.is_servicemobility:
            texts.append(f"{receiver.name} is told{later}, and by it the technician.")
        else:
            texts.append(f"{receiver.name} is told{later}.")
            notifies = True
    if notifies:
        return " ".join([*texts, "Call the customer, unless it is known to notify them."])
    return " ".join([*texts, "The customer is not notified. Call them."])


# --- Send again, pause, resume -----------------------------------------------------------------------------------


class PauseForm(ActionForm):
    reason = CharField(
        max_length=MAX_NOTE,
        widget=Textarea(AREA),
        help_text="It is shown on the page of each booking that waits.",
    )


class SendAgain(Action):
    name, icon, title, done = "send_again", "sync", "Send again", "sent again"
    consequence = (
        "Each receiver is asked at once what it has of this booking, and gets what differs. What a technician"
        " has begun or finished is not overwritten."
    )
    permission = "bookings.send_again"

    def is_allowed(self, request: HttpRequest, *, many: bool) -> bool:
        """The list does not offer it where nothing is sent at all."""
        return super().is_allowed(request, many=many) and (not many or Receiver.objects.on().exists())

    def unfit(self, row: WorkOrder) -> str:
        return "" if _to_send(row) else "was not sent to anything yet"

    def run(self, row: WorkOrder, form: ActionForm, by: str, seen: int) -> None:
        deliveries = _to_send(row)
        if not deliveries:
            raise Refused(Code.NOT_FOUND, say("{number} was not sent to anything yet.", number=row.order_num))
        for delivery in deliveries:
            receivers.send_again(delivery, by=by)


def _to_send(work_order: WorkOrder) -> list[Delivery]:
    return list(work_order.deliveries.filter(receiver__is_on=True).select_related("receiver"))


class OfReceiver(Action):
    permission = "bookings.pause_receiver"

    def refuse_unfit(self, row: Receiver) -> None:
        """Another person may have been faster."""
        row.refresh_from_db()
        if reason := self.unfit(row):
            raise Refused(Code.NOT_FOUND, say("{name} {reason}.", name=row, reason=reason))


class Pause(OfReceiver):
    name, icon, title, done = "pause", "pause", "Pause", "paused"
    consequence = "Nothing is sent to it until it is resumed. What changes meanwhile waits and is sent then."
    form = PauseForm
    is_dangerous = True

    def unfit(self, row: Receiver) -> str:
        return f"is paused already, by {row.paused_by or 'an operator'}" if row.paused_at else ""

    def run(self, row: Receiver, form: PauseForm, by: str, seen: int) -> None:
        self.refuse_unfit(row)
        receivers.pause(row, reason=form.cleaned_data["reason"], by=by)


class Resume(OfReceiver):
    name, icon, title, done = "resume", "play_arrow", "Resume", "resumed"
    consequence = "What waits is sent, cancellations first, then by the start of the visit."

    def unfit(self, row: Receiver) -> str:
        return "" if row.paused_at else "is not paused"

    def run(self, row: Receiver, form: ActionForm, by: str, seen: int) -> None:
        self.refuse_unfit(row)
        receivers.resume(row, by=by)


class Change(OfReceiver):
    name, icon, title, done = "change", "edit", "Change", "changed"
    consequence = "What waits is sent by the new settings; where it was in trouble it is tried at once."
    permission = "bookings.change_receiver"
    form = SettingsForm

    def is_allowed(self, request: HttpRequest, *, many: bool) -> bool:
        """One at a time, and by a person who is restricted to no areas: it is of all of them."""
        return not many and super().is_allowed(request, many=many) and visible_areas(request.user) is None

    def unfit(self, row: Receiver) -> str:
        return "" if row.is_on else "is off: connect it again"

    def run(self, row: Receiver, form: SettingsForm, by: str, seen: int) -> None:
        self.refuse_unfit(row)
        if row.settings_version != seen:
            message = say("{name} was changed meanwhile. Look at it, and change it again.", name=row)
            raise Refused(Code.NOT_FOUND, message)
        receivers.change(row, by=by, **form.columns())


RECEIVER_ACTIONS = [Pause(), Resume(), Change()]
