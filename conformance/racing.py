"""The race for the last place, and what it leaves."""

from functools import partial

from conformance import client
from conformance.answers import (
    Failed,
    excerpt,
    must_be_same,
    order_num_in,
)
from conformance.client import Answer
from conformance.kit import Race, Run, Skipped, check

# Contract, section 2: busy is no refusal for good.
BUSY = {429, 503}


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
