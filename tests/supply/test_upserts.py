"""Many slots by their external ids, as the API sends them; files come the same way (test_import_slots.py)."""

from datetime import timedelta

import pytest

from bookings import services
from bookings.models import AppointmentSlot, HistoryEntry
from bookings.supply.from_systems import slot_rows, upserts, waiting_rows
from tests.supply.test_seed_slots import everything
from tests.support.helpers import START, clock_stands_at, make_area, make_booking, make_slot

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


def wanted(key="P-1", hour=0, **more):
    start = START + hour * HOUR
    return {
        "ExternalID": key,
        "ServiceAreaID": "LEEDS",
        "Start": start.isoformat(),
        "End": (start + HOUR).isoformat(),
        "Worker": "anna",
    } | more


def upsert(*objects, areas=None, **options):
    return upserts.upsert_slots(slot_rows.read_objects(objects, areas), by="planner", areas=areas, **options)


def counts(report) -> tuple[int, ...]:
    return report.created, report.changed, report.kept, report.withdrawn, report.refused_count


def shown() -> list[tuple[str, int]]:
    slots = AppointmentSlot.objects.filter(is_withdrawn=False).order_by("start", "worker")
    return [(slot.external_id, (slot.start - START) // HOUR) for slot in slots]


def scope(hours=24, area=None):
    return upserts.Scope(area or make_area(), START, START + hours * HOUR)


class TestObjects:
    def test_what_differs_is_written_and_nothing_else(self):
        make_area()
        assert counts(upsert(wanted(), wanted("P-2", 1))) == (2, 0, 0, 0, 0)
        before = {slot["id"]: slot for slot in AppointmentSlot.objects.values()}
        lines = HistoryEntry.objects.count()
        report = upsert(wanted(), wanted("P-2", 1, Capacity=3), wanted("P-3", 2))
        assert (counts(report), report.is_written) == ((1, 1, 1, 0, 0), True)
        changed = [slot["external_id"] for slot in AppointmentSlot.objects.values() if before.get(slot["id"]) != slot]
        assert changed == ["P-2", "P-3"]
        assert HistoryEntry.objects.count() == lines + 2

    def test_every_property_is_read(self):
        make_area().codes.create(code="WC 7")
        upsert(
            {
                "ExternalID": 1002.0,
                "ServiceAreaID": " wc 7",
                "Start": "2026-12-04T13:00:00.000",
                "End": "2026-12-04T16:00+01:00",
                "OrderType": 7,
                "Worker": " anna ",
                "Capacity": "4",
                "IsOpen": False,
                "Colour": "blue",
            }
        )
        names = (
            "external_id",
            "area__code",
            "start",
            "end",
            "order_type",
            "worker",
            "capacity",
            "is_withdrawn",
            "source",
        )
        assert AppointmentSlot.objects.values_list(*names).get() == (
            *("1002", "LEEDS", START, START + 2 * HOUR),
            *("7", "anna", 4, True, "import"),
        )
        assert HistoryEntry.objects.get().by == "planner"

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (7, "it is no object"),
            (wanted(None), "ExternalID is missing"),
            (wanted("x" * 201), "ExternalID is longer than 200 characters or holds one that cannot be printed"),
            (wanted("\ud800"), "ExternalID is longer than 200 characters or holds one that cannot be printed"),
            (wanted(["P-1"]), "ExternalID is neither a text nor a number"),
            (wanted(True), "ExternalID is neither a text nor a number"),
            (wanted(10**5000), "ExternalID is too long a number"),
            (wanted(ServiceAreaID="HULL"), "there is no area 'HULL'"),
            (wanted(Start="noon"), "'noon' is not a time such as 2026-12-04T13:00Z"),
            (wanted(End=START.isoformat()), "it does not end within a day after its start"),
            (wanted(Capacity=0), "Capacity 0 is not a whole number from 1 to 10000"),
            (wanted(Capacity=1.5), "Capacity 1.5 is not a whole number from 1 to 10000"),
            (wanted(IsOpen="no"), "IsOpen is neither true nor false"),
        ],
    )
    def test_what_cannot_be_read_is_refused_and_the_others_are_written(self, given, message):
        make_area()
        report = upsert(wanted("P-0", 5), given)
        assert counts(report) == (1, 0, 0, 0, 1)
        assert [(row.number, row.message) for row in report.refused] == [(2, message)]

    def test_rows_are_called_rows(self):
        make_area()
        report = upsert(wanted(), wanted(), wanted("P-2"), wanted("P-3", 0.5))
        assert [row.message for row in report.refused] == [
            "row 1 has the same external id",
            "row 1 is the same slot",
            "anna would be at two places: see row 1",
        ]
        assert [(row.number, row.external_id) for row in report.refused] == [(2, "P-1"), (3, "P-2"), (4, "P-3")]

    def test_the_first_refused_rows_are_named_and_all_are_counted(self):
        make_area()
        report = upsert(*(wanted(f"P-{n}", n, Capacity=0) for n in range(5)), named=2)
        assert (report.refused_count, [row.number for row in report.refused]) == (5, [1, 2])

    def test_strict_writes_all_or_nothing(self):
        make_area()
        before = everything()
        report = upsert(wanted(), wanted("P-2"), strict=True)
        assert (report.is_written, report.refused_count) == (False, 1)
        assert everything() == before
        report = upsert(wanted(), strict=True)
        assert (report.is_written, counts(report)) == (True, (1, 0, 0, 0, 0))

    def test_a_dry_run_says_the_same_and_changes_nothing(self):
        make_slot(worker="anna", start=START + 9 * HOUR, external_id="P-9", source="import")
        rows = [wanted(), wanted("P-2"), wanted("P-3", 3)]
        before = everything()
        told = upsert(*rows, dry_run=True, scope=scope())
        assert everything() == before
        report = upsert(*rows, scope=scope())
        assert (counts(told), told.refused) == (counts(report), report.refused)
        assert counts(report) == (2, 0, 0, 1, 1)
        assert (told.is_written, report.is_written) == (False, True)

    def test_a_fault_of_the_rows_leaves_everything(self):
        make_area()
        before = everything()

        def broken():
            yield from slot_rows.read_objects([wanted()])
            raise ValueError("The connection ended.")

        with pytest.raises(ValueError, match="The connection ended"):
            upserts.upsert_slots(broken(), by="planner")
        assert everything() == before


