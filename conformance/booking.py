"""The checks of the Followup WorkOrder interface, and those that look at all answers of a run."""

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from conformance import client
from conformance.answers import (
    Failed,
    error_fault,
    excerpt,
    must_be_same,
    order_num_in,
    ordered_parts_in,
    params_of,
    read_instant,
)
from conformance.client import Answer
from conformance.kit import Race, Run, Skipped, add, check
from conformance.samples import (
    blanks,
    full,
    part,
    reversed_keys,
    vendor_time,
    with_address_lines,
    with_loc_number,
)
from conformance.searching import BAD_TOKENS

# Contract, section 2. What was asked for and cannot be is a 4xx; busy is no refusal for good.
REFUSED = {400, 404, 405, 409, 410, 413, 415}
BUSY = {429, 503}
# What an answer to a caller never holds.
INNER_DETAILS = re.compile(
    r"Traceback \(most recent|<html|<!doctype|\n[ \t]{1,40}at [\w.$]{1,200}\(|\bSELECT .{1,500} FROM\b", re.I
)


# --- The booking ---------------------------------------------------------------------------------------------


@check("a booking of an offer with its ID and three parts, one of them replaced", needs="search_offers")
def book_offer(run: Run) -> str:
    order, offer = run.order(), run.offer()
    plain, replaced, replacement = run.plan.parts
    body = run.booking(order, offer, RequiredParts=[part(plain), part(replaced, SupersededParts=[part(replacement)])])
    answer = run.book(order, body)
    number = order_num_in(answer)
    run.first = order, body, answer
    return number


@check("(the answer to that booking)", needs="book_offer")
def ordered_parts_shape(run: Run) -> None:
    ordered_parts_in(run.first_booking()[2])


@check("(the answer to that booking)", needs="ordered_parts_shape")
def ordered_parts_complete(run: Run) -> None:
    plain, replaced, replacement = run.plan.parts
    ordered = Counter(part for _, parts in ordered_parts_in(run.first_booking()[2]) for part in parts)
    if ordered[plain] != 1:
        raise Failed(f"the part {plain} stands in {ordered[plain]} Parts lists instead of one")
    if ordered[replaced] + ordered[replacement] != 1:
        raise Failed(f"of {replaced} and {replacement}, which replaces it, one must be ordered, once")
    if ordered.total() > 2:
        raise Failed("there are parts in it that were not asked for")


@check("a booking without parts", needs="ordered_parts_shape")
def no_parts(run: Run) -> None:
    order, offer = run.order(), run.offer()
    answer = run.book(order, run.booking(order, offer, RequiredParts=[]))
    order_num_in(answer)
    if ordered_parts_in(answer):
        raise Failed("OrderedParts is not []")


# Where signatures are not checked, a forged token books: its order is another one.
LOGONS = " ".join(f"book_{kind}_token" for kind in BAD_TOKENS if kind != "forged")


@check("the order of the bookings with bad tokens, with a good one and another body", needs=f"book_offer {LOGONS}")
def bad_tokens_book_nothing(run: Run) -> None:
    order, offer = run.set_aside("logons")
    order_num_in(run.book(order, run.booking(order, run.still_open(offer), FlexForms=["check"])))


def _books(run: Run, *, change: Callable[[Run, dict[str, Any]], dict[str, Any]]) -> None:
    order, offer = run.order(), run.offer()
    order_num_in(run.book(order, change(run, run.booking(order, offer))))


def _respelled(body: dict[str, Any], spell: Callable[[datetime], str]) -> dict[str, Any]:
    """The same instants in other words."""
    (constraint,) = body["TimeConstraints"]
    period = {key: spell(read_instant(text)) for key, text in constraint["Period"].items() if key in ("Start", "End")}
    return body | {"TimeConstraints": [constraint | {"Period": period}]}


def _in_india(instant: datetime) -> str:
    return instant.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()


def _without_id(run: Run, body: dict[str, Any]) -> dict[str, Any]:
    (constraint,) = body["TimeConstraints"]
    return body | {"TimeConstraints": [{key: value for key, value in constraint.items() if key != "ID"}]}


