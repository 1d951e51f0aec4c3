"""The checks that look at all answers of a run."""

import re
from collections import Counter

from conformance import client
from conformance.answers import (
    Failed,
    error_fault,
    excerpt,
)
from conformance.kit import Run, check

# What an answer to a caller never holds.
INNER_DETAILS = re.compile(
    r"Traceback \(most recent|<html|<!doctype|\n[ \t]{1,40}at [\w.$]{1,200}\(|\bSELECT .{1,500} FROM\b", re.I
)


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
