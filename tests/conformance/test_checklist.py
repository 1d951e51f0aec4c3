"""The check list of docs/connect.md, as `check_contract` prints and ticks it.

That the page has the same list is compared in tests/operations/test_pages.py.
"""

import jwt
import pytest

from conformance import checklist, kit, push
from tests.conformance.test_check_contract import check_contract, token
from tests.support import stand_in
from tests.support.stand_in import StandIn

pytestmark = pytest.mark.once

ITEMS = [item for section in checklist.SECTIONS.values() for item in section]
KEYS, AREAS, RIGHTS, NO_FAIL = (
    next(item for item in ITEMS if name in item.proof) for name in ("search_shape", "search_offers", "log_in", "*")
)


def marks(*outcomes: tuple[str, str], is_push: bool = False) -> dict[str, str]:
    """The mark of each item that a run can prove."""
    results = [kit.Result(name, outcome, "", "", "") for name, outcome in outcomes]
    lines = list(checklist.lines(results, is_push=is_push))
    assert len(lines) == len(ITEMS)
    return {item.text: line[1] for item, line in zip(ITEMS, lines, strict=True) if item.proof or line[1] != " "}


def test_only_checks_that_exist_prove_something():
    beside = {checklist.ALL, checklist.FROM_SERVICEMOBILITY}
    assert {name for item in ITEMS for name in item.proof} <= {*kit.CHECKS, *push.NAMES, *beside}


def test_each_is_ticked_by_all_of_its_checks():
    passed = [(name, kit.PASS) for name in KEYS.proof if name in kit.CHECKS]
    assert marks(*passed) == {KEYS.text: "x", AREAS.text: " ", RIGHTS.text: " ", NO_FAIL.text: "x"}
    assert marks(*passed[1:])[KEYS.text] == " "
    assert marks(*passed[1:], (passed[0][0], kit.SKIP))[KEYS.text] == " "


def test_a_token_of_this_service_says_nothing_of_the_key_of_servicemobility():
    passed = [kit.Result(name, kit.PASS, "", "", "") for name in kit.CHECKS]
    of_theirs, of_ours, odd = (
        [line[1] for line in checklist.lines(passed, token=given) if "signs with" in line]
        for given in (token(), jwt.encode({"iss": "bookjob"}, stand_in.KEY, algorithm="HS256"), "a.b")
    )
    assert (of_theirs, of_ours, odd) == (["x"], [" "], ["x"])


def test_what_failed_is_named():
    failed = kit.Result("search_offers", kit.FAIL, "", "", "")
    assert marks(("search_offers", kit.FAIL)) == {KEYS.text: " ", AREAS.text: "!", RIGHTS.text: " ", NO_FAIL.text: "!"}
    (line,) = (line for line in checklist.lines([failed]) if "Service areas" in line)
    assert line.endswith("(search_offers failed)")


def test_a_run_at_a_tenant_proves_nothing_of_this_side():
    found = marks(*((name, kit.PASS) for name in push.NAMES), is_push=True)
    assert found == {KEYS.text: " ", AREAS.text: " ", RIGHTS.text: "x", NO_FAIL.text: " "}


def test_the_list_alone():
    said, status = check_contract("", "--check-list")
    assert (status, said.splitlines()) == (0, list(checklist.lines([])))
    assert "**" not in said
    assert "docs/delivery.md" in said


def test_a_run_ends_with_the_list():
    with StandIn() as right:
        said, status = check_contract(right.url, f"--token={token()}", "--callers=8", "--check-list")
    assert status == 0
    ticked = [line for line in said.splitlines()[-len(ITEMS) :] if line.startswith("[x]")]
    assert ticked == [f"[x] {checklist.plain(item.text)}" for item in (KEYS, AREAS, NO_FAIL)]
