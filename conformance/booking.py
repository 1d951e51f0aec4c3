"""The checks of the Followup WorkOrder interface: what is booked, however it is spelled."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from conformance.answers import (
    Failed,
    order_num_in,
    ordered_parts_in,
    read_instant,
)
from conformance.kit import Run, Skipped, add, check
from conformance.samples import (
    blanks,
    full,
    part,
    with_address_lines,
    with_loc_number,
)
from conformance.searching import BAD_TOKENS


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
