"""docs/operations.md, "Keys": rotating BOOKJOB_JWT_KEYS machine by machine, while tokens of each go to all of them."""

import itertools

import pytest

from bookings.access import tokens
from bookjob_site.environment import jwt_keys
from tests.support.environment import KEY, OLD_KEY, ROOT

OLD, NEW = f"old:{OLD_KEY}", f"new:{KEY}"
# What machines may have at the same time, when each step is done on all of them before the next.
STEPS = {"before": OLD, "behind": f"{OLD} {NEW}", "in front": f"{NEW} {OLD}"}
TOGETHER = [("before", "behind"), ("behind", "in front")]


@pytest.fixture
def machines(start_service):
    return {step: start_service(BOOKJOB_JWT_KEYS=keys) for step, keys in STEPS.items()}


@pytest.fixture
def status(settings, machines):
    """A function: what a machine answers to a token that another one issued."""

    def status(issued_by: str, sent_to: str) -> int:
        settings.BOOKJOB_JWT_KEYS = jwt_keys(STEPS[issued_by])
        token = tokens.issue_token("tech.jones")
        return machines[sent_to].request("POST", "/api/v1/appointments/search", b"{}", x_access_token=token).status

    return status


def test_each_token_is_good_on_each_machine_during_the_steps_of_the_page(status):
    for pair in TOGETHER:
        for issued_by, sent_to in itertools.product(pair, pair):
            assert status(issued_by, sent_to) == 200, (issued_by, sent_to)
    page = (ROOT / "docs" / "operations.md").read_text()
    assert "the new one **behind** the old" in page
    assert page.index("**behind** the old") < page.index("the new one **in front**")
    # The control, and why the page says so: in front at once, the others refuse.
    assert status("in front", "before") == 401
