"""*Ask the rules*: what the technician's app would be offered now, and of each other slot the rule and the remedy.

What is asked comes from a booking, from a refusal, or from the form. The answer is that of search itself
(offers/explaining.py). Nothing is changed here: a remedy is a link to the page of the action that carries it out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bookings import clock, offers, sentences, wire
from bookings.admin import addresses, days, lists
from bookings.admin.planning.planner_grid import WHY
from bookings.admin.planning.rules_form import RulesForm
from bookings.models import Refusal, ServiceArea, Worker, WorkOrder, visible_areas
from bookings.services import wishes

# Slots on one page.
PAGE = 100
SHORT = WHY | {
    "": "offered",
    "order_type": "for other types",
    "worker": "worker does other types",
    "parts": "before the parts",
    "customer": "customer is not there",
}
# After these nothing else matters: what is over cannot be mended.
LAST_WORDS = ("past",)


class Remedy(NamedTuple):
    """What can be done from here: an address, and what the link says."""

    address: str
    text: str


@dataclass(frozen=True)
class Broken:
    message: str
    remedy: str
    links: list[Remedy]


@dataclass(frozen=True)
class Line:
    """A slot on the page. `is_asked` where it is of the period that was refused, or where the booking stands."""

    explained: offers.ExplainedSlot
    broken: list[Broken]
    is_asked: bool
    move_address: str

    @property
    def slot(self) -> Any:
        return self.explained.slot


@dataclass(frozen=True)
class Source:
    """What the question comes from: a booking, a refusal, or what was typed. `period` is the one that it is about."""

    job: wire.Search | None
    order: WorkOrder | None = None
    refusal: Refusal | None = None

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        if self.order:
            return self.order.slot.start, self.order.slot.end
        if self.refusal and self.refusal.visit_start and self.refusal.visit_end:
            return self.refusal.visit_start, self.refusal.visit_end
        return None


def urls() -> list[URLPattern]:
    """For the ModelAdmin of slots."""
    return [path("rules/", admin.site.admin_view(rules_view), name="bookings_appointmentslot_rules")]


def address(**query: Any) -> str:
    return addresses.with_query(reverse("admin:bookings_appointmentslot_rules"), query)


def may_ask(request: HttpRequest) -> bool:
    return bool(request.user.has_perm("bookings.view_appointmentslot"))


def rules_view(request: HttpRequest) -> HttpResponse:
    if not may_ask(request):
        raise PermissionDenied
    source, form = _asked(request)
    visible = ServiceArea.objects.visible_to(request.user)
    context = {
        **admin.site.each_context(request),
        "title": "Ask the rules",
        "form": form,
        "source": source,
        "then": _then(source.refusal) if source.refusal else [],
        "no_areas": "" if visible.exists() else lists.no_areas_text(request.user),
    }
    if source.job is not None:
        context |= _answer(request, source, source.job, form)
    return TemplateResponse(request, "admin/bookings/rules.html", context)


def _asked(request: HttpRequest) -> tuple[Source, RulesForm]:
    """The source, and the form with what it asks; the form alone where the source is none that one may see."""
    given = request.GET
    if given.get("order") or given.get("refusal"):
        found = _stored(request)
        if found is None:
            messages.error(request, "There is no such booking or refusal that you may see.")
            found = Source(None)
        elif found.job is None:
            messages.warning(request, "What was asked for cannot be read any more. Type it in.")
        return found, RulesForm(request, initial=_typed(found.job) if found.job else None)
    if not any(given.get(name) for name in RulesForm.base_fields):
        return Source(None), RulesForm(request)
    form = RulesForm(request, given)
    return Source(form.job if form.is_valid() else None), form


def _stored(request: HttpRequest) -> Source | None:
    order, refusal = request.GET.get("order", ""), request.GET.get("refusal", "")
    if addresses.is_key(order) and request.user.has_perm("bookings.view_workorder"):
        rows = WorkOrder.objects.visible_to(request.user).select_related("slot__area", "area")
        if row := rows.filter(pk=order).first():
            return Source(wishes.search_of_booking(row), order=row)
    if addresses.is_key(refusal) and request.user.has_perm("bookings.view_refusal"):
        kept = Refusal.objects.visible_to(request.user).select_related("area")
        if refused := kept.filter(pk=refusal).first():
            return Source(wishes.search_of_refusal(refused), refusal=refused)
    return None


def _typed(job: wire.Search) -> dict[str, Any]:
    """What the form shows of a search that was stored."""
    place = job.location
    return {
        "area": place.service_area_id,
        "zip": place.address.zip,
        "country": place.address.country,
        "order_type": job.order_type,
        "worker": job.user_name,
    }


def _then(refusal: Refusal) -> list[tuple[int, str]]:
    """How many slots of the period broke which rule when it was refused, in words."""
    return [(number, sentences.BROKEN.get(word, word)) for word, number in refusal.verdicts.items()]


def _answer(request: HttpRequest, source: Source, job: wire.Search, form: RulesForm) -> dict[str, Any]:
    now, given = clock.now(), request.GET
    also = [source.period] if source.period else []
    rule = given.get("rule", "")
    found = offers.explain(
        job,
        now,
        most=PAGE,
        after=_after(given, job, source),
        areas=visible_areas(request.user),
        also=also,
        breaking=rule if rule in SHORT else "",
    )
    area = found.area
    if area is None:
        return {"asked": True, "message": found.message}
    if not form.is_bound:
        form.initial["area"] = area.code
    asked = {name: given[name] for name in given if given[name] and name not in ("after", "rule", "day")}
    here = address(**asked)
    counted = offers.tally(job, area, now, also)
    return {
        "asked": True,
        "area": area,
        "message": found.message,
        "offered": _by_day(found.periods, area),
        "offered_number": len(found.periods),
        "number": sum(counted.values()),
        "number_text": f"{sum(counted.values()):,}",
        "counted": [
            (f"{number:,}", SHORT[word], address(**asked, rule=word) if word else "", bool(word) and word == rule)
            for word, number in counted.items()
        ],
        "rule": SHORT.get(rule, "") if rule else "",
        "all_address": here,
        "days": _lines_by_day(request, found, area, source),
        "hidden": list(asked.items()),
        "day": days.read_day(given.get("day")),
        "later": address(**asked, rule=rule, after=offers.write_cursor(found.next)) if found.next else "",
    }


def _after(given: Any, job: wire.Search, source: Source) -> tuple[datetime, int] | None:
    """Where the page begins: behind the last slot of the page before, or on a day of the area's clock; else with the
    period that the question is about, or now. All slots of one rule are shown from the first one on."""
    try:
        if text := given.get("after"):
            return offers.read_cursor(text)
    except ValueError:
        return None
    if day := days.read_day(given.get("day")):
        area = offers.find_area(job)
        return (clock.day_bounds(day, area.zone)[0], 0) if area else None
    return None if given.get("rule") else (source.period[0] if source.period else clock.now(), 0)


def _by_day(periods: Iterable[tuple[datetime, datetime]], area: ServiceArea) -> list[tuple[date, list[str]]]:
    """The periods that are offered, in hours of the area's clock."""
    local = [(clock.local(start, area.zone), clock.local(end, area.zone)) for start, end in periods]
    return [
        (day, ["-".join(clock.clock_texts(*period)) for period in group])
        for day, group in groupby(local, lambda period: period[0].date())
    ]


