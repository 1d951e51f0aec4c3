"""The questions that the list of work orders answers."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Q, Sum
from django.http import HttpRequest

from bookings import clock, offers
from bookings.admin import lists
from bookings.admin.days import last_days, on_days
from bookings.admin.filters import AreaFilter, BarFilter, HiddenFilter, TextFilter
from bookings.admin.overview import visits
from bookings.models import ID_LENGTH, AppointmentSlot, ServiceArea
from bookings.models.work_orders import PARTS_LATE, TO_REVIEW
from bookings.services import search_terms


def in_closed_slot(now: datetime) -> Q:
    """Bookings of visits to come whose slot was closed, by staff, a blackout or a plan.

    Asked of the slots that come: in the order of their start, the list reads the bookings of the first few closed ones.
    """
    return ~offers.WITH_SHOWN_SLOT & Q(status="booked", slot__start__gt=now, slot__booked__gt=0)


def count_in_closed_slots(areas: Iterable[ServiceArea]) -> int:
    """How many `in_closed_slot` finds there, up to as many as a list pages through: by the slots, which count their
    own. The bookings would be read for it, wherever they lie."""
    closed = AppointmentSlot.objects.filter(~offers.SHOWN, area__in=areas, start__gt=clock.now())
    booked: int = closed.aggregate(booked=Sum("booked", default=0))["booked"]
    return min(booked, lists.COUNTED)


def known_count(request: HttpRequest) -> int | None:
    """How long the list is, where that is known without reading it."""
    if request.GET.get("view") != "closed" or not asked(request) <= {"area"}:
        return None
    areas = ServiceArea.objects.visible_to(request.user)
    codes = AreaFilter.codes(request)
    return count_in_closed_slots(areas.filter(code__in=codes) if codes else areas)


ONLY_ATTENTION = "only what needs attention"


def asked(request: HttpRequest) -> set[str]:
    """The filters that are set, the search among them; not how the list is looked at."""
    return {name for name, text in request.GET.items() if text and name not in ("view", "p", "o", "all")}


class ViewFilter(BarFilter):
    """What needs attention comes first; any other question shows everything that fits."""

    title, parameter_name = "show", "view"
    any_text = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("attention", "what needs attention"), ("closed", "booked in a closed slot"), ("all", "everything")]

    def options(self) -> list[tuple[str, str, bool]]:
        """Before anything is asked, what is shown is no choice: it ends with the first question, and says so."""
        if super(BarFilter, self).value() in ("attention", "closed", "all") or self.value() != "attention":
            return super().options()
        return [
            ("", "attention, until you filter", True),
            *[(value, text, False) for value, text, _ in super().options()],
        ]

    def says(self) -> str:
        return {"attention": ONLY_ATTENTION, "closed": "only what is booked in a closed slot"}.get(self.value(), "")

    def value(self) -> str:
        given = super().value()
        is_asked = asked(self.request)
        # A number is looked for everywhere, whatever the list showed before.
        if given not in ("attention", "closed", "all") or "q" in is_asked:
            return "all" if is_asked else "attention"
        return given

    def condition(self, request: HttpRequest) -> Q:
        return {"attention": TO_REVIEW, "closed": in_closed_slot(clock.now())}.get(self.value(), Q())


class StateFilter(BarFilter):
    title, parameter_name = "state", "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("booked", "booked"), ("cancelled", "cancelled")]

    def condition(self, request: HttpRequest) -> Q:
        # What is cancelled has a time, by a constraint, and an index that holds nothing else.
        return Q(cancelled_at__isnull=False) if self.value() == "cancelled" else Q(status=self.value())


class ReviewFilter(BarFilter):
    title, parameter_name = "review", "reviewed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "reviewed"), ("no", "not reviewed")]

    def condition(self, request: HttpRequest) -> Q:
        return Q(reviewed_at__isnull=self.value() != "yes")


class PartsFilter(BarFilter):
    title, parameter_name = "parts", "parts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("late", "come after the visit"),
            ("waiting", "not here yet"),
            ("some", "with parts"),
            ("none", "without parts"),
        ]

    def condition(self, request: HttpRequest) -> Q:
        return {
            "late": PARTS_LATE,
            "waiting": Q(status="booked", parts_due_at__gt=clock.now()),
            "some": Q(part_count__gt=0),
            "none": Q(part_count=0),
        }.get(self.value(), Q(pk__in=[]))


class AskedWorkerFilter(TextFilter):
    """The worker that the technician asked for, below the other one in the column where the two differ."""

    title, parameter_name = "asked for", "asked"

    def condition(self, request: HttpRequest) -> Q:
        worker = Q(worker=self.value()[:ID_LENGTH])
        # It is among the words of the search, which have an index.
        return worker & search_terms.found_by(self.value()) if search_terms.as_word(self.value()) else worker


class ArrivalFilter(HiddenFilter):
    title, parameter_name = "arrived", "arrived"
    texts: ClassVar[dict[str, str]] = {
        "yesterday": "came in since yesterday",
        "today": "came in today",
        "since": "came in since you were last here",
    }

    def condition(self, request: HttpRequest) -> Q:
        if self.value() == "since":
            return visits.came_since("created_at", request)
        number = {"today": 1, "yesterday": 2}.get(self.value())
        if number is None:
            return Q(pk__in=[])
        return on_days(ServiceArea.objects.visible_to(request.user), "created_at", last_days(number))


class CancelledFilter(HiddenFilter):
    title, parameter_name = "cancelled", "cancelled"
    texts: ClassVar[dict[str, str]] = {"today": "cancelled today", "since": "cancelled since you were last here"}

    def condition(self, request: HttpRequest) -> Q:
        if self.value() == "since":
            return visits.came_since("cancelled_at", request)
        if self.value() != "today":
            return Q(pk__in=[])
        return on_days(ServiceArea.objects.visible_to(request.user), "cancelled_at", last_days(1))
