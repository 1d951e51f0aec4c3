"""What is changed from the capacity grid: places more or fewer, closed or opened, in cells or by a pattern.

The page shows what would become of the slots, with the bookings in them, and does it when it is confirmed. Both times
the slots are found anew; `seen` is a digest of what was shown: where they are others by then, or have other places, the
page is shown again instead. Each page has a name of its own, which the history keeps with what was done from it: sent
twice, or after a fault in the middle, it says what is done, and asks about the rest alone. What is written, and in
which turns, is bookings/supply/slot_changes.py.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from django import db
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme

from bookings import clock
from bookings.access import kept
from bookings.admin.actions import SHOWN_ROWS, some_of
from bookings.admin.forms import faults_text
from bookings.admin.supply.capacity_forms import CapacityForm
from bookings.db.faults import raise_unless_away
from bookings.models import AppointmentSlot, ServiceArea, WorkOrder
from bookings.supply import slot_changes
from bookings.supply.slot_changes import Change, Changed

logger = logging.getLogger("bookings")

# What the page carries on of the form that led to it; the reason can still be changed.
CARRIED = {"act", "how", "rows", "number", "area", "weekday", "begins", "ends", "order_types", "first", "until", "cell"}
SECOND = "The first click did it. The second click changed nothing."


class Act(NamedTuple):
    name: str
    title: str
    permission: str
    done: str

    def change(self, given: dict[str, Any]) -> Change:
        if self.name in ("more", "fewer"):
            more = given["number"] if self.name == "more" else -given["number"]
            return Change("add", given["reason"], more=more, fingerprint=given["page"])
        return Change("close" if self.name == "close" else "open", given["reason"], fingerprint=given["page"])

    def title_for(self, given: dict[str, Any]) -> str:
        sign = {"more": "+", "fewer": "-"}.get(self.name)
        return f"{sign}{given['number']} place{pluralize(given['number'])}" if sign else self.title


ACTS = [
    Act("more", "+ places", "bookings.resize_appointmentslot", "changed"),
    Act("fewer", "- places", "bookings.resize_appointmentslot", "changed"),
    Act("close", "Close", "bookings.close_appointmentslot", "closed"),
    Act("open", "Open", "bookings.close_appointmentslot", "opened"),
]


@dataclass
class AreaSum:
    """What the page says of an area: `before` and `after` are places."""

    area: ServiceArea
    slots: int = 0
    before: int = 0
    after: int = 0
    booked: int = 0


def urls() -> list[URLPattern]:
    name = "bookings_appointmentslot_capacity_change"
    return [path("capacity/change/", admin.site.admin_view(change_view), name=name)]


def allowed(request: HttpRequest) -> list[Act]:
    return [act for act in ACTS if request.user.has_perm(act.permission)]


def change_view(request: HttpRequest) -> HttpResponse:
    kept.show_again(request, "change")
    may = allowed(request)
    if not may or not request.user.has_perm("bookings.view_appointmentslot"):
        raise PermissionDenied
    act = next((act for act in may if act.name == request.POST.get("act")), None)
    if act is None:  # opened by its address
        return HttpResponseRedirect(_way_back(request))
    form = CapacityForm(request)
    if not form.is_valid():
        messages.error(request, faults_text(form))
        return HttpResponseRedirect(_way_back(request))
    return _confirmed(request, act, form) if request.POST.get("do") == "perform" else _ask(request, act, form)


def _confirmed(request: HttpRequest, act: Act, form: CapacityForm) -> HttpResponse:
    done = _set_aside(request, form)
    if act.name == "close" and form.found and not form.cleaned_data["reason"]:
        messages.error(request, "Closing needs a reason. It is for staff; callers only hear that it is closed.")
    elif request.POST.get("seen") == _digest(form.found):
        return _perform(request, act, form)
    elif done:
        return _ask_about_rest(request, act, form, done)
    else:
        messages.warning(request, "Slots were changed since you opened this page. It shows how they are now.")
    return _ask(request, act, form)


def _done_to(request: HttpRequest, form: CapacityForm) -> set[int]:
    """The slots that were changed from this very page before."""
    return slot_changes.done_to(form.found, form.cleaned_data["page"], request.user.get_username())


def _set_aside(request: HttpRequest, form: CapacityForm) -> int:
    """Leave these out; how many they are."""
    done = _done_to(request, form)
    form.found = [slot for slot in form.found if slot.pk not in done]
    return len(done)


def _ask_about_rest(request: HttpRequest, act: Act, form: CapacityForm, done: int, why: str = "") -> HttpResponse:
    """The page was sent before; what can still be done from it is asked about."""
    number = f"{done:,} slot{pluralize(done)} {act.done}"
    if done and not _look(act, form).changed:
        messages.info(request, f"{number}." if why else SECOND)
        return HttpResponseRedirect(_way_back(request))
    messages.warning(request, f"{why}{number} from this page already. It shows those that are not.")
    return _ask(request, act, form)


def _way_back(request: HttpRequest) -> str:
    back = request.POST.get("back", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        return back
    return reverse("admin:bookings_appointmentslot_capacity")


def _digest(found: Iterable[AppointmentSlot]) -> str:
    """Of the slots as they are shown, but for their bookings: these come while the page is read."""
    text = " ".join(f"{slot.pk}:{slot.capacity}:{slot.is_open}" for slot in found)
    return hashlib.sha256(text.encode()).hexdigest()


def _ask(request: HttpRequest, act: Act, form: CapacityForm) -> HttpResponse:
    given, found = form.cleaned_data, form.found
    report = _look(act, form)
    refused = {slot.pk: slot.message for slot in report.refused}
    hit = _hit(found) if act.name == "close" else WorkOrder.objects.none()
    context = {
        **admin.site.each_context(request),
        "title": f"{act.title_for(given)}: {report.changed:,} slot{pluralize(report.changed)}",
        "act": act,
        "button": act.title_for(given),
        "fields": [(name, value) for name, values in request.POST.lists() for value in values if name in CARRIED],
        "form": form,
        "report": report,
        "seen": _digest(found),
        "back": _way_back(request),
        "sums": _by_area(found, act.change(given), refused),
        "days": (min(map(_day, found)), max(map(_day, found))),
        "refused": [(slot, refused[slot.pk]) for slot in found if slot.pk in refused][:SHOWN_ROWS],
        "hit": hit[:SHOWN_ROWS],
        "hit_count": report.bookings,
    }
    return TemplateResponse(request, "admin/bookings/capacity_change.html", context)


def _look(act: Act, form: CapacityForm) -> Changed:
    """What would be done."""
    given = form.cleaned_data
    change = act.change({**given, "reason": given["reason"] or "-"})
    return slot_changes.change_slots(form.found, change, by="", dry_run=True, named=None)


def _hit(found: Iterable[AppointmentSlot]) -> QuerySet[WorkOrder]:
    closing = [slot.pk for slot in found if slot.is_open and slot.booked]
    orders = WorkOrder.objects.active().filter(slot__in=closing).select_related("area", "slot").defer("body")
    return orders.order_by("visit_start", "pk")


def _day(slot: AppointmentSlot) -> date:
    return clock.local(slot.start, slot.area.zone).date()


def _by_area(found: Iterable[AppointmentSlot], change: Change, refused: dict[int, str]) -> list[AreaSum]:
    sums: dict[int, AreaSum] = {}
    for slot in found:
        here = sums.setdefault(slot.area_id, AreaSum(slot.area))
        here.slots += 1
        here.before += slot.capacity
        here.after += slot.capacity if slot.pk in refused else change.places(slot)
        here.booked += slot.booked
    return sorted(sums.values(), key=lambda here: here.area.name)


def _perform(request: HttpRequest, act: Act, form: CapacityForm) -> HttpResponse:
    """Where the database gives no answer in the middle, it is said what was done by then, and the rest is asked about.

    Where that is at the beginning, nothing was done: the fault is raised, and its page says so.
    """
    change, by = act.change(form.cleaned_data), request.user.get_username()
    tried = 0

    def count(slots: int) -> None:
        nonlocal tried
        tried += slots

    try:
        report = slot_changes.change_slots(form.found, change, by=by, named=None, progress=count)
    except db.Error as fault:
        raise_unless_away(fault)
        if not tried:
            raise
        logger.warning("The database gave no answer in the middle of a change from the grid", exc_info=True)
        done = _set_aside(request, form)
        return _ask_about_rest(request, act, form, done, "The database gave no answer in time. ")
    _report(request, act, form, report)
    return HttpResponseRedirect(_way_back(request))


def _report(request: HttpRequest, act: Act, form: CapacityForm, report: Changed) -> None:
    done = _done_to(request, form)
    if done and not report.changed:
        messages.info(request, SECOND)  # while the first click was doing it
        return
    text = f"{len(done):,} slot{pluralize(len(done))} {act.done}."
    if number := report.bookings:
        text += f" {number:,} booking{pluralize(number, ' in them asks,s in them ask')} to be reviewed."
    messages.success(request, text)
    if refused := [slot for slot in report.refused if slot.pk not in done]:
        by_key = {slot.pk: slot for slot in form.found}
        told = some_of([f"{by_key[slot.pk]}: {slot.message}." for slot in refused])
        messages.warning(request, format_html("{} skipped. {}", f"{len(refused):,}", told))
