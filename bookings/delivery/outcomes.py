"""What is asked of a thread that calls out, and what becomes of it: of the order, or of the receiver (contract 6)."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn

from bookings.delivery.calls import Answer, NoAnswer
from bookings.models import Delivery, DeliveryEntry
from bookings.sentences import one_line

logger = logging.getLogger("bookings")

Event = DeliveryEntry.Event

# What may pass by itself of that which an order is refused for: the account is made there, the screen is closed.
MAY_PASS = {404, 409, 410}
LONGEST_TEXT = 300

REMEDIES = {
    401: "Give its user the right for this call in ServiceMobility.",
    403: "Give its user the right for this call.",
    405: "Is the address right?",
    404: "Is the address right? The answer is not the receiver's own.",
    410: "Is the address right? The answer is not the receiver's own.",
    429: "It asks for fewer calls: lower the rate.",
}


class ReceiverFault(Exception):
    """Nothing that depends on the order: all wait. The text says what is wrong and what a person can do."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class OrderFault(Exception):
    """This order was refused; the receiver is alive."""

    def __init__(self, text: str, *, may_pass: bool) -> None:
        super().__init__(text)
        self.may_pass = may_pass


class Lost(Exception):
    """The lease has not long enough to live for one more call: the next leader begins anew."""


@dataclass(frozen=True)
class Standing:
    """How far a receiver is with one work order: digests of what it took last (both empty: it is not there), whether a
    later call was, or may have been, made whose end is not known, and when."""

    plan: str = ""
    rest: str = ""
    is_uncertain: bool = False
    called_at: datetime | None = None

    @classmethod
    def of(cls, delivery: Delivery) -> "Standing":
        return cls(delivery.pushed_plan, delivery.pushed_rest, delivery.is_uncertain, delivery.called_at)

    def columns(self) -> dict[str, Any]:
        return {
            "pushed_plan": self.plan,
            "pushed_rest": self.rest,
            "is_uncertain": self.is_uncertain,
            "called_at": self.called_at,
        }


@dataclass(frozen=True)
class Job:
    """All that a thread needs to bring a receiver to the state of one work order; no row of the database."""

    delivery: int
    wanted: int
    order_num: str
    state: Any  # None: it must not be there
    there: Standing = Standing()
    message_id: str = ""


@dataclass(frozen=True)
class Result:
    """How far the receiver is after the attempt. `again_at`: it is looked at once more.

    Without a text nothing was called: it was accepted before, or waits as it did.
    """

    job: Job
    event: Event
    text: str
    there: Standing
    may_pass: bool = False
    retry_after: float | None = None
    again_at: datetime | None = None


@dataclass
class Attempt:
    """One job in the hands of a thread, and how far the receiver is by now."""

    job: Job
    before_call: Callable[[], None]  # waits for its turn; raises Lost
    now: Callable[[], datetime]
    there: Standing = field(init=False)

    def __post_init__(self) -> None:
        self.there = self.job.there

    def look(self, call: Callable[[], Answer]) -> Answer:
        self.before_call()
        return self._answer(call)

    def write(self, call: Callable[[], Answer]) -> Answer:
        """A call that changes something there. Where its end is not known, that is remembered."""
        self.before_call()
        before, self.there = self.there, replace(self.there, is_uncertain=True, called_at=self.now())
        answer = self._answer(call)
        if 400 <= answer.status < 500 and answer.status != 408:
            self.there = before
        return answer

    def _answer(self, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except NoAnswer as fault:
            raise ReceiverFault(f"It gives no answer: {fault}. Check its address, the network and its TLS.") from None

    def result(self, event: Event, text: str, **more: Any) -> Result:
        return Result(self.job, event, one_line(text, LONGEST_TEXT), self.there, **more)

    def accepted(self, text: str, plan: str = "", rest: str = "", *, late: timedelta = timedelta(0)) -> Result:
        """`plan` and `rest` are digests of what stands there now; without them nothing does.

        For so long, `late`, an earlier call whose end is not known may still be done there, after this one.
        """
        self.there, again_at = Standing(plan, rest), None
        if (called_at := self.job.there.called_at) and self.now() < called_at + late <= self.now() + late:
            self.there, again_at = Standing(plan, rest, is_uncertain=True, called_at=called_at), called_at + late
        return self.result(Event.ACCEPTED, text, again_at=again_at)


def run(bring: Callable[[Attempt], Result], attempt: Attempt) -> Result:
    """The attempt with its faults as results."""
    try:
        return bring(attempt)
    except OrderFault as fault:
        return attempt.result(Event.NEEDS_PERSON, str(fault), may_pass=fault.may_pass)
    except ReceiverFault as fault:
        return attempt.result(Event.UNREACHABLE, str(fault), retry_after=fault.retry_after)
    except Lost:
        return attempt.result(Event.WAITS, "")
    except Exception as fault:  # one odd order, or one odd answer, must not stop the others
        logger.exception("An attempt to deliver a work order failed by a fault in the code")
        text = f"A fault in the code: {type(fault).__name__}. Report what the log of `deliver` shows."
        return attempt.result(Event.NEEDS_PERSON, text, may_pass=True)


def refuse(answer: Answer, what: str, now: datetime, *, of_the_order: Collection[int]) -> NoReturn:
    """Raises the fault that an answer other than success is; `of_the_order` are statuses."""
    said = f"{answer.status} for {what}{message_of(answer)}"
    if answer.status in of_the_order:
        raise OrderFault(said, may_pass=answer.status in MAY_PASS)
    remedy = REMEDIES.get(answer.status, "Is the address right?" if answer.status < 400 else "")
    if answer.status >= 500:
        remedy = "It fails by itself: ask its operator if that lasts."
    raise ReceiverFault(f"{said}. {remedy}".strip(), answer.retry_after(now))


def message_of(answer: Answer) -> str:
    """What ServiceMobility's standard body says, on one line."""
    detail = (answer.document or {}).get("detail")
    message = detail.get("message") if isinstance(detail, dict) else None
    words = one_line(message, LONGEST_TEXT // 2) if isinstance(message, str) else ""
    return f": {words.rstrip('.')}" if words else ""
