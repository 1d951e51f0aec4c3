"""The actions of the desk: a page that says what will happen, then the same service for one row or many.

What was on the page travels with the form as `chosen`: each row's key and the version that was seen. The services
compare it, so that whatever somebody else did meanwhile, and a second click, change nothing and are reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme

from bookings import services
from bookings.access import kept
from bookings.admin import addresses, forms
from bookings.models import AppointmentSlot, Blackout, WorkOrder
from bookings.supply import blackouts, slots

# Each row is a transaction of its own, all of them one request: this many are done before a server gives up on it.
MAX_ROWS = 1_000
SHOWN_ROWS = 50
REPORTED_REFUSALS = 10

Row = WorkOrder | AppointmentSlot | Blackout


@dataclass(frozen=True)
class Action:
    """`consequence` says what will happen to one; `unfit` why it would come to nothing, or is empty."""

    name: str
    icon: str
    title: str
    done: str
    consequence: str
    permission: str
    bulk_permission: str
    form: type[forms.ActionForm]
    unfit: Callable[[Any], str]
    run: Callable[[Any, Any, str], Any]
    is_dangerous: bool = False


def _unless_booked(work_order: WorkOrder) -> str:
    return "is cancelled" if work_order.status != WorkOrder.Status.BOOKED else ""


def _unless_unreviewed(work_order: WorkOrder) -> str:
    return _unless_booked(work_order) or ("is reviewed already" if work_order.reviewed_at else "")


def blackout_link(text: str, key: int | None) -> str:
    return format_html(
        '<a class="desk-link" href="{}">{}</a>', reverse("admin:bookings_blackout_change", args=[key]), text
    )


def _unless_hidden_by_staff(slot: AppointmentSlot) -> str:
    if not slot.is_open:
        return ""
    if slot.blackout:
        return format_html("is hidden by {}", blackout_link(f"a blackout: {slot.blackout.reason}", slot.blackout_id))
    return "is hidden, since its plan has it no longer" if slot.is_withdrawn else "is open already"


WORK_ORDER_ACTIONS = [
    Action(
        name="review",
        icon="task_alt",
        title="Review",
        done="reviewed",
        consequence="It leaves the list of what needs attention. The booking itself stays as it is.",
        permission="bookings.review_workorder",
        bulk_permission="bookings.review_workorder",
        form=forms.ReviewForm,
        unfit=_unless_unreviewed,
        run=lambda row, form, by: services.review(work_order=row, by=by, note=form.cleaned_data["note"]),
    ),
    Action(
        name="move",
        icon="event_repeat",
        title="Move",
        done="moved",
        consequence="It keeps its number and takes a place in the appointment that you choose."
        " Its present place can be booked by others at once. The customer is not notified. Call them.",
        permission="bookings.move_workorder",
        bulk_permission="bookings.move_workorder",
        form=forms.MoveForm,
        unfit=_unless_booked,
        run=lambda row, form, by: services.move(
            work_order=row, slot=form.cleaned_data["slot"], by=by, reason=form.cleaned_data["reason"]
        ),
    ),
    Action(
        name="note",
        icon="sticky_note_2",
        title="Add a note",
        done="noted",
        consequence="The note is kept in the history. It cannot be changed or taken back.",
        permission="bookings.note_workorder",
        bulk_permission="bookings.note_workorder",
        form=forms.NoteForm,
        unfit=lambda row: "",
        run=lambda row, form, by: services.add_note(work_order=row, by=by, note=form.cleaned_data["note"]),
    ),
    Action(
        name="cancel",
        icon="event_busy",
        title="Cancel booking",
        done="cancelled",
        consequence="Its place can be booked by others at once. The booking stays here as cancelled and cannot be"
        " brought back; the order may be booked again and gets a new number. The customer is not notified. Call them.",
        permission="bookings.cancel_workorder",
        bulk_permission="bookings.bulk_cancel_workorder",
        form=forms.CancelForm,
        unfit=_unless_booked,
        run=lambda row, form, by: services.cancel(work_order=row, by=by, reason=form.whole_reason()),
        is_dangerous=True,
    ),
]

SLOT_ACTIONS = [
    Action(
        name="close",
        icon="lock",
        title="Close",
        done="closed",
        consequence="It is not offered any more and cannot be booked. The bookings in it stay and ask to be reviewed"
        " again: move or cancel them.",
        permission="bookings.close_appointmentslot",
        bulk_permission="bookings.close_appointmentslot",
        form=forms.CloseForm,
        unfit=lambda row: "" if row.is_open else "is closed already",
        run=lambda row, form, by: slots.close(slot=row, by=by, reason=form.cleaned_data["reason"]),
        is_dangerous=True,
    ),
    Action(
        name="open",
        icon="lock_open",
        title="Open",
        done="opened",
        consequence="It is offered again, as long as it has free places and nothing else hides it.",
        permission="bookings.close_appointmentslot",
        bulk_permission="bookings.close_appointmentslot",
        form=forms.OpenForm,
        unfit=_unless_hidden_by_staff,
        run=lambda row, form, by: slots.reopen(slot=row, by=by, reason=form.cleaned_data["reason"]),
    ),
    Action(
        name="resize",
        icon="groups",
        title="Change places",
        done="changed",
        consequence="It gets this many places. Fewer than are booked is refused.",
        permission="bookings.resize_appointmentslot",
        bulk_permission="bookings.resize_appointmentslot",
        form=forms.ResizeForm,
        unfit=lambda row: "",
        run=lambda row, form, by: slots.resize(
            slot=row, capacity=form.cleaned_data["capacity"], by=by, reason=form.cleaned_data["reason"]
        ),
    ),
]


BLACKOUT_ACTIONS = [
    Action(
        name="lift",
        icon="lock_open",
        title="Lift",
        done="lifted",
        consequence="The slots that it hides are offered again, but for those that another blackout, a person or"
        " their plan hides. The bookings in its time stay as they are.",
        permission="bookings.close_appointmentslot",
        bulk_permission="bookings.close_appointmentslot",
        form=forms.LiftForm,
        unfit=lambda row: f"was lifted already, by {row.opened_by}" if row.opened_at else "",
        run=lambda row, form, by: blackouts.lift(blackout=row, by=by),
    ),
]


def allowed(request: HttpRequest, actions: Sequence[Action], *, many: bool) -> list[Action]:
    return [
        action for action in actions if request.user.has_perm(action.bulk_permission if many else action.permission)
    ]


def version_of(row: Row) -> int:
    """What changes when somebody changes the row: of a slot its places, of a blackout whether it is lifted."""
    if isinstance(row, Blackout):
        return int(row.opened_at is not None)
    return row.version if isinstance(row, WorkOrder) else row.capacity


def chosen_text(rows: Sequence[Row]) -> str:
    return " ".join(f"{row.pk}:{version_of(row)}" for row in rows)


def ask_about(admin: "ModelAdmin[Any]", request: HttpRequest, action: Action, rows: QuerySet[Any]) -> HttpResponse:
    """From the list: the page that asks, for the rows that were ticked there."""
    found = list(rows[: MAX_ROWS + 1])
    if len(found) > MAX_ROWS:
        messages.error(request, f"Choose {MAX_ROWS:,} at most. Narrow the list with its filters and try again.")
        return HttpResponseRedirect(request.get_full_path())
    return _ask(admin, request, action, found, _form(action, found, request), request.get_full_path())


def act(admin: "ModelAdmin[Any]", request: HttpRequest, action: Action) -> HttpResponse:
    """GET asks about what the address names as `chosen`; POST does it, one transaction a row, and reports."""
    kept.show_again(request)
    given = request.POST if request.method == "POST" else request.GET
    versions = _read_chosen(given.get("chosen", ""))
    _check(request, action, versions)
    found = admin.get_queryset(request).select_related(*admin.list_select_related).in_bulk(list(versions))  # type: ignore[misc]
    rows = [found[key] for key in versions if key in found]
    back = given.get("back", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = _page(admin, rows)
    if not rows:
        messages.error(request, "There is nothing chosen that you may see. Choose again.")
        return HttpResponseRedirect(back)
    is_submitted = request.method == "POST" and request.POST.get("do") == "perform"
    form = _form(action, rows, request, given if request.method == "POST" else None, is_submitted=is_submitted)
    if not is_submitted or not form.is_valid():
        if stale := [str(row) for row in rows if version_of(row) != versions[row.pk]]:
            names = ", ".join(stale[:REPORTED_REFUSALS])
            messages.warning(request, f"Changed since you opened it: {names}. This page shows how it is now.")
        return _ask(admin, request, action, rows, form, back)
    for row in rows:
        # What was seen, not what is there: the service compares the two.
        if isinstance(row, WorkOrder):
            row.version = versions[row.pk]
        elif isinstance(row, AppointmentSlot):
            row.capacity = versions[row.pk]
    done, refused = [], []
    for row in rows:
        try:
            action.run(row, form, request.user.get_username())
            done.append(row)
        except services.BookingError as refusal:
            refused.append(refusal)
    _report(request, action, len(done), [_told(refusal) for refusal in refused])
    if isinstance(form, forms.MoveForm) and done and (late := form.late_text(form.cleaned_data["slot"])):
        messages.warning(request, f"{late} come after the new visit begins.")
    if action.name == "open":
        _tell_what_stays_hidden(request, done)
    if len(rows) == 1 and refused and refused[0].error in ("slot_unavailable", "slot_not_found", "already_booked"):
        # Another place may do: the same page again, with what is free now.
        return HttpResponseRedirect(addresses.with_query(request.path, {"chosen": chosen_text(rows), "back": back}))
    return HttpResponseRedirect(back)


def _check(request: HttpRequest, action: Action, versions: dict[int, int]) -> None:
    permission = action.permission if len(versions) <= 1 else action.bulk_permission
    if not request.user.has_perm(permission) or len(versions) > MAX_ROWS:
        raise PermissionDenied


def _read_chosen(text: str) -> dict[int, int]:
    """`12:3 13:1` -> {12: 3, 13: 1}; what is no such pair is nothing."""
    pairs = [pair.partition(":") for pair in text.split()]
    return {
        int(key): int(version)
        for key, _, version in pairs
        if addresses.is_key(key) and addresses.is_key(version) and len(version) < 10
    }


def _form(
    action: Action, rows: Sequence[Row], request: HttpRequest, data: Any = None, *, is_submitted: bool = True
) -> forms.ActionForm:
    form = action.form(rows, request, data)
    if not is_submitted and data is not None:
        form.errors.clear()
    return form


def _ask(
    admin: "ModelAdmin[Any]",
    request: HttpRequest,
    action: Action,
    rows: Sequence[Row],
    form: forms.ActionForm,
    back: str,
) -> HttpResponse:
    unfit = [(row, reason) for row in rows if (reason := action.unfit(row))]
    number = len(rows) - len(unfit)
    names = admin.opts.verbose_name if number == 1 else admin.opts.verbose_name_plural
    hit: list[WorkOrder] = []
    hit_count = 0
    if action.name == "close":
        hit_count = sum(row.booked for row in rows if isinstance(row, AppointmentSlot) and row.is_open)
        bookings = WorkOrder.objects.active().filter(slot__in=[row.pk for row in rows]).select_related("area", "slot")
        hit = list(bookings.order_by("visit_start")[:SHOWN_ROWS])
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "original": rows[0] if len(rows) == 1 else None,
        "title": f"{action.title}: {rows[0]}" if len(rows) == 1 else f"{action.title}: {number} {names}",
        "action": action,
        "address": reverse(f"admin:bookings_{admin.opts.model_name}_act", args=[action.name]),
        "form": form,
        "rows": rows[:SHOWN_ROWS],
        "more": max(0, len(rows) - SHOWN_ROWS),
        "unfit": unfit[:SHOWN_ROWS],
        "unfit_count": len(unfit),
        "number": number,
        "names": names,
        "chosen": chosen_text(rows),
        "back": back,
        "hit": hit,
        "hit_count": hit_count,
        "kind": admin.opts.model_name,
    }
    return TemplateResponse(request, "admin/bookings/action.html", context)


def _page(admin: "ModelAdmin[Any]", rows: Sequence[Row]) -> str:
    name = f"admin:bookings_{admin.opts.model_name}"
    return reverse(f"{name}_change", args=[rows[0].pk]) if len(rows) == 1 else reverse(f"{name}_changelist")


def _report(request: HttpRequest, action: Action, done: int, refused: list[str]) -> None:
    if done:
        messages.success(request, f"{done:,} {action.done}.")
    if refused:
        messages.warning(request, format_html("{} skipped. {}", f"{len(refused):,}", _some_of(refused)))


def _some_of(texts: Sequence[str]) -> str:
    shown = list(texts[:REPORTED_REFUSALS])
    if len(texts) > len(shown):
        shown.append(f"And {len(texts) - len(shown):,} more.")
    return format_html_join(" ", "{}", ((text,) for text in shown))


def _told(refusal: services.BookingError) -> str:
    """The message of a refusal, with the way to the blackout that is its cause."""
    if "blackout" not in refusal.params:
        return refusal.message
    return format_html("{} {}.", refusal.message, blackout_link("See the blackout", refusal.params["blackout"]))


def _tell_what_stays_hidden(request: HttpRequest, rows: Sequence[Row]) -> None:
    texts = [
        format_html("{} stays hidden by {}.", row, blackout_link(f"a blackout: {row.blackout.reason}", row.blackout_id))
        for row in rows
        if isinstance(row, AppointmentSlot) and row.blackout
    ]
    if texts:
        messages.warning(request, _some_of(texts))