SPELLINGS: dict[str, tuple[str, Callable[[Run, dict[str, Any]], dict[str, Any]]]] = {
    "book_without_id": ("a Period without the ID of its offer", _without_id),
    "book_other_offset": (
        "the same instants with the offset +05:30",
        lambda run, body: _respelled(body, _in_india),
    ),
    "book_other_precision": (
        "the same instants with microseconds",
        lambda run, body: _respelled(body, lambda instant: f"{instant:%Y-%m-%dT%H:%M:%S.%f}Z"),
    ),
    "book_full_body": ("all properties filled", lambda run, body: full(run.plan, body)),
    "book_qty_colon": (
        'the quantity as "Qty:", as in the vendor\'s sample',
        lambda run, body: body | {"RequiredParts": [{"ProdNum": run.plan.parts[0], "Qty:": 2.0}]},
    ),
    "book_address_line": (
        "AddressLine1 instead of AddrLine1",
        lambda run, body: body | {"Location": with_address_lines(run.plan.location)},
    ),
    "book_loc_number": (
        "LocNumber instead of LocationNum",
        lambda run, body: body | {"Location": with_loc_number(run.plan.location)},
    ),
    "book_blanks": ('"" and null for optional properties', lambda run, body: body | blanks(run.plan)),
    "book_one_constraint": (
        "TimeConstraints as one object instead of a list",
        lambda run, body: body | {"TimeConstraints": body["TimeConstraints"][0]},
    ),
    "book_numeric_type": (
        "the Type of the period as a number",
        lambda run, body: body | {"TimeConstraints": [body["TimeConstraints"][0] | {"Type": 1001}]},
    ),
    "book_unknown_properties": (
        "properties that are not known",
        lambda run, body: body | {"CheckUnknown": {"kept": [1, 2.5, None, "ü"]}},
    ),
}


def _by_id_alone(run: Run, body: dict[str, Any]) -> dict[str, Any]:
    number = body["TimeConstraints"][0].get("ID")
    if not number:
        raise Skipped("the offers have no ID, which is allowed")
    return body | {"TimeConstraints": [{"ID": number}]}


def _with_numbers(run: Run, body: dict[str, Any]) -> dict[str, Any]:
    contact = {"LastName": "Check", "Phones": [{"PhoneNum": 441134960000, "PhoneType": 1001}]}
    return body | {"UserName": 10047, "Location": run.plan.location | {"Contacts": [contact]}}


def _with_wrong_types(run: Run, body: dict[str, Any]) -> dict[str, Any]:
    """Of what decides nothing."""
    loose = {"Contacts": "none", "Notes": 7, "SigReq": "yes"}
    return body | {"Assets": "none", "FlexAttrs": [1], "FlexForms": 7, "Location": run.plan.location | loose}


SPELLINGS |= {
    "book_id_alone": ("the ID of its offer and no Period", _by_id_alone),
    "book_numbers": ("numbers as identifiers", _with_numbers),
    "book_wrong_types": ("wrong types in what decides nothing", _with_wrong_types),
    "book_other_original_order": (
        "an OriginalOrderNum unlike the number in the address",
        lambda run, body: body | {"OriginalOrderNum": f"{body['OriginalOrderNum']}-root"},
    ),
}
for _name, (_words, _change) in SPELLINGS.items():
    add(_name, f"a booking with {_words}", "book_offer", partial(_books, change=_change))


@check("a booking for an order whose number holds space, slash, dots and ü, percent-encoded", needs="book_offer")
def book_odd_order_number(run: Run) -> None:
    order, offer = f"{run.order()} 1/../ü.é%2F", run.offer()
    order_num_in(run.book(order, run.booking(order, offer)))


# --- The same order again ------------------------------------------------------------------------------------


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
    if params_of(late).get("OrderNum") != number:
        raise Failed(f"the refusal does not name {number} in its params; {excerpt(late)}")
    must_be_same(run.book(order, new), second)
    return "the booking stays where the newer body moved it"


# --- Refusals ------------------------------------------------------------------------------------------------


