"""One run of the kit: its checks in their order, what came back so far, and what was booked.

A check is a function that sends something and raises Failed if the wrong thing comes back, or Skipped if it cannot
tell. Its name is stable.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from conformance.answers import (
    MAX_ERROR,
    Failed,
    Offer,
    excerpt,
    offers_in,
    order_num_in,
    period_text,
    summary,
)
from conformance.client import Answer, Implementation
from conformance.plan import Plan

PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"


class Skipped(Exception):
    """It cannot be told; the text says why, and what to do about it."""


@dataclass(frozen=True)
class Exchange:
    check: str
    answer: Answer


@dataclass(frozen=True)
class Race:
    """What many orders heard that ran for one period: the winners' bodies and both of their answers."""

    offer: Offer
    won: dict[str, tuple[dict[str, Any], list[Answer]]]
    is_full: bool


@dataclass(frozen=True)
class Result:
    name: str
    outcome: str
    sent: str
    came_back: str
    why: str

    def __str__(self) -> str:
        came_back = f" -> {self.came_back}" if self.came_back else ""
        return f"{self.outcome}  {self.name:<26} {self.sent}{came_back}" + (f": {self.why}" if self.why else "")


class Run:
    """One run of the kit: what came back so far, and what was booked."""

    def __init__(self, target: Implementation, plan: Plan) -> None:
        self.target, self.plan = target, plan
        self.exchanges: list[Exchange] = []
        self.results: list[Result] = []
        self.bookings: dict[tuple[str, str], str] = {}  # (OrderNum, original order) -> period
        self.check = ""
        self.began_at = datetime.now(UTC)
        self.mark = secrets.token_hex(4)
        self.afterwards = "a person must cancel them"
        self.numbers = count(1)
        self.kept: dict[str, tuple[str, Offer]] = {}
        self.first: tuple[str, dict[str, Any], Answer] | None = None
        self.race: Race | None = None
        # Cancels the booking of a number, where the back end has an address for that.
        self.cancel: Callable[[str], Answer] | None = None

    def checks(self) -> Iterator[Result]:
        """Run every check, one after the other, and yield what it found."""
        passed: set[str] = set()
        for check in CHECKS.values():
            self.check = check.name
            missing = [need for need in check.needs if need not in passed]
            try:
                if check.name in self.plan.skip:
                    raise Skipped("left out by --skip")
                if missing:
                    raise Skipped(f"needs {', '.join(missing)}")
                outcome, why = PASS, check.function(self) or ""
                passed.add(check.name)
            except Failed as fault:
                outcome, why = FAIL, str(fault)
            except Skipped as reason:
                outcome, why = SKIP, str(reason)
            came_back = summary([exchange.answer for exchange in self.exchanges if exchange.check == check.name])
            self.results.append(Result(check.name, outcome, check.sent, self.printable(came_back), self.printable(why)))
            yield self.results[-1]

    def closing_lines(self) -> list[str]:
        if not self.bookings:
            return []
        lines = [f"Bookings that this run made; {self.afterwards}:"]
        return lines + [f"  {number}  of order {order}, {period}" for (number, order), period in self.bookings.items()]

    def closing_object(self) -> dict[str, Any]:
        return {
            "bookings": [
                {"OrderNum": number, "OriginalOrderNum": order, "Period": period}
                for (number, order), period in self.bookings.items()
            ]
        }

    def heard(self, check: str, answer: Answer) -> Answer:
        """Keep what came back for a check, without the token: a part of it might be shown later."""
        answer = replace(answer, text=self.without_token(answer.text))
        # Of a long one the beginning: a run has hundreds.
        self.exchanges.append(Exchange(check, replace(answer, text=answer.text[: MAX_ERROR + 1])))
        return answer

    def without_token(self, text: str) -> str:
        for secret in filter(None, (self.target.token, self.plan.expired_token)):
            # Shorter pieces are no secret, and "1" would spoil every number.
            for part in [secret, *(part for part in secret.split(".") if len(part) > 8)]:
                text = text.replace(part, "<token>")
        return text

    def printable(self, text: str) -> str:
        """On one line, without the token, and without anything that a terminal would obey."""
        return "".join(letter if letter.isprintable() else " " for letter in self.without_token(text))

    # What is sent.

    def order(self) -> str:
        """The number of an order that is in no other use, nor in any other run."""
        return f"CHECK-{self.mark}-{next(self.numbers)}"

    def body(self, order: str, **properties: Any) -> dict[str, Any]:
        order_type = {"OrderType": self.plan.order_type} if self.plan.order_type else {}
        return {
            "Account": {"AccountNum": self.plan.account},
            "Location": self.plan.location,
            "OriginalOrderNum": order,
            **order_type,
            **properties,
        }

    def booking(self, order: str, offer: Offer, **properties: Any) -> dict[str, Any]:
        return self.body(order, **{"TimeConstraints": [offer.constraint], **properties})

    def search(self, body: Any = None, **how: Any) -> Answer:
        return self.heard(self.check, self.target.search(self.body(self.order()) if body is None else body, **how))

    def book(self, order: str, body: Any, **how: Any) -> Answer:
        answer = self.heard(self.check, self.target.book(order, body, **how))
        if not answer.status or 200 <= answer.status < 300:
            # A person has to cancel it, whatever the checks think of the answer.
            number = self.printable(booking_name(answer))
            self.bookings[number, order] = period_text(body)
        return answer

    # What has to come back.

    def offers(self, **properties: Any) -> list[Offer]:
        return offers_in(self.search(self.body(self.order(), **properties)))

    def open_periods(self) -> list[Offer]:
        """What is offered right now. The search for it is not what a check is about."""
        answer = self.target.search(self.body(self.order()))
        return some(offers_in(self.heard("the search for an open period", answer)))

    def offer(self) -> Offer:
        """An open period late in the horizon; the very last one is kept for the race."""
        return self.open_periods()[-2:][0]

    def set_aside(self, purpose: str) -> tuple[str, Offer]:
        """An order and a period for bookings that must be refused, the same ones for the same purpose."""
        if purpose not in self.kept:
            self.kept[purpose] = self.order(), self.offer()
        return self.kept[purpose]

    def still_open(self, offer: Offer) -> Offer:
        """The same period if it is still offered, else another one."""
        return offer if offer.period in [other.period for other in self.open_periods()] else self.offer()

    def first_booking(self) -> tuple[str, dict[str, Any], Answer]:
        """Order, body and answer of the check book_offer."""
        if self.first is None:
            raise Skipped("needs book_offer")
        return self.first

    def refused(self, answer: Answer, statuses: set[int]) -> None:
        expected = {500} if self.plan.documented_statuses_only else statuses
        if answer.status not in expected:
            wanted = " or ".join(str(status) for status in sorted(expected))
            raise Failed(f"{wanted} was expected; {excerpt(answer)}")


Function = Callable[[Run], str | None]


@dataclass(frozen=True)
class Check:
    name: str
    sent: str
    needs: tuple[str, ...]
    function: Function


CHECKS: dict[str, Check] = {}


def add(name: str, sent: str, needs: str, function: Function) -> None:
    CHECKS[name] = Check(name, sent, tuple(needs.split()), function)


def check(sent: str, *, needs: str = "") -> Callable[[Function], Function]:
    """Register a function as the check of its name, which runs if all of `needs` passed. It may return a remark."""

    def register(function: Function) -> Function:
        add(function.__name__, sent, needs, function)
        return function

    return register


def some(offers: list[Offer]) -> list[Offer]:
    """The offers, which are at least one. Raises Skipped if they are none."""
    if not offers:
        raise Skipped("nothing is offered any more; open more slots and run it again")
    return offers


def booking_name(answer: Answer) -> str:
    """What a booking's answer says, for the list of bookings, however broken it is."""
    try:
        return order_num_in(answer)
    except Failed:
        return f"({'unknown: ' if not answer.status else 'no number: '}{answer})"
