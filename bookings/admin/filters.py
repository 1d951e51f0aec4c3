"""The questions that the lists answer. Days are days of the area's own clock, wherever the viewer sits.

A filter here is a field of the bar above the list, not a panel of links; `kind` is how it is drawn there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from bookings import clock, offers
from bookings.admin import addresses
from bookings.models import ID_LENGTH, AppointmentSlot, ServiceArea
from bookings.supply import hours

# Nobody turns more pages than that; a filter or a search leads further. It bounds what a count can cost.
COUNTED = 10_000

Days = tuple[date, date]


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no more rows than anybody pages through, so that a million cost what ten thousand do."""

    template_name = "admin/bookings/pagination.html"

    @cached_property
    def count(self) -> int:
        return bounded_count(self.object_list)  # type: ignore[arg-type]

    def validate_number(self, number: Any) -> int:
        """A page that is there no longer, because its rows were reviewed, is the last one: the filters stay."""
        return max(1, min(int(number), self.num_pages))

    @property
    def has_more(self) -> bool:
        return self.count >= COUNTED


def bounded_count(rows: QuerySet[Any]) -> int:
    return rows.order_by().values("pk")[:COUNTED].count()


def count_text(count: int) -> str:
    return f"{count:,}+" if count >= COUNTED else f"{count:,}"


def read_day(text: str | None) -> date | None:
    """A day such as 2026-12-04 of the years in which anybody plans; the weeks around it exist, too."""
    try:
        day = clock.read_day(text or "")
    except ValueError:
        return None
    return day if hours.FIRST_YEAR <= day.year <= hours.LAST_YEAR else None


def today(zone: ZoneInfo) -> date:
    return clock.now().astimezone(zone).date()


def on_days(areas: Iterable[ServiceArea], field: str, days: Callable[[ZoneInfo], Days]) -> Q:
    """Rows whose instant `field` falls on the days, first and last, of the clock of their own area."""
    zones: dict[str, list[int]] = defaultdict(list)
    for area in areas:
        zones[area.time_zone].append(area.pk)
    if not zones:
        return Q(pk__in=[])
    spans: list[tuple[list[int], datetime, datetime]] = []
    for name, keys in zones.items():
        zone = ZoneInfo(name)
        first, last = days(zone)
        spans.append((keys, clock.day_bounds(first, zone)[0], clock.day_bounds(last, zone)[1]))
    # The span around all of them is what an index can be read by.
    begin, end = min(span[1] for span in spans), max(span[2] for span in spans)
    each = [Q(**{"area_id__in": keys, f"{field}__gte": start, f"{field}__lt": stop}) for keys, start, stop in spans]
    return Q(**{f"{field}__gte": begin, f"{field}__lt": end}) & reduce(or_, each)


def last_days(number: int) -> Callable[[ZoneInfo], Days]:
    """Today and the days before it, `number` in all."""
    return lambda zone: (today(zone) - timedelta(days=number - 1), today(zone))


class BarFilter(admin.SimpleListFilter):
    """One field of the bar. An empty field asks nothing."""

    kind: ClassVar[str] = "select"
    any_text: ClassVar[str] = "any"

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        self.request = request
        super().__init__(request, params, model, model_admin)

    def has_output(self) -> bool:
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return []

    def value(self) -> str:
        return str(super().value() or "").strip()

    def options(self) -> list[tuple[str, str, bool]]:
        """What can be chosen: (value, text, whether it is)."""
        return [(str(value), str(text), str(value) == self.value()) for value, text in self.lookup_choices]

    def says(self) -> str:
        """What the list is narrowed to by this filter, in words; empty where it asks nothing."""
        value = self.value()
        shown = next((text for known, text, _ in self.options() if value and known == value), value)
        return f"{self.title}: {shown}" if value else ""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(self.condition(request)) if self.value() else queryset

    def condition(self, request: HttpRequest) -> Q:
        raise NotImplementedError


# As WorkOrderQuerySet.needing_attention and the index work_order_to_review have it.
TO_REVIEW = Q(status="booked", reviewed_at__isnull=True)


def in_closed_slot(now: datetime) -> Q:
    """Bookings of visits to come whose slot was closed, by staff, a blackout or a plan."""
    return Q(status="booked", slot__in=AppointmentSlot.objects.filter(~offers.SHOWN, start__gt=now).values("pk"))


