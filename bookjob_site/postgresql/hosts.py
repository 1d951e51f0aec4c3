"""The hosts of a cluster, one by one. A silent host keeps no request, and what was connected to it is given up.

A host that is frozen takes connections and answers none; one without power lets each try wait. Both may stay so for
hours after another host took over, and each thread would find out by itself. So a process remembers which question was
not answered. Whatever was connected to that host before is not used again, unless it was answered later. A thread of
its own asks the host for a connection until it answers; meanwhile all others ask the other hosts alone.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import psycopg

from bookings import clock

Connect = Callable[[dict[str, Any]], psycopg.Connection[Any]]

# Seconds in which a host that lives takes or refuses a connection, on a busy day too.
SOON = 0.5
# When the last question was asked (clock.ticks) that a host left unanswered, by its place.
unanswered: dict[str, float] = {}
# The hosts that have not answered since.
silent: set[str] = set()
# The thread that asks such a host, and until when (clock.ticks) others wait for what it hears.
asking: dict[str, tuple[threading.Thread, float]] = {}
changing = threading.Lock()


def connections(connect: Connect, parameters: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """A connection to each host in turn that takes one. Raises what they said where none does."""
    faults: list[psycopg.OperationalError] = []
    alone = in_turn(parameters)
    for one in alone:
        if len(alone) > 1 and not answers(connect, one):
            faults.append(psycopg.OperationalError(f"{place(one)} is silent"))
            continue
        asked = clock.ticks()
        try:
            connection = connect(one)
        except psycopg.OperationalError as fault:
            faults.append(fault)
            if clock.ticks() - asked > SOON:
                remember(place(one), asked)
            continue
        unanswered.pop(place(one), None)
        connection.place, connection.answered = place(one), asked  # type: ignore[attr-defined]
        yield connection
    if len(faults) == len(alone):
        if len(faults) == 1:
            raise faults[0]
        raise psycopg.OperationalError("\n".join(str(fault).strip() for fault in faults)) from faults[-1]


def answers(connect: Connect, one: dict[str, Any]) -> bool:
    """Whether a host is not silent any more. Where it has only just been silent, its answer is waited for a moment."""
    where = place(one)
    with changing:
        if where not in silent:
            return True
        if where not in asking:
            thread = threading.Thread(target=_ask, args=(connect, one), name=f"asks {where}", daemon=True)
            thread.start()  # before it is noted: where no thread can be had, the next caller tries again
            asking[where] = thread, clock.ticks() + SOON
        thread, until = asking[where]
    thread.join(max(0, until - clock.ticks()))
    return where not in silent


def _ask(connect: Connect, one: dict[str, Any]) -> None:
    """Until the host takes a connection, or refuses one as soon as a host that lives."""
    try:
        took = inf
        while took > SOON:
            asked = clock.ticks()
            with contextlib.suppress(psycopg.OperationalError):
                connect(one).close()
                return
            took = clock.ticks() - asked
    finally:
        with changing:
            silent.discard(place(one))
            del asking[place(one)]


def in_turn(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a connection to each host alone; those that were silent come last."""
    several = {key: str(parameters.get(key) or "").split(",") for key in ("host", "hostaddr", "port")}
    count = max(map(len, several.values()))
    own = {key: parts for key, parts in several.items() if len(parts) == count > 1}
    alone = [parameters | {key: parts[number] for key, parts in own.items()} for number in range(count)]
    return sorted(alone, key=lambda one: unanswered.get(place(one), -inf))


def place(parameters: dict[str, Any]) -> str:
    return " ".join(str(parameters.get(key) or "") for key in ("host", "hostaddr", "port"))


def remember(place: str, asked: float) -> None:
    unanswered[place] = max(asked, unanswered.get(place, -inf))
    silent.add(place)


def is_silent(connection: psycopg.Connection[Any]) -> bool:
    """Whether its host left a question unanswered that is younger than all that this connection was answered."""
    if not unanswered or not hasattr(connection, "place"):
        return False
    answered: float = connection.answered  # type: ignore[attr-defined]
    return unanswered.get(connection.place, -inf) > answered