def _lines_by_day(
    request: HttpRequest, found: offers.Explanation, area: ServiceArea, source: Source
) -> list[tuple[date, list[Line]]]:
    remedies = Remedies(request, area, found.slots, source)
    lines = [_line(explained, remedies, source) for explained in found.slots]
    return [
        (day, list(group)) for day, group in groupby(lines, lambda line: clock.local(line.slot.start, area.zone).date())
    ]


def _line(explained: offers.ExplainedSlot, remedies: "Remedies", source: Source) -> Line:
    slot = explained.slot
    broken = [verdict for verdict in explained.verdicts if not verdict.kept]
    over = [verdict for verdict in broken if verdict.rule in LAST_WORDS]
    return Line(
        explained,
        [Broken(one.message, one.remedy, remedies.of(one.rule, slot)) for one in over or broken],
        (slot.start, slot.end) == source.period,
        remedies.move(slot) if not broken else "",
    )


class Remedies:
    """The links of each broken rule, as far as the viewer may follow them. The page of each leads back here."""

    def __init__(
        self, request: HttpRequest, area: ServiceArea, explained: Sequence[offers.ExplainedSlot], source: Source
    ) -> None:
        self.may, self.back = request.user.has_perm, request.get_full_path()
        self.area, self.order = area, source.order
        self.is_restricted = visible_areas(request.user) is not None
        self.order_type = source.job.order_type if source.job else ""
        unable = {one.slot.worker for one in explained for verdict in one.verdicts if _is_broken(verdict, "worker")}
        self.workers = dict(Worker.objects.filter(code__in=unable).values_list("code", "pk"))

    def of(self, rule: str, slot: Any) -> list[Remedy]:
        found = {
            "closed": self._opening,
            "full": self._room,
            "margin": self._margin,
            "cutoff": self._cutoff,
            "order_type": self._other_slot,
            "worker": self._worker,
        }.get(rule)
        return [remedy for remedy in found(slot) if remedy.address] if found else []

    def move(self, slot: Any) -> str:
        """To move the booking that was asked about into a slot that is offered."""
        order = self.order
        if order is None or order.status != WorkOrder.Status.BOOKED or slot.pk == order.slot_id:
            return ""
        query = {"chosen": f"{order.pk}:{order.version}", "slot": slot.pk, "back": self.back}
        return self._if("move_workorder", partial(_action, "workorder", "move", query))

    def _if(self, permission: str, found: Any) -> str:
        return found() if self.may(f"bookings.{permission}") else ""

    def _slot_action(self, name: str, slot: Any, **more: Any) -> str:
        permission = "resize_appointmentslot" if name == "resize" else "close_appointmentslot"
        query = {"chosen": f"{slot.pk}:{slot.capacity}", **more, "back": self.back}
        return self._if(permission, partial(_action, "appointmentslot", name, query))

    def _opening(self, slot: Any) -> list[Remedy]:
        found = [] if slot.is_open else [Remedy(self._slot_action("open", slot), "Open the slot")]
        blackout = slot.blackout
        if blackout and not (blackout.is_absence and self.is_restricted):
            query = {"chosen": f"{blackout.pk}:0", "back": self.back}
            lift = partial(_action, "blackout", "open", query)
            found.append(Remedy(self._if("close_appointmentslot", lift), "Lift what closes it"))
        return found

    def _room(self, slot: Any) -> list[Remedy]:
        window = partial(addresses.list_of, "workorder", view="all", status="booked", window=slot.pk)
        return [
            Remedy(self._slot_action("resize", slot, capacity=slot.capacity + 1), "One place more"),
            Remedy(self._if("view_workorder", window) if slot.booked else "", "Its bookings"),
        ]

    def _margin(self, slot: Any) -> list[Remedy]:
        return [*self._area("Change the share that may be booked"), self._room(slot)[0]]

    def _cutoff(self, slot: Any) -> list[Remedy]:
        return self._area("Change the cut-off")

    def _area(self, text: str) -> list[Remedy]:
        page = partial(reverse, "admin:bookings_servicearea_change", args=[self.area.pk])
        return [Remedy(self._if("change_servicearea", page), text)]

    def _other_slot(self, slot: Any) -> list[Remedy]:
        """A slot of the same time that takes such orders."""
        start, end = (clock.local(moment, self.area.zone) for moment in (slot.start, slot.end))
        query = {
            "area": self.area.pk,
            "day": start.date(),
            "begins": f"{start:%H:%M}",
            "ends": f"{end:%H:%M}",
            "order_type": self.order_type,
        }
        page = partial(addresses.with_query, reverse("admin:bookings_appointmentslot_add"), query)
        return [Remedy(self._if("add_appointmentslot", page), "Add a slot at this time")]

    def _worker(self, slot: Any) -> list[Remedy]:
        key = self.workers.get(slot.worker)
        if key is None or self.is_restricted:
            return []
        page = partial(reverse, "admin:bookings_worker_change", args=[key])
        return [Remedy(self._if("change_worker", page), "Change what the worker does")]


def _is_broken(verdict: Any, rule: str) -> bool:
    return bool(verdict.rule == rule and not verdict.kept)


def _action(model: str, name: str, query: dict[str, Any]) -> str:
    return addresses.with_query(reverse(f"admin:bookings_{model}_act", args=[name]), query)