class ViewFilter(BarFilter):
    """What needs attention comes first; whoever asks for anything else sees everything that fits."""

    title, parameter_name = "show", "view"
    any_text = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("attention", "what needs attention"), ("closed", "booked in a closed slot"), ("all", "everything")]

    def options(self) -> list[tuple[str, str, bool]]:
        """Before anything is asked, what is shown is no choice: it ends with the first question, and says so."""
        if super(BarFilter, self).value() in ("attention", "closed", "all") or self.value() != "attention":
            return super().options()
        return [
            ("", "needs attention, until you filter", True),
            *[(value, text, False) for value, text, _ in super().options()],
        ]

    def says(self) -> str:
        return {"attention": "only what needs attention", "closed": "only what is booked in a closed slot"}.get(
            self.value(), ""
        )

    def value(self) -> str:
        given = super().value()
        asked = {name for name, text in self.request.GET.items() if text and name not in ("view", "p", "o", "all")}
        # A number is looked for everywhere, whatever the list showed before.
        if given not in ("attention", "closed", "all") or "q" in asked:
            return "all" if asked else "attention"
        return given

    def condition(self, request: HttpRequest) -> Q:
        return {"attention": TO_REVIEW, "closed": in_closed_slot(clock.now())}.get(self.value(), Q())


def _day_says(value: str, title: str) -> str:
    day = read_day(value)
    return f"{title} {clock.day_text(day) if day else 'no such day'}" if value else ""


class DayFilter(BarFilter):
    """The day of the visit, or with `until` the first of several."""

    title, parameter_name, kind = "visit from", "day", "date"
    field: ClassVar[str] = "visit_start"

    def says(self) -> str:
        title = self.title if self.request.GET.get("until") else self.title.replace("from", "on")
        return _day_says(self.value(), title)

    def condition(self, request: HttpRequest) -> Q:
        first, last = read_day(self.value()), read_day(request.GET.get("until"))
        if first is None:
            return Q(pk__in=[])
        areas = ServiceArea.objects.visible_to(request.user)
        return on_days(areas, self.field, lambda zone: (first, max(first, last or first)))


class UntilFilter(BarFilter):
    """The last day. Without a first one: everything up to it."""

    title, parameter_name, kind = "visit until", "until", "date"
    field: ClassVar[str] = "visit_start"

    def says(self) -> str:
        return _day_says(self.value(), self.title)

    def condition(self, request: HttpRequest) -> Q:
        last = read_day(self.value())
        if last is None:
            return Q(pk__in=[])
        if request.GET.get("day"):
            return Q()
        areas = ServiceArea.objects.visible_to(request.user)
        return on_days(areas, self.field, lambda zone: (date(hours.FIRST_YEAR, 1, 1), last))


class SlotDayFilter(DayFilter):
    title, field = "slot from", "start"


class SlotUntilFilter(UntilFilter):
    title, field = "slot until", "start"


class AreaFilter(BarFilter):
    title, parameter_name = "area", "area"

    def several(self) -> list[str]:
        """More areas than a field shows, as the board asks for them."""
        codes = self.request.GET.getlist("area")
        return codes if len(codes) > 1 else []

    def says(self) -> str:
        codes = self.several()
        return f"areas: {', '.join(codes)}" if codes else super().says()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(area.code, area.name) for area in ServiceArea.objects.visible_to(request.user).order_by("name")]

    def condition(self, request: HttpRequest) -> Q:
        # The key is looked up first: the index of the list goes by it.
        areas = ServiceArea.objects.filter(code__in=self.request.GET.getlist("area"))
        return Q(area_id__in=list(areas.values_list("pk", flat=True)))


class StateFilter(BarFilter):
    title, parameter_name = "state", "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("booked", "booked"), ("cancelled", "cancelled")]

    def condition(self, request: HttpRequest) -> Q:
        return Q(status=self.value())


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
            "late": Q(status="booked", parts_due_at__gt=F("visit_start")),
            "waiting": Q(status="booked", parts_due_at__gt=clock.now()),
            "some": Q(part_count__gt=0),
            "none": Q(part_count=0),
        }.get(self.value(), Q(pk__in=[]))


class TextFilter(BarFilter):
    kind = "text"

    def condition(self, request: HttpRequest) -> Q:
        return Q(**{str(self.parameter_name): self.value()[:ID_LENGTH]})


class OrderTypeFilter(TextFilter):
    title, parameter_name = "order type", "order_type"


class SlotOrderTypeFilter(OrderTypeFilter):
    """`any`, as the column shows it, are the slots for orders of any type."""

    title = "slot's order type"

    def condition(self, request: HttpRequest) -> Q:
        return _or_empty("order_type", self.value(), "any")


class WorkerFilter(TextFilter):
    """Whose slot it is, as the column says it: `pool` are the slots without a worker of their own."""

    title, parameter_name = "slot's worker", "worker"
    field: ClassVar[str] = "slot__worker"

    def condition(self, request: HttpRequest) -> Q:
        return _or_empty(self.field, self.value(), "pool")


class SlotWorkerFilter(WorkerFilter):
    field = "worker"


