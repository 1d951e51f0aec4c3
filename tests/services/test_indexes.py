"""Each index costs every booking a row and a page: none does what another one does too."""

import pytest
from django.db import connection

from bookings.models import (
    AppointmentSlot,
    DailySum,
    HistoryEntry,
    PartOrder,
    Refusal,
    RequiredPart,
    SearchDocument,
    WeeklySum,
    WorkOrder,
)

pytestmark = pytest.mark.django_db

WRITTEN = [AppointmentSlot, HistoryEntry, PartOrder, Refusal, RequiredPart, SearchDocument, WorkOrder]


def covered(model):
    """The indexes of a table that hold what a longer or a unique one begins with."""
    meta = model._meta
    partial = {one.name for one in [*meta.indexes, *meta.constraints] if getattr(one, "condition", None)}
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, meta.db_table)
    whole = {
        name: (one["columns"], one["unique"])
        for name, one in found.items()
        if (one["index"] or one["unique"]) and name not in partial and one.get("type") != "gin"
    }
    return [
        name
        for name, (columns, is_unique) in whole.items()
        if not is_unique and any(other != name and whole[other][0][: len(columns)] == columns for other in whole)
    ]


@pytest.mark.parametrize("model", WRITTEN)
def test_no_index_does_what_another_one_does(model):
    assert covered(model) == []


@pytest.mark.parametrize(
    ("model", "column", "value"),
    [
        (HistoryEntry, "slot", 1),
        (HistoryEntry, "work_order", 1),
        (PartOrder, "work_order", 1),
        (RequiredPart, "work_order", 1),
        (SearchDocument, "work_order", 1),
        (WorkOrder, "slot", 1),
        (WorkOrder, "original_order", "WO-1"),
        (WorkOrder, "order_num", "FU-1"),
    ],
)
def test_what_belongs_to_one_is_found_by_an_index(model, column, value):
    plan = plan_of(model.objects.filter(**{column: value}).order_by().values("pk"))
    assert "Seq Scan" not in plan
    assert "SCAN" not in plan


def plan_of(rows):
    """On PostgreSQL an empty table is read as a whole unless nothing else is possible; SQLite always says."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return rows.explain()


def looks_areas_up(rows):
    """Whether the index is asked for areas, and not only for what stands before them in it."""
    plan = plan_of(rows.order_by().values("pk"))
    if connection.vendor == "postgresql":
        return any("Index Cond:" in line and "COALESCE(area_id" in line for line in plan.splitlines())
    return "<expr>=?" in plan


@pytest.mark.parametrize(("model", "when"), [(DailySum, "day"), (WeeklySum, "week")])
def test_of_a_day_or_week_the_sums_of_some_areas_are_read_alone(model, when):
    """One of each: of an empty table PostgreSQL would rather read an index as a whole than look two up."""
    asked = {"kind": "lead", when: "2026-11-02"} | ({"level": 1} if model is WeeklySum else {})
    assert looks_areas_up(model.objects.of_areas([1]).filter(**asked))
    assert looks_areas_up(model.objects.in_areas(set()).filter(**asked))
    assert not looks_areas_up(model.objects.filter(**asked, area__in=[1]))


def test_it_would_notice_the_index_of_a_foreign_key():
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE INDEX part_order_again ON {PartOrder._meta.db_table} (work_order_id)")
    assert covered(PartOrder) == ["part_order_again"]
