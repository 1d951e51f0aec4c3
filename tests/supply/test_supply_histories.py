"""Every writer of slots beside bookings: what was acknowledged for a period stands in that period, whatever they do."""

import json
import os
import random
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from tests.support import histories, planners, warm
from tests.support.helpers import booking, path_of, request, tomorrow

# Ten thousand in `make torture`.
OPERATIONS = int(os.environ.get("TORTURE_OPERATIONS") or 300)
PHONES, PLANNERS = 6, 2
CODES = ["LEEDS", "LEEDS-WEST"]
# A slot that was offered can be gone, and the area may have another code for a moment.
EXPECTED = {"slot_not_found", "slot_unavailable", "already_booked", "conflicting_duplicate", "cancelled_meanwhile"}


class Acknowledged:
    """What phones were told."""

    def __init__(self, service):
        self.service = service
        self.bookings: list[tuple[str, datetime, datetime]] = []  # number, and the period that was asked for
        self.refusals: list[str] = []

    def ask(self, path, body) -> tuple[int, dict]:
        headers = {
            "x-access-token": self.service.token,
            "Content-Type": "application/json",
            "X-Request-ID": uuid.uuid4().hex,
        }
        answer = request(self.service.port, "POST", path, json.dumps(body), headers)
        return answer.status, answer.json()

    def phone(self, calls: int, seed: int) -> None:
        """Search, and book one of the offers, or one of an older search, for one of a few orders."""
        draw = random.Random(seed)
        offers: list[tuple[str, dict]] = []
        for _ in range(calls):
            if not offers or draw.random() < 0.4:
                code = draw.choice(CODES)
                status, found = self.ask("/api/v1/appointments/search", {"Location": {"ServiceAreaID": code}})
                assert status == 200, found
                offers = [(code, offer["Period"]) for offer in found["TimeConstraints"]] or offers
                continue
            code, period = draw.choice(offers)
            start, end = (datetime.fromisoformat(period[name]) for name in ("Start", "End"))
            body = booking(start, end, Location={"LocationNum": "L-1", "ServiceAreaID": code})
            self.book(f"WO-{seed}-{draw.randrange(30)}", body, start, end)

    def book(self, order, body, start, end) -> None:
        status, answer = self.ask(path_of(order), body)
        if status == 200:
            self.bookings.append((answer["OrderNum"], start, end))
        else:
            self.refusals.append(answer["detail"]["params"]["error"])


def planner(service, calls: int, seed: int) -> list[dict]:
    with warm.talk("tests.support.planners", service.database.url) as ask:
        return [ask({"seed": seed * 1_000_000 + number}) for number in range(calls)]


def dispatcher(service, calls: int, seed: int) -> None:
    """Cancels, and moves to any slot there is."""
    draw = random.Random(seed)
    with histories.desk(service.database.url) as ask:
        for _ in range(calls):
            order = {"order": f"WO-{draw.randrange(PHONES)}-{draw.randrange(30)}"}
            if draw.random() < 0.5:
                ask("cancel", uuid.uuid4().hex, order)
            else:
                slots = service.database.execute("SELECT id FROM bookings_appointmentslot ORDER BY id")
                ask("move", uuid.uuid4().hex, order | {"slot": draw.choice(slots)[0]})


