"""The checks of the same order again: copies, other bodies, other periods, late copies."""

import json
from functools import partial
from typing import Any

from conformance import client
from conformance.answers import (
    Failed,
    excerpt,
    must_be_same,
    order_num_in,
    params_of,
)
from conformance.client import Answer
from conformance.kit import Run, Skipped, check
from conformance.samples import (
    part,
    reversed_keys,
)

# Contract, section 2. What was asked for and cannot be is a 4xx.
REFUSED = {400, 404, 405, 409, 410, 413, 415}


@check("the first booking again, the same text", needs="book_offer")
def repeat_same_body(run: Run) -> None:
    order, body, answer = run.first_booking()
    must_be_same(run.book(order, body), answer)


@check("the first booking again, keys in another order, other white space", needs="book_offer")
def repeat_reordered(run: Run) -> None:
    order, body, answer = run.first_booking()
    must_be_same(run.book(order, json.dumps(reversed_keys(body), indent=3)), answer)


def normalised(body: dict[str, Any]) -> dict[str, Any]:
    """The same booking as a proxy writes it that names every property."""
    empty: dict[str, Any] = {"Assets": [], "FlexAttrs": {}, "FlexForms": [], "UserName": "", "Notes": None}
    return empty | body | {"Account": {"Website": "", "Contacts": []} | body["Account"]}


@check("the first booking again, with empty properties added", needs="book_offer")
def repeat_normalised(run: Run) -> None:
    order, body, answer = run.first_booking()
    must_be_same(run.book(order, normalised(body)), answer)


@check("copies of one booking at the same instant", needs="book_offer")
def repeat_at_once(run: Run) -> str:
    order, offer = run.order(), run.offer()
    body = run.booking(order, offer)
    answers = client.at_once([partial(run.book, order, body)] * min(10, run.plan.callers))
    for answer in answers:
        order_num_in(answer)
        must_be_same(answer, answers[0])
    return order_num_in(answers[0])


@check("a second booking of the same order and period with other parts", needs="book_offer")
def other_body(run: Run) -> None:
    order, offer = run.order(), run.offer()
    body = run.booking(order, offer)
    answer = run.book(order, body)
    order_num_in(answer)
    run.refused(run.book(order, body | {"RequiredParts": [part(run.plan.parts[0])]}), REFUSED)
    must_be_same(run.book(order, body), answer)


@check("a second booking of the same order in another period", needs="book_offer")
def other_period(run: Run) -> str:
    order, offer = run.order(), run.offer()
    others = [other for other in run.open_periods()[:-1] if other.period != offer.period]
    if not others:
        raise Skipped("it takes three offered periods; open more slots")
    body, second_body = run.booking(order, offer), run.booking(order, others[-1])
    answer = run.book(order, body)
    number = order_num_in(answer)
    second = run.book(order, second_body)
    if second.status != 200:
        run.refused(second, REFUSED)
        must_be_same(run.book(order, body), answer)
        return "policy: one follow-up an order, the second one is refused"
    second_number = order_num_in(second)
    must_be_same(run.book(order, second_body), second)
    if second_number == number:
        return "policy: the follow-up is moved"
    must_be_same(run.book(order, body), answer)
    return "policy: several follow-ups an order"


def must_name(number: str, refusal: Answer) -> None:
    """Raises Failed where params say something else. What has no params is for the check of all bodies."""
    params = params_of(refusal)
    if params and params.get("OrderNum") != number:
        raise Failed(f"the refusal does not name {number} in its params; {excerpt(refusal)}")


@check("a late copy of a booking, after a newer body of its order in another period", needs="other_period")
def late_copy(run: Run) -> str:
    """Contract, section 5: within ten minutes it must not undo what the newer body did."""
    order, offer = run.order(), run.offer()
    others = [other for other in run.open_periods()[:-1] if other.period != offer.period]
    if not others:
        raise Skipped("it takes three offered periods; open more slots")
    old, new = run.booking(order, offer), run.booking(order, others[-1])
    first, second = run.book(order, old), run.book(order, new)
    number = order_num_in(first)
    if second.status != 200 or order_num_in(second) != number:
        must_be_same(run.book(order, old), first)
        return "nothing is moved here, so the copy hears its own number"
    late = run.book(order, old)
    run.refused(late, {409})
    must_name(number, late)
    must_be_same(run.book(order, new), second)
    return "the booking stays where the newer body moved it"


@check("a copy of a booking, after it was cancelled", needs="book_offer")
def late_copy_cancelled(run: Run) -> None:
    """Contract, section 5: within ten minutes it must not book what was cancelled."""
    if run.cancel is None:
        raise Skipped("this needs --clean: no call of ServiceMobility cancels a booking")
    order = run.order()
    body = run.booking(order, run.offer())
    number = order_num_in(run.book(order, body))
    answer = run.cancel(number)
    if not 200 <= answer.status < 300:
        raise Skipped(f"its booking was not cancelled ({answer.status}); is --clean-key right?")
    del run.bookings[number, order]
    late = run.book(order, body)
    run.refused(late, {409})
    must_name(number, late)
