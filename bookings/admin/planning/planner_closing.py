"""A worker is ill, or it snows: what is closed, where its bookings could go, and the call list.

The form closes; from then on nothing new is booked there. The page behind it has an address: the blackouts. It proposes
a place for each booking that still stands in them (services/proposals.py) and moves those that stay ticked, each in
a transaction of its own. What was moved out of that time is read from the history, behind the line that the address
names: whatever press moved it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join

from bookings import clock, services
from bookings.access import kept
from bookings.admin import addresses, desk
from bookings.admin.actions import SECOND_CLICK, do_each
from bookings.admin.cells import message
from bookings.admin.forms import MAX_NOTE
from bookings.admin.planning.planner_forms import MOST_CLOSINGS, ClearForm, Closing
from bookings.admin.systems import delivery
from bookings.models import AppointmentSlot, Blackout, HistoryEntry, ServiceArea, WorkOrder, visible_areas
from bookings.refusals import Refused
from bookings.services import proposals
from bookings.supply.closing import blackouts, clearing

PERMISSIONS = ["bookings.clear_blackout", "bookings.move_workorder"]
HINT = (
    "The time is read on the clock of each area. What you name is closed at once: nothing new is booked there. The"
    " next page proposes a new time for each booking; nothing is moved before you confirm it."
)
# So many lines of the history are looked through, with what others did meanwhile: some days of a busy office.
MOST_LINES = 50_000
# Of the areas that are ticked for proposals; each adds its rules to one statement.
MOST_ALSO = 200


def urls() -> list[URLPattern]:
    """Both pages, for the ModelAdmin of blackouts."""
    return [
        path("clear/", admin.site.admin_view(close_view), name="bookings_blackout_clear"),
        path("clear/plan/", admin.site.admin_view(plan_view), name="bookings_blackout_plan"),
    ]


def may_clear(request: HttpRequest) -> bool:
    return bool(request.user.has_perms(PERMISSIONS))


def plan_address(keys: Sequence[int], **query: Any) -> str:
    return addresses.with_query(reverse("admin:bookings_blackout_plan"), {"b": list(keys), **query})


# --- Closing -----------------------------------------------------------------------------------------------------


def close_view(request: HttpRequest) -> HttpResponse:
    if not may_clear(request):
        raise PermissionDenied
    is_shown_again = kept.show_again(request, "closing")
    form = ClearForm(request, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and not is_shown_again:
        return close_all(request, form.closings)
    context = {"title": "Ill or snow: close and move", "form": form, "hint": HINT}
    return _page(request, "admin/bookings/planner_close.html", context)


def close_all(request: HttpRequest, closings: Sequence[Closing]) -> HttpResponse:
    """Close them, and go on to the page that moves their bookings."""
    by, since = request.user.get_username(), _last_line()
    done = [blackouts.close_slots(by=by, **closing._asdict()) for closing in closings]
    number = sum(closed.slots for closed in done)
    messages.success(request, f"Closed: {number:,} slot{pluralize(number)}. Slots that are made later are closed too.")
    for closed in done:
        if not closed.is_new:
            row = closed.blackout
            text = "{} was closed for this time already, by {}: {}"
            where = row.worker or (row.area.name if row.area else "all areas")
            messages.warning(request, message(text, where, row.closed_by or "unknown", row.reason))
    return HttpResponseRedirect(plan_address([closed.blackout.pk for closed in done], since=since))


# --- The plan ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A booking on the page, with what its tick sends."""

    proposal: proposals.Proposal
    is_ticked: bool

    @property
    def tick(self) -> str:
        slot = self.proposal.slot
        return f"{self.order.pk}:{self.order.version}:{slot.pk}" if slot else ""

    @property
    def order(self) -> WorkOrder:
        return self.proposal.work_order

    @property
    def how(self) -> str:
        """How far from what the customer was told."""
        if self.proposal.is_same_time:
            return "same time"
        later = self.proposal.days_later
        return f"{later} day{pluralize(later)} later" if later else "same day"


