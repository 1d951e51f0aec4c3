"""What staff do with slots: close, open, change places."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from bookings.admin.actions import Action, some_of
from bookings.admin.cells import blackout_link
from bookings.admin.forms import MAX_NOTE, TEXT, ActionForm
from bookings.models import AppointmentSlot, HistoryEntry, WorkOrder
from bookings.supply import slots
from bookings.supply.from_plans.hours import LEAST_CAPACITY, MAX_CAPACITY

# As many are named where each has places of its own.
SHOWN_SIZES = 10


class CloseForm(ActionForm):
    reason = forms.CharField(max_length=MAX_NOTE, widget=forms.TextInput(TEXT))


class OpenForm(CloseForm):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["reason"].required = False


class ResizeForm(OpenForm):
    field_order = ("capacity", "reason")
    capacity = forms.IntegerField(
        label="Places",
        min_value=LEAST_CAPACITY,
        max_value=MAX_CAPACITY,
        widget=forms.NumberInput({**TEXT, "min": LEAST_CAPACITY}),
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # As a remedy of *Ask the rules* proposes it.
        self.initial["capacity"] = self.request.GET.get("capacity")


class Close(Action):
    name, icon, title, done = "close", "lock", "Close", "closed"
    event = HistoryEntry.Event.CLOSED
    typed = "reason"
    consequence = (
        "It is not offered any more and cannot be booked. The bookings in it stay and ask to be reviewed"
        " again: move or cancel them."
    )
    permission = "bookings.close_appointmentslot"
    form = CloseForm
    is_dangerous = True

    def unfit(self, row: AppointmentSlot) -> str:
        return "" if row.is_open else "is closed already"

    def affected(self, rows: Sequence[AppointmentSlot]) -> QuerySet[WorkOrder]:
        closing = [row.pk for row in rows if row.is_open]
        bookings = WorkOrder.objects.active().filter(slot__in=closing).select_related("area", "slot")
        return bookings.order_by("visit_start", "pk")

    def run(self, row: AppointmentSlot, form: CloseForm, by: str, seen: int) -> None:
        slots.close(slot=row, by=by, reason=form.cleaned_data["reason"])


class Open(Action):
    name, icon, title, done = "open", "lock_open", "Open", "opened"
    event = HistoryEntry.Event.OPENED
    consequence = "It is offered again, as long as it has free places and nothing else closes it."
    permission = "bookings.close_appointmentslot"
    form = OpenForm

    def unfit(self, row: AppointmentSlot) -> str:
        if not row.is_open:
            return ""
        if row.blackout:
            return format_html("is closed by {}", blackout_link(f"a blackout: {row.blackout.reason}", row.blackout_id))
        return "is closed, since its plan has it no longer" if row.is_withdrawn else "is open already"

    def run(self, row: AppointmentSlot, form: OpenForm, by: str, seen: int) -> None:
        slots.reopen(slot=row, by=by, reason=form.cleaned_data["reason"])

    def report(self, request: HttpRequest, form: OpenForm, done: Sequence[AppointmentSlot]) -> None:
        """An opened slot may still be closed by a blackout."""
        texts = [
            format_html(
                "{} stays closed by {}.", row, blackout_link(f"a blackout: {row.blackout.reason}", row.blackout_id)
            )
            for row in done
            if row.blackout
        ]
        if texts:
            messages.warning(request, some_of(texts))


class Resize(Action):
    name, icon, title, done = "resize", "groups", "Change places", "changed"
    event = HistoryEntry.Event.RESIZED
    typed = "number"
    permission = "bookings.resize_appointmentslot"
    form = ResizeForm

    def consequence_for(self, rows: Sequence[AppointmentSlot]) -> str:
        which = "This slot" if len(rows) == 1 else f"Each of these {len(rows):,} slots"
        now = ", ".join(str(row.capacity) for row in rows[:SHOWN_SIZES]) + (", …" if len(rows) > SHOWN_SIZES else "")
        return f"{which} will have this many places (now {now}). Fewer than are booked is refused."

    def is_done(self, row: AppointmentSlot, form: ResizeForm, by: str) -> bool:
        return row.capacity == form.cleaned_data["capacity"] and super().is_done(row, form, by)

    def run(self, row: AppointmentSlot, form: ResizeForm, by: str, seen: int) -> None:
        given = form.cleaned_data
        slots.resize(slot=row, capacity=given["capacity"], by=by, reason=given["reason"], seen_capacity=seen)


SLOT_ACTIONS = [Close(), Open(), Resize()]
