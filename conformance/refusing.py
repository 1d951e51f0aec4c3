"""The checks of bookings that must be refused."""

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from conformance.answers import (
    order_num_in,
    read_instant,
)
from conformance.kit import Run, add, check
from conformance.samples import (
    vendor_time,
)


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