def plan_view(request: HttpRequest) -> HttpResponse:
    if not may_clear(request):
        raise PermissionDenied
    kept.show_again(request, "plan")
    given = request.POST if request.method == "POST" else request.GET
    keys = given.getlist("b")[:MOST_CLOSINGS]
    desk.check_keys(*keys)
    visible = Blackout.objects.visible_to(request.user).select_related("area")
    closed = list(visible.filter(pk__in=keys).order_by("start", "area__name", "worker"))
    if not closed:
        messages.error(request, "There is no such blackout that you may see. Close the time again.")
        return HttpResponseRedirect(reverse("admin:bookings_blackout_clear"))
    act = {"move": _move, "open": _open}.get(request.POST.get("do", ""))
    return act(request, closed) if act else _plan(request, closed, given)


def _plan(request: HttpRequest, closed: list[Blackout], given: Any) -> HttpResponse:
    now = clock.now()
    areas = list(ServiceArea.objects.visible_to(request.user).order_by("name"))
    also = [area for area in areas if area.code in given.getlist("also")][:MOST_ALSO]
    waiting = clearing.waiting_in(closed, now).visible_to(request.user).select_related("area", "slot__area")
    orders = list(waiting.defer("body")[: clearing.MOST + 1])
    found = proposals.propose(orders[: clearing.MOST], also, now)
    ticked = {text.partition(":")[0] for text in given.getlist("move")} if "move" in given else None
    rows = [Row(proposal, ticked is None or str(proposal.work_order.pk) in ticked) for proposal in found]
    number = sum(bool(row.tick) for row in rows)
    others = {area.pk for area in areas} - {row.order.slot.area_id for row in rows}
    context = {
        "title": f"Move {number:,} booking{pluralize(number)}" if number else "Close and move",
        "closed": closed,
        "here": plan_address([row.pk for row in closed], also=given.getlist("also"), since=_since(given)),
        "since": _since(given),
        "rows": rows,
        "number": number,
        "has_more": len(orders) > clearing.MOST,
        "also": [(area, area in also) for area in areas if area.pk in others],
        "also_codes": [area.code for area in also],
        "moved": _moved(request, closed, _since(given)),
        "told": delivery.told_text(),
        "may_open": any(_may_open(request, row) for row in closed),
    }
    return _page(request, "admin/bookings/planner_plan.html", context)


def _move(request: HttpRequest, closed: list[Blackout]) -> HttpResponse:
    """One transaction each, by the service that every move goes through."""
    ticks = [tuple(map(int, text.split(":"))) for text in request.POST.getlist("move") if _is_tick(text)]
    ticks = ticks[: clearing.MOST]
    orders = WorkOrder.objects.visible_to(request.user).select_related("area", "slot__area").defer("body")
    slots = AppointmentSlot.objects.visible_to(request.user).select_related("area")
    found, places = orders.in_bulk([tick[0] for tick in ticks]), slots.in_bulk([tick[2] for tick in ticks])
    by, reason = request.user.get_username(), _reason(closed)
    first, done, refused = _last_line(), 0, []
    repeated: list[HistoryEntry] = []

    def move(tick: tuple[int, ...]) -> None:
        nonlocal done
        key, version, place = tick
        if key not in found or place not in places:
            refused.append("A booking or its proposed place is gone. Choose another time for those that are listed.")
            return
        order, slot = found[key], places[place]
        try:
            services.move(work_order=order, slot=slot, by=by, reason=reason, seen_version=version)
            done += 1
        except Refused as refusal:
            if line := _moved_a_moment_ago(order, slot, by):
                repeated.append(line)
            else:
                refused.append(refusal.message)

    do_each(request, ticks, move)
    _report(request, done, len(repeated), refused)
    # Without a line of the address: from this press on, or from the first of two clicks.
    since = _since(request.POST) or str(min([first, *(line.pk - 1 for line in repeated)]))
    also = request.POST.getlist("also")
    return HttpResponseRedirect(plan_address([row.pk for row in closed], also=also, since=since))


def _report(request: HttpRequest, done: int, repeated: int, refused: list[str]) -> None:
    if done:
        messages.success(request, f"{done:,} moved. The call list is below.")
    if repeated:
        messages.info(request, f"{repeated:,} moved. The second click changed nothing.")
    if refused:
        lines = format_html_join("", "<li><bdi>{}</bdi></li>", ((text,) for text in refused))
        messages.warning(request, format_html("{} skipped. <ul>{}</ul>", f"{len(refused):,}", lines))
    if not (done or repeated or refused):
        messages.warning(request, "Nothing was ticked, so nothing was moved.")