class AskedWorkerFilter(TextFilter):
    """The worker that the technician asked for, below the other one in the column where the two differ."""

    title, parameter_name = "asked for", "asked"

    def condition(self, request: HttpRequest) -> Q:
        return Q(worker=self.value()[:ID_LENGTH])


def _or_empty(field: str, value: str, word: str) -> Q:
    found = Q(**{field: value[:ID_LENGTH]})
    return found | Q(**{field: ""}) if value.casefold() == word else found


class HiddenFilter(BarFilter):
    """Asked by links of the board; the bar carries it on and offers to drop it."""

    kind = "hidden"
    texts: ClassVar[dict[str, str]] = {}

    def text(self) -> str:
        return self.texts.get(self.value(), "")

    def says(self) -> str:
        return (self.text() or f"{self.title}: nothing") if self.value() else ""


class ArrivalFilter(HiddenFilter):
    title, parameter_name = "arrived", "arrived"
    texts: ClassVar[dict[str, str]] = {"yesterday": "came in since yesterday", "today": "came in today"}

    def condition(self, request: HttpRequest) -> Q:
        number = {"today": 1, "yesterday": 2}.get(self.value())
        if number is None:
            return Q(pk__in=[])
        return on_days(ServiceArea.objects.visible_to(request.user), "created_at", last_days(number))


class CancelledFilter(HiddenFilter):
    title, parameter_name = "cancelled", "cancelled"
    texts: ClassVar[dict[str, str]] = {"today": "cancelled today"}

    def condition(self, request: HttpRequest) -> Q:
        if self.value() != "today":
            return Q(pk__in=[])
        return on_days(ServiceArea.objects.visible_to(request.user), "cancelled_at", last_days(1))


class WindowFilter(HiddenFilter):
    """The bookings of one slot, and of the others of its area in the same period."""

    title, parameter_name = "window", "window"

    @cached_property
    def slot(self) -> AppointmentSlot | None:
        key = self.value()
        slots = AppointmentSlot.objects.visible_to(self.request.user).select_related("area")
        return slots.filter(pk=int(key)).first() if addresses.is_key(key) else None

    def text(self) -> str:
        return f"{self.slot.area.name}, {self.slot}" if self.slot else ""

    def condition(self, request: HttpRequest) -> Q:
        if self.slot is None:
            return Q(pk__in=[])
        return self.in_window(self.slot)

    def in_window(self, slot: AppointmentSlot) -> Q:
        same = AppointmentSlot.objects.filter(area=slot.area_id, start=slot.start, end=slot.end)
        return Q(slot_id__in=list(same.values_list("pk", flat=True)))


class SlotWindowFilter(WindowFilter):
    def in_window(self, slot: AppointmentSlot) -> Q:
        return Q(area=slot.area_id, start=slot.start, end=slot.end)


class SlotStateFilter(BarFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("free", "open with free places"), ("full", "open and full"), ("open", "open"), ("closed", "closed")]

    def condition(self, request: HttpRequest) -> Q:
        return {
            "free": offers.SHOWN & Q(booked__lt=F("capacity"), start__gt=clock.now()),
            "full": offers.SHOWN & Q(booked__gte=F("capacity")),
            "open": offers.SHOWN,
            "closed": ~offers.SHOWN,
        }.get(self.value(), Q(pk__in=[]))


class BlackoutStateFilter(BarFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("force", "in force"), ("lifted", "lifted")]

    def condition(self, request: HttpRequest) -> Q:
        return {"force": Q(opened_at__isnull=True), "lifted": Q(opened_at__isnull=False)}.get(
            self.value(), Q(pk__in=[])
        )


class BlackoutTimeFilter(BarFilter):
    title, parameter_name = "time", "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "now"), ("coming", "coming"), ("past", "past")]

    def condition(self, request: HttpRequest) -> Q:
        now = clock.now()
        return {"now": Q(start__lte=now, end__gt=now), "coming": Q(start__gt=now), "past": Q(end__lte=now)}.get(
            self.value(), Q(pk__in=[])
        )


class RefusalDayFilter(HiddenFilter):
    title, parameter_name = "refused", "refused"
    texts: ClassVar[dict[str, str]] = {"today": "refused today"}

    def condition(self, request: HttpRequest) -> Q:
        return refused_today(ServiceArea.objects.visible_to(request.user))


def refused_today(areas: Iterable[ServiceArea]) -> Q:
    """A refusal for no area has no clock of its own: its day is that of UTC."""
    start, end = clock.day_bounds(today(ZoneInfo("UTC")), ZoneInfo("UTC"))
    return on_days(areas, "at", last_days(1)) | Q(area__isnull=True, at__gte=start, at__lt=end)
