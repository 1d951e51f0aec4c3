"""Each index costs every booking a row and a page: none does what another one does too."""

from datetime import timedelta

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
from bookings.offers import rulebook
from tests.conftest import SERVER
from tests.support import plans
from tests.support.helpers import START, clock_stands_at, make_area, search

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
    plan = explained(model.objects.filter(**{column: value}).order_by().values("pk"))
    assert "Seq Scan" not in plan
    assert "SCAN" not in plan


def explained(rows):
    """On PostgreSQL an empty table is read as a whole unless nothing else is possible; SQLite always says."""
    plans.prefer_indexes()
    return rows.explain()


def looks_areas_up(rows):
    """Whether the index is asked for areas, and not only for what stands before them in it."""
    plan = explained(rows.order_by().values("pk"))
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


def slots_read_by_a_search():
    """By the plan that PostgreSQL keeps for all searches, with 7,200 slots of three areas, made day by day."""
    areas = [make_area(code) for code in ("LEEDS", "YORK", "HULL")]
    AppointmentSlot.objects.bulk_create(
        AppointmentSlot(area=area, start=begin, end=begin + timedelta(hours=2), worker=f"{area.code}-{worker}")
        for day in range(100)
        for hours in range(0, 12, 2)
        for begin in [START + timedelta(days=day, hours=hours)]
        for area in areas
        for worker in range(4)
    )
    sent = []

    def note(execute, text, values, many, context):
        sent.append((text, values))
        return execute(text, values, many, context)

    with connection.cursor() as cursor, clock_stands_at():
        cursor.execute("ANALYZE")
        with connection.execute_wrapper(note):
            assert len(search({"Location": {"ServiceAreaID": "LEEDS"}}).json()["TimeConstraints"]) == 50
        ((text, values),) = sent
        numbered = text.replace("%s", "${}").format(*range(1, len(values) + 1))
        given = ", ".join(f"'{value}'" for value in values)
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE of_a_search AS {numbered}")
        try:
            return plans.rows_read(f"EXECUTE of_a_search ({given})")
        finally:
            cursor.execute("DEALLOCATE of_a_search")


@pytest.mark.skipif(not SERVER, reason="SQLite finds slots by the index of their area")
def test_a_search_reads_no_more_slots_than_it_offers():
    assert slots_read_by_a_search() < 4 * 50 + 30  # of four workers, and what else the statement reads


@pytest.mark.skipif(not SERVER, reason="SQLite finds slots by the index of their area")
def test_it_would_notice_a_search_that_reads_all_up_to_the_horizon(monkeypatch):
    monkeypatch.setattr(rulebook, "_begins_by", lambda moment, _: ("start <= %s", [moment]))
    assert slots_read_by_a_search() > 3 * 4 * 50
