"""The list and the page of work orders. Nothing here writes a booking: that is `services`, by the actions."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from unfold.views import ChangeList

from bookings import clock
from bookings.admin import addresses, filters, lists, news
from bookings.admin.cells import area_name, period_lines, state_label, two_lines
from bookings.admin.desk import DeskAdmin
from bookings.admin.orders import (
    details,
    export_page,
    near_spellings,
    paper,
    review_queue,
    work_order_actions,
    work_order_filters,
)
from bookings.admin.planning import rules
from bookings.admin.systems import delivery
from bookings.models import WorkOrder, visible_areas
from bookings.services import public_form, search_terms

# A search that finds more names no customer.
MOST_FOUND = 500


class WorkOrderChangeList(lists.DeskChangeList):
    nothing_fits = "No booking fits. Remove a filter or search by phone number."

    def empty_text(self) -> str:
        text = super().empty_text()
        is_reviewed = [name for name, _ in self.combined()] == [work_order_filters.ONLY_ATTENTION]
        return "Everything is reviewed." if is_reviewed and text == self.nothing_fits else text

    def get_results(self, request: HttpRequest) -> None:
        """How many parts are late is counted once for the page. The review queue asks which rows there are, no more."""
        if getattr(request, "reads_no_rows", False):
            return
        super().get_results(request)
        self.result_list = list(self.result_list)
        late = details.late_parts(row.pk for row in self.result_list if row.has_late_parts)
        for row in self.result_list:
            row.late_count = late.get(row.pk, 0)
            row.is_found = bool(self.query)

    def near(self) -> list[tuple[str, str]]:
        """Where a search finds nothing: searches that are spelled alike and find something, with their addresses."""
        if not self.query or self.result_count:
            return []
        found = near_spellings.near(self.query, self.root_queryset)
        return [(text, addresses.with_query("", {"view": "all", "q": text})) for text in found]

    def next_visit(self) -> WorkOrder | None:
        """Of the bookings that a search finds: that is what most callers ask about."""
        if not self.query or not 0 < self.result_count <= MOST_FOUND or self.paginator.has_more:
            return None
        coming = self.queryset.filter(status=WorkOrder.Status.BOOKED, visit_start__gt=clock.now())
        row: WorkOrder | None = coming.order_by("visit_start", "pk").first()
        return row


@admin.register(WorkOrder)
class WorkOrderAdmin(DeskAdmin):
    list_display = ["number", "state", "customer", "place", area_name, "period", "who", "parts"]
    list_display_links = ["number"]
    list_select_related = ["area", "slot"]
    list_filter = [
        work_order_filters.ViewFilter,
        filters.DayFilter,
        filters.UntilFilter,
        filters.AreaFilter,
        work_order_filters.StateFilter,
        work_order_filters.ReviewFilter,
        filters.OrderTypeFilter,
        filters.WorkerFilter,
        work_order_filters.AskedWorkerFilter,
        work_order_filters.PartsFilter,
        delivery.DeliveryFilter,
        work_order_filters.ArrivalFilter,
        work_order_filters.CancelledFilter,
        filters.WindowFilter,
    ]
    # How they are found is in search_terms.py; the names only make Django draw the field.
    search_fields = ["order_num"]
    search_help_text = "Number, name, address or phone"
    desk_actions = work_order_actions.WORK_ORDER_ACTIONS
    page_template = "admin/bookings/work_order.html"

    def version_of(self, row: WorkOrder) -> int:
        return row.version

    def get_urls(self) -> list[URLPattern]:
        return [*news.urls(), *paper.urls(), *super().get_urls()]

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        asked = request.GET
        query = {"day": asked.get("day"), "area": asked.getlist("area"), "worker": asked.get("worker")}
        return {"bar_links": [(paper.address(**query), "Day to print")]}

    def get_changelist(self, request: HttpRequest, **options: Any) -> type[ChangeList]:
        return WorkOrderChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkOrder]:
        return super().get_queryset(request).defer("body")

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """What is to be done or falls on days: the next visit first. Everything else: the newest first."""
        view = "all" if request.GET.get("q") else request.GET.get("view")  # as ViewFilter has it
        is_asked = any(text for name, text in request.GET.items() if name != "p")
        falls_on_days = request.GET.get("day") or request.GET.get("until")
        if view == "closed":
            return ["slot__start", "pk"]
        by_visit = view == "attention" or falls_on_days or not is_asked
        return ["visit_start", "pk"] if by_visit else ["-pk"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WorkOrder], search_term: str
    ) -> tuple[QuerySet[WorkOrder], bool]:
        if not search_term.strip():
            return queryset, False
        found = search_terms.find(search_term)
        # Of many that no filter narrows, a few pages are all that anyone looks at.
        is_narrowed = work_order_filters.asked(request) != {"q"}
        request.some_found = () if is_narrowed else found.some  # type: ignore[attr-defined]
        return queryset.filter(found.condition), False

    def get_paginator(self, request: HttpRequest, *arguments: Any, **options: Any) -> lists.BoundedPaginator:
        paginator: lists.BoundedPaginator = super().get_paginator(request, *arguments, **options)
        paginator.some = getattr(request, "some_found", ())
        paginator.known = work_order_filters.known_count(request)
        return paginator

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if request.user.has_perm("bookings.export_workorder"):
            actions |= export_page.actions()
        return actions

    @admin.display(description="Number", ordering="pk")
    def number(self, work_order: WorkOrder) -> str:
        return two_lines(work_order.order_num, work_order.original_order)

    @admin.display(description="Customer", ordering=None)
    def customer(self, work_order: WorkOrder) -> str:
        """With the phone in what a search finds: a caller is called back."""
        phone = work_order.phone if getattr(work_order, "is_found", False) else ""
        below = " ".join(text for text in (work_order.account_num, phone) if text)
        return two_lines(work_order.account_name or work_order.account_num, below)

    @admin.display(description="Place")
    def place(self, work_order: WorkOrder) -> str:
        where = work_order.address or work_order.location_name or work_order.location_num
        return two_lines(work_order.postcode or where, where if work_order.postcode else "")

    @admin.display(description="Appointment", ordering="visit_start")
    def period(self, work_order: WorkOrder) -> str:
        return period_lines(work_order.area, work_order.slot)

    @admin.display(description="Worker")
    def who(self, work_order: WorkOrder) -> str:
        """The worker of the slot, and below the one that the technician asked for."""
        assigned, asked = work_order.slot.worker or "pool", work_order.worker
        return two_lines(assigned, f"asked: {asked}" if asked and assigned != asked else "")

    @admin.display(description="Parts")
    def parts(self, work_order: WorkOrder) -> str:
        due = work_order.parts_due_at
        if due is None:
            return two_lines(work_order.part_count or "-")
        shown = clock.local(due, work_order.area.zone)
        count, late = work_order.part_count, getattr(work_order, "late_count", 0)
        return two_lines(
            f"{late} of {count} late" if work_order.has_late_parts else count,
            f"by {shown.day} {shown:%b %H:%M}",
            warn=work_order.has_late_parts,
        )

    @admin.display(description="State, type")
    def state(self, work_order: WorkOrder) -> str:
        return two_lines(state_label(work_order), work_order.order_type)

    def page_context(self, request: HttpRequest, row: WorkOrder) -> dict[str, Any]:
        row = WorkOrder.objects.select_related("area", "slot__area").get(pk=row.pk)
        job = public_form.read_job(row)
        return {
            "row": row,
            "state": state_label(row),
            "queue": review_queue.around(self, request, row),
            "can_review": not work_order_actions.REVIEW.unfit(row)
            and work_order_actions.REVIEW.is_allowed(request, many=False),
            "when": row.area.period_text(row.slot.start, row.slot.end),
            "created": row.area.instant_text(row.created_at),
            "root_order": public_form.root_order(row),
            "customer": details.customer_facts(row, job),
            "place": details.place_facts(row, job),
            "map_link": details.map_link(row, job),
            "contacts": details.contacts(job),
            "part_groups": details.part_groups(row),
            "assets": details.assets(job, row.area),
            "flex_forms": details.flex_forms(job),
            "history": details.history(row.history.all(), row.area, visible_areas(request.user)),
            "relatives": [
                (other, state_label(other), period_lines(other.area, other.slot))
                for other in details.relatives(row, self.get_queryset(request))
            ],
            "rules_address": rules.address(order=row.pk) if rules.may_ask(request) else "",
            "unreadable": details.unreadable(row, job),
            **delivery.page_context(request, row),
            "body": details.readable(row.body),
        }
