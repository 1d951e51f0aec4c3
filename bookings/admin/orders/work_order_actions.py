"""What staff do with bookings: review, move, note, cancel."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from bookings import services
from bookings.admin import addresses
from bookings.admin.actions import Action
from bookings.admin.cells import message
from bookings.admin.forms import AREA, MAX_NOTE, SELECT, ActionForm
from bookings.admin.orders.moving import MoveForm
from bookings.admin.systems import delivery
from bookings.models import HistoryEntry, WorkOrder
from bookings.refusals import Code

# The way back from a review of so many stands in one address.
UNDONE_AT_ONCE = 50


class ReviewForm(ActionForm):
    note = forms.CharField(max_length=MAX_NOTE, required=False, widget=forms.Textarea(AREA))


class NoteForm(ActionForm):
    note = forms.CharField(max_length=MAX_NOTE, widget=forms.Textarea(AREA))


class CancelForm(ActionForm):
    reason = forms.ChoiceField(widget=forms.Select(SELECT))
    more = forms.CharField(
        label="More about it",
        max_length=MAX_NOTE,
        required=False,
        widget=forms.Textarea(AREA),
        help_text="Kept in the history.",
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        reasons = [(reason, reason) for reason in settings.BOOKJOB_CANCEL_REASONS]
        self.fields["reason"].choices = [("", "Choose a reason"), *reasons]  # type: ignore[attr-defined]

    def words(self) -> str:
        reason, more = self.cleaned_data["reason"], self.cleaned_data["more"].strip()
        return f"{reason}: {more}" if more else str(reason)


class OfBooked(Action):
    """Comes to nothing once a booking is cancelled."""

    def unfit(self, row: WorkOrder) -> str:
        return "" if row.status == WorkOrder.Status.BOOKED else "is cancelled"


class Review(OfBooked):
    name, icon, title, done = "review", "task_alt", "Review", "reviewed"
    event = HistoryEntry.Event.REVIEWED
    consequence = "It leaves the list of what needs attention. The booking itself stays as it is."
    permission = "bookings.review_workorder"
    form = ReviewForm

    def unfit(self, row: WorkOrder) -> str:
        return super().unfit(row) or ("is reviewed already" if row.reviewed_at else "")

    def run(self, row: WorkOrder, form: ReviewForm, by: str, seen: int) -> None:
        services.review(work_order=row, by=by, note=form.words(), seen_version=seen)

    def done_text(self, form: ReviewForm, done: Any) -> str:
        text = super().done_text(form, done)
        if len(done) > UNDONE_AT_ONCE:
            return text
        # Each was seen in the version before.
        query = {"chosen": " ".join(f"{row.pk}:{row.version + 1}" for row in done)}
        address = addresses.with_query(reverse("admin:bookings_workorder_act", args=[UndoReview.name]), query)
        return format_html('{} <a class="desk-link" data-key="u" href="{}">Undo</a>', text, address)


class UndoReview(OfBooked):
    name, icon, title, done = "unreview", "undo", "Undo review", "waiting to be reviewed again"
    event = HistoryEntry.Event.UNREVIEWED
    consequence = "It waits to be reviewed again. The booking itself stays as it is."
    permission = "bookings.review_workorder"

    def unfit(self, row: WorkOrder) -> str:
        return super().unfit(row) or ("" if row.reviewed_at else "is not reviewed")

    def run(self, row: WorkOrder, form: ActionForm, by: str, seen: int) -> None:
        services.undo_review(work_order=row, by=by, seen_version=seen)


class Move(OfBooked):
    name, icon, title, done = "move", "event_repeat", "Move", "moved"
    event = HistoryEntry.Event.MOVED
    typed = "choice"
    key = "m"
    consequence = (
        "It keeps its number and takes a place in the appointment that you choose."
        " Its present place can be booked by others at once."
    )
    permission = "bookings.move_workorder"
    form = MoveForm
    fields_template = "admin/bookings/move_fields.html"
    # Another place may do.
    asks_again_after = (Code.SLOT_UNAVAILABLE, Code.SLOT_NOT_FOUND, Code.ALREADY_BOOKED)

    def told(self) -> str:
        return delivery.told_text()

    def run(self, row: WorkOrder, form: MoveForm, by: str, seen: int) -> None:
        services.move(work_order=row, slot=form.cleaned_data["slot"], by=by, reason=form.words(), seen_version=seen)

    def is_done(self, row: WorkOrder, form: MoveForm, by: str) -> bool:
        return row.slot_id == form.cleaned_data["slot"].pk and super().is_done(row, form, by)

    def done_text(self, form: MoveForm, done: Any) -> str:
        slot = form.cleaned_data["slot"]
        where, who = slot.area.period_text(slot.start, slot.end), slot.worker or "pool"
        if len(done) > 1:
            return message("{} moved to {}, {}. Call the customers.", f"{len(done):,}", where, who)
        call = message("Call {}.", done[0].phone) if done[0].phone else "Call the customer."
        return message("{} moved to {}, {}. {}", done[0], where, who, call)

    def report(self, request: HttpRequest, form: MoveForm, done: Any) -> None:
        slot = form.cleaned_data["slot"]
        if late := form.late_text(slot):
            messages.warning(request, f"{late} come after the new visit begins.")
        if form.is_outside(slot):
            messages.warning(request, form.customer_text)


class Note(Action):
    name, icon, title, done = "note", "sticky_note_2", "Add a note", "noted"
    event = HistoryEntry.Event.NOTED
    first_click = "Your note was saved."
    typed = "note"
    consequence = "The note is kept in the history. It cannot be changed or taken back."
    permission = "bookings.note_workorder"
    form = NoteForm

    def run(self, row: WorkOrder, form: NoteForm, by: str, seen: int) -> None:
        services.add_note(work_order=row, by=by, note=form.words(), seen_version=seen)


class Cancel(OfBooked):
    name, icon, title, done = "cancel", "event_busy", "Cancel booking", "cancelled"
    event = HistoryEntry.Event.CANCELLED
    typed = "reason"
    key = "c"
    consequence = (
        "Its place can be booked by others at once. The booking stays here as cancelled and cannot be"
        " brought back; the order may be booked again and gets a new number."
    )
    permission, bulk_permission = "bookings.cancel_workorder", "bookings.bulk_cancel_workorder"
    form = CancelForm
    is_dangerous = True

    def told(self) -> str:
        return delivery.told_text()

    def run(self, row: WorkOrder, form: CancelForm, by: str, seen: int) -> None:
        services.cancel(work_order=row, by=by, reason=form.words(), seen_version=seen)


REVIEW = Review()
WORK_ORDER_ACTIONS = [REVIEW, Move(), Note(), Cancel(), UndoReview(), delivery.SendAgain()]