class TestScope:
    """What a call does not name there is withdrawn."""

    def test_what_is_not_named_is_withdrawn_and_what_lies_outside_stays(self):
        make_area(), make_area("YORK")
        upsert(*(wanted(f"P-{n}", n) for n in range(4)), wanted("Y-1", 8, ServiceAreaID="YORK"))
        make_slot(start=START + 2 * HOUR, worker="bob")  # staff's own
        assert counts(upsert(wanted("P-0"), scope=scope(hours=3))) == (0, 0, 1, 2, 0)
        assert shown() == [("P-0", 0), ("", 2), ("P-3", 3), ("Y-1", 8)]
        assert counts(upsert(wanted("P-0"), scope=scope(hours=3))) == (0, 0, 1, 0, 0)
        # And it comes back.
        assert counts(upsert(wanted("P-1", 1), scope=scope(hours=3))) == (0, 1, 0, 1, 0)
        assert shown() == [("P-1", 1), ("", 2), ("P-3", 3), ("Y-1", 8)]

    def test_another_id_takes_up_its_place_or_its_time(self):
        make_area()
        upsert(wanted("P-1"), wanted("P-2", 2))
        slot = AppointmentSlot.objects.get(external_id="P-1")
        assert counts(upsert(wanted("Q-1"), wanted("Q-2", 2.5), scope=scope())) == (1, 1, 0, 2, 0)
        slot.refresh_from_db()
        assert (slot.external_id, slot.is_withdrawn) == ("Q-1", False)
        assert shown() == [("Q-1", 0), ("Q-2", 2)]

    def test_one_with_a_booking_asks_for_review_and_keeps_its_worker_busy(self):
        make_area()
        upsert(wanted("P-1", End=(START + 2 * HOUR).isoformat()))
        work_order = make_booking()
        services.review(work_order=work_order, by="dispatcher")
        report = upsert(wanted("Q-1", 1), wanted("Q-2", 5), scope=scope())
        assert counts(report) == (1, 0, 0, 1, 1)
        assert report.refused[0].message.startswith("anna is busy Fri 4 Dec 2026, 13:00-15:00")
        work_order.refresh_from_db()
        assert (work_order.status, work_order.reviewed_at) == ("booked", None)
        assert list(work_order.slot.history.values_list("event", "reason")) == [
            ("added", ""),
            ("closed", "The plan has it no longer."),
        ]

    def test_a_row_that_is_refused_keeps_its_slot(self):
        make_area()
        upsert(wanted("P-1"), wanted("P-2", 2))
        assert counts(upsert(wanted("P-1", Capacity=0), scope=scope())) == (0, 0, 0, 1, 1)
        assert shown() == [("P-1", 0)]

    def test_nothing_is_withdrawn_where_it_is_not_known_what_a_row_names(self):
        make_area()
        upsert(wanted("P-1"), wanted("P-2", 2))
        report = upsert(wanted("P-1"), "}", scope=scope())
        assert counts(report) == (0, 0, 1, 0, 1)
        assert report.remark.endswith("What they name is not known, so nothing was withdrawn.")
        assert shown() == [("P-1", 0), ("P-2", 2)]

    def test_what_is_over_stays(self):
        make_area()
        upsert(wanted("P-1"), wanted("P-2", 2))
        with clock_stands_at(START + HOUR):
            assert counts(upsert(wanted("P-3", 3), scope=scope())) == (1, 0, 0, 1, 0)
        assert shown() == [("P-1", 0), ("P-3", 3)]