def _no_such_period(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Seven minutes that begin eleven seconds after an offered period does."""
    start = read_instant(body["TimeConstraints"][0]["Period"]["Start"]) + timedelta(seconds=11)
    period = {"Start": vendor_time(start), "End": vendor_time(start + timedelta(minutes=7))}
    return [body | {"TimeConstraints": [{"Period": period}]}]


REFUSALS: dict[str, tuple[str, set[int], Callable[[dict[str, Any]], list[Any]]]] = {
    "refuses_unknown_period": ("a booking of a period that was never offered", {400, 404, 409, 410}, _no_such_period),
    "refuses_no_period": (
        "bookings with TimeConstraints empty, null and missing",
        {400},
        lambda body: [
            body | {"TimeConstraints": []},
            body | {"TimeConstraints": None},
            {key: value for key, value in body.items() if key != "TimeConstraints"},
        ],
    ),
    "refuses_wrong_types": (
        "bookings with a text as RequiredParts, a number as TimeConstraints, a day that is none",
        {400},
        lambda body: [
            body | {"RequiredParts": "PUMP"},
            body | {"TimeConstraints": 7},
            body | {"TimeConstraints": [{"Period": {"Start": "2026-02-31T25:00:00.000Z", "End": "tomorrow"}}]},
        ],
    ),
    "refuses_no_json": ("half a booking, and an empty body", {400}, lambda body: [json.dumps(body)[:-2], ""]),
    "refuses_array": ("a booking inside of a list", {400}, lambda body: [[body]]),
}


def _refuses(run: Run, *, statuses: set[int], spoil: Callable[[dict[str, Any]], list[Any]]) -> None:
    order, offer = run.set_aside("refusals")
    for body in spoil(run.booking(order, offer)):
        run.refused(run.book(order, body), statuses)


for _name, (_words, _statuses, _spoil) in REFUSALS.items():
    add(_name, _words, "book_offer", partial(_refuses, statuses=_statuses, spoil=_spoil))


@check("a booking as text/plain and as a form", needs="book_offer")
def refuses_content_type(run: Run) -> None:
    order, offer = run.set_aside("refusals")
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        headers = run.target.headers(run.target.token, content_type)
        run.refused(run.book(order, run.booking(order, offer), headers=headers), {400, 415})


@check("the order of those refused bookings, with a good body", needs=" ".join(["refuses_content_type", *REFUSALS]))
def refusals_book_nothing(run: Run) -> None:
    order, offer = run.set_aside("refusals")
    order_num_in(run.book(order, run.booking(order, run.still_open(offer), FlexForms=["check"])))


# --- The race for the last place -----------------------------------------------------------------------------


@check("many orders at the same instant for the last offered period, each of them twice", needs="book_offer")
def race(run: Run) -> str:
    offer = run.open_periods()[-1]
    bodies = {order: run.booking(order, offer) for order in (run.order() for _ in range(run.plan.callers))}
    calls = [*bodies.items()] * 2
    answers = client.at_once(partial(run.book, *call) for call in calls)
    heard: dict[str, list[Answer]] = {order: [] for order in bodies}
    for (order, _), answer in zip(calls, answers, strict=True):
        heard[order].append(answer)
    won = {order: pair for order, pair in heard.items() if any(answer.status == 200 for answer in pair)}
    lost = [answer for order, pair in heard.items() if order not in won for answer in pair]
    for answer in (answer for pair in won.values() for answer in pair if answer.status == 200):
        order_num_in(answer)
    for answer in lost:
        run.refused(answer, {404, 409, 410} | BUSY)
    places = run.plan.places
    if not won:
        raise Failed("the period was offered, and no order got it")
    if places is not None and len(won) > places:
        raise Failed(f"{len(won)} orders got {places} places")
    if not lost and places is None and offer.period not in [other.period for other in run.offers()]:
        raise Failed(
            f"all {len(won)} got a place, and then none was left. Unless the period had just so many,"
            " it is overbooked; tell its free places with --places, or run it with other --callers"
        )
    is_full = any(answer.status not in BUSY for answer in lost)
    run.race = Race(offer, {order: (bodies[order], pair) for order, pair in won.items()}, is_full)
    return f"{len(won)} orders got a place, {len(bodies) - len(won)} did not"


def _race(run: Run, *, full: bool) -> Race:
    if run.race is None or (full and not run.race.is_full):
        raise Skipped(f"the period has more than {run.plan.callers} places; raise --callers or open smaller slots")
    return run.race


@check("(the two copies of each winner of the race)", needs="race")
def race_copies(run: Run) -> None:
    for order, (_, pair) in _race(run, full=False).won.items():
        for answer in pair:
            if answer.status != 200:
                raise Failed(f"order {order} got a place, and one of its two copies heard: {excerpt(answer)}")
            must_be_same(answer, pair[0])


@check("a search after the race", needs="race")
def full_period_not_offered(run: Run) -> None:
    period = _race(run, full=True).offer.period
    if period in [offer.period for offer in run.offers()]:
        raise Failed("it offers the period for which bookings were refused")


@check("a winner of the race again, the same text", needs="race")
def repeat_when_full(run: Run) -> None:
    order, (body, pair) = next(iter(_race(run, full=True).won.items()))
    must_be_same(run.book(order, body), next(answer for answer in pair if answer.status == 200))


# --- All answers of the run ----------------------------------------------------------------------------------


@check("(all bookings of this run)", needs="book_offer")
def order_numbers_distinct(run: Run) -> None:
    orders = Counter(number for number, _ in run.bookings if not number.startswith("("))
    number, times = orders.most_common(1)[0]
    if times > 1:
        raise Failed(f"{times} orders were told the number {number}")


@check("(all answers of this run)", needs="search_answers")
def answers_are_json(run: Run) -> None:
    for exchange in run.exchanges:
        kind = exchange.answer.content_type.split(";")[0].strip().lower()
        if exchange.answer.status and kind != client.JSON:
            raise Failed(f"the Content-Type of an answer in {exchange.check} is {kind or 'missing'}")


@check("(all refusals of this run)", needs="search_answers")
def error_bodies(run: Run) -> None:
    for exchange in run.exchanges:
        if exchange.answer.status >= 400:
            fault = error_fault(exchange.answer, run.plan.documented_statuses_only)
            if fault:
                raise Failed(f"in {exchange.check}, {fault}; {excerpt(exchange.answer)}")


@check("(all answers of this run)", needs="search_answers")
def no_inner_details(run: Run) -> None:
    for exchange in run.exchanges:
        if INNER_DETAILS.search(exchange.answer.text):
            raise Failed(f"an answer in {exchange.check} holds HTML, SQL or a stack trace")
