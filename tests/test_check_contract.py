"""check_contract: green against what is right, red against each fault, and nothing but that check is."""

import time

import jwt
import pytest

from bookings.conformance import kit
from bookings.conformance.client import Implementation
from bookings.conformance.plan import Plan
from tests import stand_in
from tests.stand_in import FAULTS, PLACES, StandIn

CALLERS = 8


def token(seconds=3600):
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + seconds}, stand_in.KEY, algorithm="HS256")


def run_against(implementation, **plan):
    plan = {"callers": CALLERS, "expired_token": token(-3600)} | plan
    run = kit.Run(Implementation(implementation.url, token()), Plan(**plan))
    for _ in run.checks():
        pass
    return run


def of(run, outcome):
    return {result.name for result in run.results if result.outcome == outcome}


def dependants(name):
    """The checks that cannot be judged where `name` fails."""
    found = {name}
    for check in kit.CHECKS.values():
        if found & set(check.needs):
            found.add(check.name)
    return found - {name}


class TestStandIns:
    def test_nothing_fails_against_the_right_one(self):
        with StandIn() as right:
            run = run_against(right)
        assert [str(result) for result in run.results if result.outcome != kit.PASS] == []

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_fault_turns_its_check_red_and_no_other(self, fault):
        with StandIn(fault) as wrong:
            run = run_against(wrong)
        assert of(run, kit.FAIL) == {FAULTS[fault]}, "\n".join(map(str, run.results))
        assert of(run, kit.SKIP) <= dependants(FAULTS[fault])

    def test_every_check_has_a_fault(self):
        assert set(kit.CHECKS) == set(FAULTS.values())

    def test_refusals_by_the_three_documented_statuses(self):
        with StandIn(documented_statuses_only=True) as right:
            assert of(run_against(right, documented_statuses_only=True), kit.PASS) == set(kit.CHECKS)
            assert "refuses_array" in of(run_against(right), kit.FAIL)

    @pytest.mark.parametrize(
        ("policy", "words"), [("single", "is refused"), ("move", "is moved"), ("multiple", "several follow-ups")]
    )
    def test_each_policy_is_allowed_and_named(self, policy, words):
        with StandIn(policy=policy) as right:
            run = run_against(right)
        assert of(run, kit.PASS) == set(kit.CHECKS)
        assert words in next(result.why for result in run.results if result.name == "other_period")

    def test_unsigned_trust(self):
        """Where ServiceMobility's word is taken for the signature, only the signature may be wrong."""
        with StandIn() as right:
            run = run_against(right, trust_upstream=True)
        assert of(run, kit.SKIP) == {"search_forged_token", "book_forged_token"}
        assert of(run, kit.FAIL) == set()

    def test_overbooking_shows_where_the_places_are_known(self):
        with StandIn() as right:
            assert "race" in of(run_against(right, places=PLACES), kit.PASS)
        with StandIn() as right:
            run = run_against(right, places=PLACES - 1)
        assert "3 orders got 2 places" in next(result.why for result in run.results if result.name == "race")

    def test_a_race_that_fills_nothing_proves_nothing(self):
        with StandIn(places=100) as right:
            run = run_against(right)
        assert of(run, kit.FAIL) == set()
        assert of(run, kit.SKIP) == {"full_period_not_offered", "repeat_when_full"}

    @pytest.mark.parametrize("answer", [b"", b"null", b"[[]]", b'{"TimeConstraints": [1]}', b"\xff<html>", b"[" * 9999])
    @pytest.mark.parametrize("status", [200, 302, 500])
    def test_whatever_comes_back_ends_in_a_report(self, answer, status):
        with StandIn() as wrong:
            wrong.always = status, answer
            run = run_against(wrong)
        assert "search_answers" in of(run, kit.FAIL) | of(run, kit.PASS)
        assert of(run, kit.FAIL)