class TestAreasOfTheCaller:
    def test_an_area_that_is_not_the_callers_is_not_there(self):
        leeds = make_area()
        make_area("YORK")
        report = upsert(wanted(ServiceAreaID="YORK"), wanted("P-2", 1), areas={leeds.pk})
        assert [row.message for row in report.refused] == ["there is no area 'YORK'"]
        assert counts(report) == (1, 0, 0, 0, 1)

    def test_an_id_is_not_taken_away_from_another_area(self):
        leeds = make_area()
        slot = make_slot("YORK", worker="anna", external_id="P-1")
        report = upsert(wanted("P-1", 5), areas={leeds.pk})
        assert [row.message for row in report.refused] == [
            "its external id is in use for an area that you may not change"
        ]
        slot.refresh_from_db()
        assert (slot.external_id, slot.is_withdrawn) == ("P-1", False)

    def test_where_a_worker_is_busy_is_not_told(self):
        leeds = make_area()
        make_slot("YORK", worker="anna")
        report = upsert(wanted(), areas={leeds.pk})
        assert [row.message for row in report.refused] == ["anna is busy then in another area"]


def test_rows_in_several_bundles_reach_the_same_end(monkeypatch):
    """Workers change places across all of them, and the order of the rows does not matter."""
    make_area()
    workers = [f"w{number}" for number in range(6)]
    rows = [wanted(f"P-{worker}-{n}", n, Worker=worker) for n in range(4) for worker in workers]
    monkeypatch.setattr(waiting_rows, "AT_ONCE", 3)
    monkeypatch.setattr("bookings.supply.from_systems.slot_imports.READ_AT_ONCE", 5)
    assert counts(upsert(*rows)) == (24, 0, 0, 0, 0)
    turned = dict(zip(workers, [*workers[1:3], workers[0], *workers[4:], workers[3]], strict=True))
    later = [row | {"Worker": turned[row["Worker"]]} for row in reversed(rows)]
    assert counts(upsert(*later)) == (0, 24, 0, 0, 0)
    found = AppointmentSlot.objects.filter(is_withdrawn=False).values_list("external_id", "worker")
    assert dict(found) == {row["ExternalID"]: row["Worker"] for row in later}
    assert AppointmentSlot.objects.count() == 24
    assert counts(upsert(*later)) == (0, 0, 24, 0, 0)