def faults(service, told: Acknowledged) -> list[str]:
    """What was acknowledged and is not so: lost bookings, and bookings that stand in another period than was said."""
    execute = service.database.execute
    periods = {
        pk: (instant(start), instant(end))
        for pk, start, end in execute('SELECT id, start, "end" FROM bookings_appointmentslot')
    }
    said: dict[str, list[tuple]] = {}
    found = []
    for number, slot, details in execute(
        "SELECT w.order_num, w.slot_id, h.details FROM bookings_historyentry h"
        " JOIN bookings_workorder w ON w.id = h.work_order_id WHERE h.event IN ('booked', 'moved') ORDER BY h.id"
    ):
        after = (json.loads(details) if isinstance(details, str) else details)["after"]
        period = (instant(after["start"]), instant(after["end"]))
        if periods.get(after["slot"]) != period:
            found.append(f"{number} was put in {period}, but slot {after['slot']} is {periods.get(after['slot'])}")
        said.setdefault(number, []).append((slot, after["slot"], period))
    for number, start, end in told.bookings:
        if number not in said:
            found.append(f"{number} was acknowledged and is not there")
        elif (start, end) not in [period for _, _, period in said[number]]:
            found.append(f"{number} was acknowledged for {start} and never stood there: {said[number]}")
    for number, moves in said.items():
        if moves[-1][0] != moves[-1][1]:
            found.append(f"{number} stands in slot {moves[-1][0]}, but was last put in {moves[-1][1]}")
    return found


def instant(value) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=tomorrow().tzinfo)


@pytest.mark.parametrize("policy", ["single", "move", "multiple"])
def test_bookings_stand_where_they_were_acknowledged(start_service, policy, figures):
    service = start_service(BOOKJOB_FOLLOWUP_POLICY=policy, WEB_CONCURRENCY="3")
    service.make_slot(capacity=2, start=tomorrow() - timedelta(days=9))  # for `purge`
    plan = ["--area=LEEDS", "--hours=07:00-17:00", "--length=60", "--workers=anna,bob,carol"]
    seeded = service.manage("seed_slots", *plan, f"--from={planners.first_day()}", f"--days={planners.DAYS}")
    assert "120 slots created" in seeded.stdout
    told = Acknowledged(service)
    with ThreadPoolExecutor(PHONES + PLANNERS + 1) as pool:
        clients = [pool.submit(planner, service, max(12, OPERATIONS // 20), seed) for seed in range(PLANNERS)]
        phones = [pool.submit(told.phone, OPERATIONS // PHONES, seed) for seed in range(PHONES)]
        staff = pool.submit(dispatcher, service, OPERATIONS // 10, 99)
        for client in [*phones, staff]:
            client.result()
        done = [answer for client in clients for answer in client.result()]
    assert faults(service, told) == []
    verified = service.manage("verify_bookings")
    assert (verified.returncode, verified.stdout) == (0, "")
    assert set(told.refusals) <= EXPECTED
    assert len(told.bookings) > 20
    refused = Counter(answer["do"] for answer in done if "refused" in answer)
    assert refused["area"] == sum(answer["do"] == "area" for answer in done)  # its zone stays
    figures(
        f"supply history, {policy}: {len(told.bookings)} bookings acknowledged, {len(told.refusals)} refused,"
        f" {len(done)} changes of the supply; nothing lost or elsewhere"
    )


class TestASlotThatIsShiftedInPlace:
    """By a writer between the look and the taking of a booking."""

    @pytest.fixture
    def told(self, start_service):
        service = start_service("tests.support.apps.shifting", WEB_CONCURRENCY="1")
        return Acknowledged(service)

    def book_all(self, told):
        for hour in range(5):
            start = tomorrow(2 * hour)
            body = told.service.make_slot(capacity=1, start=start)
            period = body["TimeConstraints"][0]["Period"]
            told.book(f"WO-{hour}", body, *(datetime.fromisoformat(period[name]) for name in ("Start", "End")))
        assert len(told.bookings) == 5

    def test_stays_where_it_is(self, told):
        self.book_all(told)
        assert faults(told.service, told) == []
        assert told.service.manage("verify_bookings").stdout == ""

    def test_the_tests_above_would_notice_it(self, told):
        on = "" if told.service.database.url.startswith("sqlite") else " ON bookings_appointmentslot"
        told.service.database.execute(f"DROP TRIGGER slot_stays_in_place{on}")
        self.book_all(told)
        assert len([fault for fault in faults(told.service, told) if "was put in" in fault]) == 5
        assert told.service.manage("verify_bookings").returncode == 1
