"""Other systems write, read and lift blackouts of areas and absences of workers."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings.models import AppointmentSlot, Blackout, Worker
from bookings.supply.closing import blackouts
from tests.api.systems.test_slots import NOTHING, refusal
from tests.support.helpers import END, START, clock_stands_at, error, make_area, make_booking, make_slot
from tests.support.systems import call, make_key

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _area():
    make_area()
    with clock_stands_at():
        yield


@pytest.fixture
def key() -> str:
    return make_key("supply:write", "supply:read")


@pytest.fixture(params=["blackouts", "absences"])
def kind(request) -> str:
    return request.param


def address(kind, query="") -> str:
    return f"/api/v1/{kind}{query}"


def row(kind="blackouts", days=0, **more) -> dict:
    """Of Jo, on the day of the sample and as many days later."""
    day = START + timedelta(days=days)
    if kind == "absences":
        times = {"FirstDay": f"{day:%Y-%m-%d}", "LastDay": f"{day:%Y-%m-%d}"}
    else:
        times = {"ServiceAreaID": "leeds", "Start": day.isoformat(), "End": (day + HOUR).isoformat()}
    return {"ExternalID": "H-1", "Worker": "jo", "Reason": "Ill"} | times | more


def put(kind, *rows, key, query="", more=None, **headers):
    return call("PUT", address(kind, query), {kind.title(): rows} | (more or {}), key=key, **headers)


def get(kind, key, query=""):
    answer = call("GET", address(kind, query), key=key)
    assert answer.status_code == 200, answer.content
    return answer.json()


def lift(kind, key, query, **headers):
    return call("DELETE", address(kind, query), key=key, **headers)


def hidden() -> int:
    return AppointmentSlot.objects.exclude(blackout=None).count()


class TestBoth:
    def test_it_works(self, kind, key):
        make_slot(worker="jo", capacity=2)
        make_slot(start=START + 48 * HOUR, worker="jo")
        work_order = make_booking()
        answer = put(kind, row(kind), key=key, more={"By": "a.hill"})
        assert (answer.status_code, answer.json()) == (200, NOTHING | {"Created": 1})
        (told,) = get(kind, key)[kind.title()]
        expected = {"ExternalID": "H-1", "Worker": "jo", "Reason": "Ill", "By": "a.hill"}
        expected |= (
            {"FirstDay": "2026-12-04", "LastDay": "2026-12-04"}
            if kind == "absences"
            else {"ServiceAreaID": "LEEDS", "Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T14:00:00.000Z"}
        )
        assert told == expected | {"ID": told["ID"]}
        line = work_order.history.last()
        assert (line.event, line.by, line.via, line.details["key"]) == ("closed", "a.hill", "api", "erp")
        assert hidden() == 1
        assert lift(kind, key, "?external_id=H-1").json() == {"Opened": 1}
        assert (hidden(), get(kind, key)) == (0, {kind.title(): [], "Next": ""})
        call_command("verify_bookings")

    def test_again_changes_nothing(self, kind, key):
        make_slot(worker="jo")
        put(kind, row(kind), row(kind, 1, ExternalID=""), key=key)
        before = list(Blackout.objects.values())
        again = put(kind, row(kind), row(kind, 1, ExternalID=""), key=key)
        assert again.json() == NOTHING | {"Kept": 2}
        assert list(Blackout.objects.values()) == before

    def test_other_days_take_the_place_of_those_before(self, kind, key):
        slots = [make_slot(start=START + timedelta(days=days), worker="jo") for days in (0, 1)]
        put(kind, row(kind), key=key)
        assert put(kind, row(kind, 1), key=key).json() == NOTHING | {"Changed": 1}
        assert list(AppointmentSlot.objects.filter(blackout=None)) == slots[:1]
        assert put(kind, row(kind, 1, Reason="Leave"), key=key).json() == NOTHING | {"Changed": 1}
        (told,) = get(kind, key)[kind.title()]
        assert told["Reason"] == "Leave"
        assert put(kind, row(kind), key=key).json() == NOTHING | {"Changed": 1}
        assert list(AppointmentSlot.objects.filter(blackout=None)) == slots[1:]

    def test_what_was_interrupted_goes_on(self, kind, key, monkeypatch):
        make_slot(worker="jo")

        def killed(*arguments):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(blackouts, "_hide", killed)
            with pytest.raises(KeyboardInterrupt):
                put(kind, row(kind), key=key)
        assert (Blackout.objects.count(), hidden()) == (1, 0)
        assert put(kind, row(kind), key=key).json() == NOTHING | {"Kept": 1}
        assert (Blackout.objects.count(), hidden()) == (1, 1)

    def test_the_same_request_is_done_once(self, kind, key):
        make_slot(worker="jo")
        first = put(kind, row(kind), key=key, Idempotency_Key="a")
        again = put(kind, row(kind), key=key, Idempotency_Key="a")
        assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")
        assert refusal(put(kind, row(kind, 1), key=key, Idempotency_Key="a")) == (422, "idempotency_mismatch")
        answers = [lift(kind, key, "?external_id=H-1", Idempotency_Key="b").json() for _ in range(2)]
        assert answers == [{"Opened": 1}] * 2
        assert lift(kind, key, "?external_id=H-1").json() == {"Opened": 0}

    def test_dry_run_and_strict_write_nothing(self, kind, key):
        make_slot(worker="jo")
        twice = [row(kind), row(kind, 1)]
        assert put(kind, row(kind), key=key, query="?dry_run=1").json() == NOTHING | {"Created": 1}
        message = "row 1 has the same external id"
        faults = [{"dataPath": f"/{kind.title()}/1", "message": message}]
        assert put(kind, *twice, key=key, query="?strict=1").json() == error(
            422,
            "rows_refused",
            f"Nothing was written, for rows are refused (1). The first one: {message}.",
            f"/{kind.title()}/1",
            errors=faults,
            error_count=1,
        )
        assert not Blackout.objects.exists()
        refused = [{"Row": 2, "ExternalID": "H-1", "message": message}]
        written = put(kind, *twice, key=key).json()
        assert written == NOTHING | {"Created": 1, "RefusedCount": 1, "Refused": refused}

    def test_workers_without_slots_are_named(self, kind, key):
        remark = put(kind, row(kind), key=key).json()["Remark"]
        assert remark == "No slot names these workers yet: jo."
        assert Worker.objects.get().code == "jo"

    def test_pages(self, kind, key):
        put(kind, *(row(kind, days, ExternalID=f"H-{days}") for days in range(3)), key=key)
        first = get(kind, key, "?limit=2")
        last = get(kind, key, f"?limit=2&cursor={first['Next']}")
        assert [told["ExternalID"] for page in (first, last) for told in page[kind.title()]] == ["H-0", "H-1", "H-2"]
        assert last["Next"] == ""
        until = (START + timedelta(days=1, hours=-2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert len(get(kind, key, f"?until={until}&worker=jo")[kind.title()]) == (2 if kind == "absences" else 1)
        assert get(kind, key, "?worker=al")[kind.title()] == []

    def test_statements_do_not_grow_with_what_is_read(self, kind, key):
        numbers = []
        for count in (1, 9):
            put(kind, *(row(kind, days, ExternalID=f"H-{days}") for days in range(count)), key=key)
            with CaptureQueriesContext(connection) as statements:
                get(kind, key)
            numbers.append(len(statements))
        assert numbers[0] == numbers[1]

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"Reason": ""}, "Reason is missing."),
            ({"Reason": " "}, "Reason is empty."),
            ({"Reason": "x" * 2_001}, "Reason is longer than 2000 characters."),
            ({"Worker": "x" * 201}, "Worker is longer than 200 characters."),
            ({"Worker": ["jo"]}, "Worker must be a text."),
        ],
    )
    def test_wrong_rows(self, kind, key, wrong, message):
        answer = put(kind, row(kind, **wrong), key=key)
        assert refusal(answer) == (400, "invalid_request")
        assert answer.json()["detail"]["message"] == f"{kind.title()}[0].{message}"
        assert not Blackout.objects.exists()

    @pytest.mark.parametrize("absent", [None, "", {}, []])
    def test_rows_are_counted_with_those_that_are_absent(self, kind, key, absent):
        answer = put(kind, absent, row(kind), absent, row(kind, 1), key=key).json()
        assert answer["Created"] == 1
        assert [(refused["Row"], refused["message"]) for refused in answer["Refused"]] == [
            (1, "it is no object"),
            (3, "it is no object"),
            (4, "row 2 has the same external id"),
        ]
        strict = put(kind, row(kind), absent, row(kind, 1), key=key, query="?strict=1").json()
        assert [fault["dataPath"] for fault in strict["detail"]["params"]["errors"]] == [
            f"/{kind.title()}/1",
            f"/{kind.title()}/2",
        ]

    def test_no_rows_are_nothing_to_do(self, kind, key):
        assert put(kind, key=key).json() == NOTHING
        assert put(kind, key=key, query="?strict=1").json() == NOTHING

    @pytest.mark.parametrize("body", [{}, {"Blackouts": 1, "Absences": 1}, [], "no JSON", ""])
    def test_wrong_bodies(self, kind, key, body):
        assert refusal(call("PUT", address(kind), body, key=key)) == (400, "invalid_request")

    @pytest.mark.parametrize("query", ["", "?id=1&external_id=x", "?id=x", f"?id={2**63}", "?id=-1", "?external_id="])
    def test_wrong_names_to_lift(self, kind, key, query):
        assert refusal(lift(kind, key, query)) == (400, "invalid_request")

    def test_what_is_not_there_cannot_be_lifted(self, kind, key):
        other = "absences" if kind == "blackouts" else "blackouts"
        put(other, row(other), key=key)
        for query in ("?external_id=H-1", f"?id={Blackout.objects.get().pk}", "?id=0"):
            assert refusal(lift(kind, key, query)) == (404, "not_found")
        assert Blackout.objects.in_force().exists()

    @pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
    def test_scopes(self, kind, method):
        wrong = make_key("supply:read" if method != "GET" else "supply:write", "work_orders:write")
        assert refusal(call(method, address(kind, "?id=1"), {}, key=wrong)) == (403, "forbidden")


class TestBlackouts:
    def test_an_area_that_the_key_does_not_see(self, key):
        make_slot("YORK", worker="jo")
        put("blackouts", row(ServiceAreaID="YORK"), key=key)
        leeds = make_key("supply:write", "supply:read", name="leeds", areas=[make_area()])
        message = "there is no area 'YORK'"
        answer = put("blackouts", row(ServiceAreaID="YORK", ExternalID="H-2"), key=leeds).json()
        assert answer["Refused"] == [{"Row": 1, "ExternalID": "H-2", "message": message}]
        answer = put("blackouts", row(), key=leeds).json()
        message = "its external id is in use for an area that you may not change"
        assert answer["Refused"] == [{"Row": 1, "ExternalID": "H-1", "message": message}]
        assert get("blackouts", leeds)["Blackouts"] == []
        assert refusal(lift("blackouts", leeds, "?external_id=H-1")) == (404, "not_found")
        assert hidden() == 1

    @pytest.mark.parametrize("after", [1, 2])
    def test_an_external_id_that_another_area_takes_at_this_very_moment(self, monkeypatch, after):
        """After it was asked for the first time, and for the last time in the transaction that writes."""
        for code in ("LEEDS", "YORK"):
            make_slot(code, worker="jo")
        leeds, york = make_key("supply:write", name="leeds", areas=[make_area()]), make_area("YORK")
        ask, asked = blackouts.is_said_elsewhere, []

        def and_another_one_takes_it(blackout, areas):
            answer = ask(blackout, areas)
            asked.append(answer)
            if len(asked) == after:
                Blackout.objects.create(
                    area=york, worker="jo", start=START, end=END, reason="x", external_id="H-1", closed_at=START
                )
            return answer

        monkeypatch.setattr(blackouts, "is_said_elsewhere", and_another_one_takes_it)
        answer = put("blackouts", row(), key=leeds).json()
        refused = [{"Row": 1, "ExternalID": "H-1", "message": blackouts.SAID_ELSEWHERE}] if after == 1 else []
        assert answer["Refused"] == refused
        assert (answer["Created"], answer["RefusedCount"]) == ((0, 1) if after == 1 else (1, 0))
        in_force = set(Blackout.objects.in_force().values_list("area__code", flat=True))
        assert in_force == ({"YORK"} if after == 1 else {"YORK", "LEEDS"})

    def test_a_time_that_ends_before_it_begins(self, key):
        answer = put("blackouts", row(End=START.isoformat()), key=key)
        assert answer.json()["detail"]["message"] == "Blackouts[0] must end after it starts."

    def test_of_a_whole_area(self, key):
        make_slot()
        make_slot(start=START + timedelta(minutes=30), end=END, worker="jo")
        assert put("blackouts", row(Worker=""), key=key).json() == NOTHING | {"Created": 1}
        assert hidden() == 2


class TestAbsences:
    def test_keys_for_some_areas_read_them_and_write_none(self, key):
        make_slot(worker="jo")
        put("absences", row("absences"), row("absences", ExternalID="H-2", Worker="al"), key=key)
        leeds = make_key("supply:write", "supply:read", name="leeds", areas=[make_area()])
        assert [told["Worker"] for told in get("absences", leeds)["Absences"]] == ["jo"]
        assert refusal(put("absences", row("absences", 1), key=leeds)) == (403, "forbidden")
        assert refusal(lift("absences", leeds, "?external_id=H-1")) == (403, "forbidden")
        assert hidden() == 1

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"Worker": ""}, "[0].Worker is missing."),
            ({"FirstDay": "24 December"}, "[0].FirstDay must be a day such as 2026-12-24."),
            ({"LastDay": "0001-01-01"}, "[0].LastDay must be a day such as 2026-12-24."),
            ({"LastDay": 20261224}, "[0].LastDay must be a day such as 2026-12-24."),
            ({"LastDay": "2026-12-03"}, "[0] must not end before its first day."),
        ],
    )
    def test_wrong_rows(self, key, wrong, message):
        answer = put("absences", row("absences", **wrong), key=key)
        assert refusal(answer) == (400, "invalid_request")
        assert answer.json()["detail"]["message"] == f"Absences{message}"

    def test_no_area_is_asked_for(self, key):
        assert refusal(call("GET", address("absences", "?area=LEEDS"), key=key)) == (400, "invalid_request")