def _is_tick(text: str) -> bool:
    parts = text.split(":")
    return len(parts) == 3 and all(map(addresses.is_key, parts)) and len(parts[1]) < 10


def _moved_a_moment_ago(order: WorkOrder, slot: AppointmentSlot, by: str) -> HistoryEntry | None:
    """The line of it, where the same person moved it to this very place a moment ago."""
    last = order.history.last()
    if last is None or (last.event, last.by) != (HistoryEntry.Event.MOVED, by):
        return None
    is_recent = last.at > clock.now() - SECOND_CLICK
    return last if is_recent and last.details.get("after", {}).get("slot") == slot.pk else None


def _reason(closed: list[Blackout]) -> str:
    return "; ".join(dict.fromkeys(row.reason for row in closed))[:MAX_NOTE]


def _last_line() -> int:
    return HistoryEntry.objects.aggregate(last=Max("pk"))["last"] or 0


def _since(given: Any) -> str:
    """The last line of the history from before all this, as the address has it."""
    since = given.get("since", "")
    return since if addresses.is_key(since) else ""


def _moved(request: HttpRequest, closed: list[Blackout], since: str) -> list[dict[str, Any]]:
    """All that was moved out of the closed time, for the call list, each with where it was first."""
    if not since:
        return []
    lines = HistoryEntry.objects.filter(
        pk__gt=since, pk__lte=int(since) + MOST_LINES, event=HistoryEntry.Event.MOVED, work_order__isnull=False
    )
    areas = ServiceArea.objects.in_bulk()
    before: dict[int, dict[str, Any]] = {}
    for key, details in lines.order_by("pk").values_list("work_order", "details"):
        place = details.get("before", {})
        if any(_stood_in(row, place, areas) for row in closed):
            before.setdefault(key, place)
    seen = WorkOrder.objects.visible_to(request.user).active().select_related("area", "slot__area").defer("body")
    moved = seen.filter(pk__in=list(before)).order_by("slot__start", "pk")
    return [{"order": order, "before": _text_of(before[order.pk], areas)} for order in moved]


def _stood_in(row: Blackout, place: dict[str, Any], areas: dict[int, ServiceArea]) -> bool:
    area = areas.get(place.get("area", 0))
    if area is None or row.area_id not in (None, area.pk) or row.worker not in ("", place["worker"]):
        return False
    start, end = row.bounds_in(area)
    return clock.read_instant(place["start"]) < end and clock.read_instant(place["end"]) > start


def _text_of(place: dict[str, Any], areas: dict[int, ServiceArea]) -> str:
    """A place as a line of the history has it."""
    area = areas.get(place.get("area", 0))
    if area is None:
        return ""
    return area.period_text(clock.read_instant(place["start"]), clock.read_instant(place["end"]))


# --- Opening again -----------------------------------------------------------------------------------------------


def _may_open(request: HttpRequest, row: Blackout) -> bool:
    """What one has closed oneself a short time ago; supervisors open all that is theirs to see."""
    if row.is_absence and visible_areas(request.user) is not None:
        return False
    is_own = row.closed_by == request.user.get_username() and row.closed_at > clock.now() - timedelta(days=1)
    return row.opened_at is None and (is_own or request.user.has_perm("bookings.close_appointmentslot"))


def _open(request: HttpRequest, closed: list[Blackout]) -> HttpResponse:
    opened, is_done = 0, False
    for row in filter(lambda row: _may_open(request, row), closed):
        try:
            opened += blackouts.reopen(blackout=row, by=request.user.get_username())
            is_done = True
        except Refused as refusal:
            messages.warning(request, message("{}", refusal.message))
    if is_done:
        text = f"Opened again: {opened:,} slot{pluralize(opened)}. The bookings stay where they are now."
        messages.success(request, text)
    return HttpResponseRedirect(plan_address([row.pk for row in closed], since=_since(request.POST)))


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})
