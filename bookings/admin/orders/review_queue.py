"""The review queue: one booking after another, with the filters of the list that led here and in its order.

Nothing is kept between two pages: the list's question stands in the address, and the next booking is looked up anew.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from bookings.admin import addresses, lists
from bookings.models import WorkOrder
from bookings.models.work_orders import TO_REVIEW

if TYPE_CHECKING:
    from bookings.admin.orders.work_orders import WorkOrderAdmin

FILTERS = "_changelist_filters"  # Django's own name in the addresses of a list's rows
# A page of one booking counts no more that are left: each of them is a row that is read.
MOST_LEFT = 1_000


@dataclass(frozen=True)
class ReviewQueue:
    """The addresses around a booking. Where there is none to review any more, `next` leads back to the list."""

    next: str
    previous: str
    list: str
    left: str


def around(admin: "WorkOrderAdmin", request: HttpRequest, row: WorkOrder) -> ReviewQueue:
    filters = request.GET.get(FILTERS, "")
    asked = copy.copy(request)
    question = QueryDict(filters, mutable=True)
    for name in ("p", "o", "all"):
        question.pop(name, None)
    asked.GET = question  # type: ignore[assignment]
    asked.reads_no_rows = True  # type: ignore[attr-defined]
    try:
        found = admin.get_changelist_instance(asked).queryset
    except IncorrectLookupParameters:
        filters, found = "", admin.get_queryset(request)
    ordering = admin.get_ordering(asked)
    rows = found.filter(TO_REVIEW).exclude(pk=row.pk).order_by(*ordering)
    newest_first = ordering[0] == "-pk"
    following = rows.filter(_beyond(row, newest_first, "gt")).values_list("pk", flat=True).first()
    before = rows.filter(_beyond(row, newest_first, "lt")).reverse().values_list("pk", flat=True).first()
    back = f"{reverse('admin:bookings_workorder_changelist')}{'?' if filters else ''}{filters}"
    return ReviewQueue(
        next=_address(following, filters) if following else back,
        previous=_address(before, filters) if before else "",
        list=back,
        left=lists.count_text(lists.bounded_count(rows, MOST_LEFT), MOST_LEFT),
    )


def _address(key: int, filters: str) -> str:
    return addresses.with_query(reverse("admin:bookings_workorder_change", args=[key]), {FILTERS: filters})


def _beyond(row: WorkOrder, newest_first: bool, way: str) -> Q:
    """What comes after a row in the order of the list, or with `lt` before it."""
    if newest_first:
        return Q(pk__lt=row.pk) if way == "gt" else Q(pk__gt=row.pk)
    # By the first condition an index is passed through from there on, which neither of two others does.
    beyond = Q(**{f"visit_start__{way}": row.visit_start}) | Q(visit_start=row.visit_start, **{f"pk__{way}": row.pk})
    return Q(**{f"visit_start__{way}e": row.visit_start}) & beyond
