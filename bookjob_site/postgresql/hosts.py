"""The hosts of a cluster, one by one: one that was silent is asked last, and what was connected to it is given up.

A host that is frozen takes connections and answers none; one without power lets each try wait. Both may stay so for
hours after another host took over, and each thread would find out by itself. So a process remembers which question was
not answered. Whatever was connected to that host before is not used again, unless it was answered later.
"""

from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import psycopg

from bookings import clock

# Seconds in which a host that lives refuses a connection, on a busy day too.
SOON = 0.5
# Seconds for which a silent host is left alone where there are others: each try takes `connect_timeout`, and `/readyz`
# sees the new primary only in the next one.
AGAIN = 3
# When the last question was asked (clock.ticks) that a host left unanswered, by its place.
unanswered: dict[str, float] = {}


def connections(
    connect: Callable[[dict[str, Any]], psycopg.Connection[Any]], parameters: dict[str, Any]
) -> Iterator[psycopg.Connection[Any]]:
    """A connection to each host in turn that takes one. Raises what they said where none does."""
    faults: list[psycopg.OperationalError] = []
    alone = in_turn(parameters)
    for one in alone:
        asked = clock.ticks()
        was_silent = unanswered.get(place(one))
        if was_silent is not None:
            remember(place(one), asked)  # no other thread waits for it as well
        try:
            connection = connect(one)
        except psycopg.OperationalError as fault:
            faults.append(fault)
            if clock.ticks() - asked > SOON:
                remember(place(one), asked)
            elif was_silent is not None:
                unanswered[place(one)] = was_silent  # it refuses soon, so each thread may ask it
            continue
        unanswered.pop(place(one), None)
        connection.place, connection.answered = place(one), asked  # type: ignore[attr-defined]
        yield connection
    if len(faults) == len(alone):
        if len(faults) == 1:
            raise faults[0]
        raise psycopg.OperationalError("\n".join(str(fault).strip() for fault in faults)) from faults[-1]


def in_turn(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a connection to each host alone: silent ones come last, and for a while not at all."""
    several = {key: str(parameters.get(key) or "").split(",") for key in ("host", "hostaddr", "port")}
    count = max(map(len, several.values()))
    own = {key: parts for key, parts in several.items() if len(parts) == count > 1}
    alone = [parameters | {key: parts[number] for key, parts in own.items()} for number in range(count)]
    now = clock.ticks()
    answering = [one for one in alone if now - unanswered.get(place(one), -inf) > AGAIN]
    return sorted(answering or alone, key=lambda one: unanswered.get(place(one), -inf))


def place(parameters: dict[str, Any]) -> str:
    return " ".join(str(parameters.get(key) or "") for key in ("host", "hostaddr", "port"))


def remember(place: str, asked: float) -> None:
    unanswered[place] = max(asked, unanswered.get(place, -inf))


def is_silent(connection: psycopg.Connection[Any]) -> bool:
    """Whether its host left a question unanswered that is younger than all that this connection was answered."""
    if not unanswered or not hasattr(connection, "place"):
        return False
    answered: float = connection.answered  # type: ignore[attr-defined]
    return unanswered.get(connection.place, -inf) > answered
