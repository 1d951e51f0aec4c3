"""Many clients at once do random things, everything answered is written down, and then it is checked.

`run` lets technicians (over HTTP) and staff (processes of their own) loose on a service. `check` compares what they
were told with what the database holds: is there an order of all operations, each between its call and its answer,
that is legal for every work order and every slot, explains every answer and ends in the rows that are there?

The history in the database names the request id of each call, so it is known which calls had an effect: one whose
answer never came may or may not have had one, one that was refused must not.
"""

import contextlib
import http.client
import json
import math
import random
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from tests.support import warm
from tests.support.helpers import path_of, tomorrow

# Capacities of the slots; in the last one there is always a place, so that a search is never rightly empty.
CAPACITIES = [1, 1, 2, 2, 3, 5, 100_000]
ALWAYS_FREE = len(CAPACITIES) - 1
ORDERS = 24
VARIANTS = 5  # bodies for one order and place
ROUNDS = 20
# A caller without an answer does not know when it was done, if it was: at most so many seconds after it gave up. The
# database has ended by then what a process that died had asked it for.
SETTLED = 5


@dataclass(frozen=True)
class Call:
    """One call and its answer: {"ok": …}, {"error": word, …}, or {"unknown": …} where the outcome is unknown."""

    id: str
    do: str
    arguments: dict
    start: float
    end: float
    answer: dict


@dataclass
class History:
    service: object
    policy: str
    bodies: list[dict] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def figures(self) -> str:
        asked = Counter(call.do for call in self.calls)
        unknown = sum("unknown" in call.answer for call in self.calls)
        slowest = max(call.end - call.start for call in self.calls)
        what = ", ".join(f"{count} {do}" for do, count in sorted(asked.items()))
        return f"{len(self.calls)} operations ({what}), {unknown} without an answer, the slowest {slowest:.1f} s"


# --- Running -------------------------------------------------------------------------------------------------


def run(
    service,
    *,
    operations: int,
    policy: str = "single",
    technicians: int = 10,
    staff: int = 2,
    systems: int | None = None,
    disturb: Callable[[threading.Event], None] | None = None,
    until: Callable[[History], bool] = lambda history: True,
    rounds: int = ROUNDS,
    history: History | None = None,
) -> History:
    """Random operations from all clients: phones, staff, and systems with a key, of which there is one beside staff.

    `disturb` does its harm meanwhile, until its event is set.

    Chance may let a quick run end before any harm was done: the clients go on, `operations` at a time, `until` it was.
    `history`: where it is written down, for those that look at it meanwhile; one that has begun goes on.
    """
    history = history or History(service, policy)
    if not history.bodies:
        history.bodies += [service.make_slot(capacity, start=tomorrow(at)) for at, capacity in enumerate(CAPACITIES)]
    execute = service.database.execute
    history.slots = [pk for (pk,) in execute("SELECT id FROM bookings_appointmentslot ORDER BY start")]
    systems = min(staff, 1) if systems is None else systems
    key = make_key(service) if systems else ""
    over = threading.Event()
    with ThreadPoolExecutor(technicians + staff + systems + 1) as pool:
        harm = pool.submit(disturb, over) if disturb else None
        share = math.ceil(operations / (technicians + staff + systems))
        try:
            for again in range(rounds):
                clients = [pool.submit(technician, history, share, 100 * again + at) for at in range(technicians)]
                clients += [pool.submit(dispatcher, history, share, 10_000 + 100 * again + at) for at in range(staff)]
                clients += [
                    pool.submit(system, history, share, 20_000 + 100 * again + at, key) for at in range(systems)
                ]
                for client in clients:
                    client.result()
                if until(history):
                    break
            else:
                raise AssertionError(
                    f"In {rounds} times {operations} operations nothing was harmed: the test shows nothing."
                )
        finally:
            over.set()
        if harm:
            harm.result()
    repeat_what_is_unknown(history)
    return history


def technician(history: History, calls: int, seed: int) -> None:
    draw = random.Random(seed)
    said: list[dict] = []
    with contextlib.closing(Phone(history)) as phone:
        for _ in range(calls):
            lot = draw.random()
            if lot < 0.25:
                phone.search()
            elif lot < 0.45 and said:
                phone.book(**draw.choice(said[-3:]))
            else:
                order, place = f"WO-{draw.randrange(ORDERS)}", draw.randrange(len(CAPACITIES))
                said.append({"order": order, "place": place, "variant": draw.randrange(VARIANTS)})
                phone.book(**said[-1])


def make_key(service) -> str:
    made = service.manage("make_key", uuid.uuid4().hex, "--scope", "work_orders:write", "--scope", "supply:write")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def system(history: History, calls: int, seed: int, key: str) -> None:
    """Another system with a key: it cancels and moves what is booked, and writes slots by their external ids."""
    draw = random.Random(seed)
    with contextlib.closing(Phone(history, {"Authorization": f"Bearer {key}"})) as phone:
        for _ in range(calls):
            order, place = f"WO-{draw.randrange(ORDERS)}", draw.randrange(ALWAYS_FREE)
            lot = draw.random()
            if lot < 0.4:
                phone.upsert(place, draw.randrange(1, 5))
            elif booked := number_of(history, order):
                phone.cancel(order, booked) if lot < 0.8 else phone.move(order, booked, place)


def number_of(history: History, order: str) -> str:
    """Of its booking, as far as the database can be asked at the moment."""
    query = "SELECT order_num FROM bookings_workorder WHERE original_order = %s AND status = 'booked'"
    try:
        rows = history.service.database.execute(query, order)
    except Exception:  # away, or disturbed: whatever its driver says
        return ""
    return rows[0][0] if rows else ""


def repeat_what_is_unknown(history: History) -> None:
    """A caller that had no answer asks once more, when all is quiet: now there has to be one."""
    with contextlib.closing(Phone(history)) as phone:
        for call in [call for call in history.calls if call.do == "book" and "unknown" in call.answer]:
            phone.book(**call.arguments)
            while "throttled" in history.calls[-1].answer.get("unknown", ""):
                time.sleep(0.1)  # for the proxy so many at once are a flood
                phone.book(**call.arguments)
            assert "unknown" not in history.calls[-1].answer, history.calls[-1]


class Phone:
    """A technician's phone, or another system, with a connection that it keeps while it can."""

    def __init__(self, history: History, log_in: dict | None = None) -> None:
        self.history, self.service = history, history.service
        self.log_in = log_in or {"x-access-token": self.service.token}
        self.connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)

    def close(self) -> None:
        self.connection.close()

    def book(self, order: str, place: int, variant: int) -> None:
        body = self.history.bodies[place] | {"RequiredParts": [{"ProdNum": "PUMP", "Qty": variant + 1}]}

        def read(status: int, body: dict) -> dict:
            if status == 200:
                return {"ok": True, "number": body["OrderNum"], "parts": body["OrderedParts"]}
            params = body["detail"]["params"]
            return {"error": params["error"], "reason": params.get("reason"), "number": params.get("OrderNum")}

        arguments = {"order": order, "place": place, "variant": variant}
        self._call("book", path_of(order), body, arguments, read)

    def search(self) -> None:
        begins = {at["TimeConstraints"][0]["Period"]["Start"]: place for place, at in enumerate(self.history.bodies)}
        begins = {datetime.fromisoformat(text): place for text, place in begins.items()}

        def read(status: int, body: dict) -> dict:
            if status != 200:
                return {"error": body["detail"]["params"]["error"]}
            offered = [datetime.fromisoformat(offer["Period"]["Start"]) for offer in body["TimeConstraints"]]
            return {"ok": True, "places": [begins[start] for start in offered]}

        self._call("search", "/api/v1/appointments/search", {"Location": {"ServiceAreaID": "LEEDS"}}, {}, read)

    def cancel(self, order: str, number: str) -> None:
        path = f"/api/v1/workorders/{number}/cancel"
        self._call("cancel", path, {"Reason": "The customer rang."}, {"order": order}, _act_told)

    def move(self, order: str, number: str, place: int) -> None:
        period = self.history.bodies[place]["TimeConstraints"][0]["Period"]
        arguments = {"order": order, "slot": self.history.slots[place]}
        self._call("move", f"/api/v1/workorders/{number}/move", {"Period": period}, arguments, _act_told)

    def upsert(self, place: int, capacity: int) -> None:
        """The slot of a place by an external id of its own, with so many places."""
        period = self.history.bodies[place]["TimeConstraints"][0]["Period"]
        row = {"ExternalID": f"P-{place}", "ServiceAreaID": "LEEDS", "Capacity": capacity, **period}

        def read(status: int, body: dict) -> dict:
            if status != 200:
                return {"error": body["detail"]["params"]["error"]}
            if body["RefusedCount"]:
                message = body["Refused"][0]["message"]
                return {"error": "below_booked" if "bookings stand" in message else message}
            return {"ok": True} if body["Changed"] else {"kept": True}

        arguments = {"slot": self.history.slots[place], "capacity": capacity}
        self._call("upsert", "/api/v1/slots", {"Slots": [row]}, arguments, read, method="PUT")

    def _call(
        self,
        do: str,
        path: str,
        body: dict,
        arguments: dict,
        read: Callable[[int, dict], dict],
        method: str = "POST",
    ) -> None:
        call_id = uuid.uuid4().hex
        headers = self.log_in | {
            "Content-Type": "application/json",
            "X-Request-ID": call_id,
        }
        start = time.monotonic()
        try:
            self.connection.request(method, path, json.dumps(body).encode(), headers)
            response = self.connection.getresponse()
            status, retry_after, text = response.status, response.getheader("Retry-After"), response.read()
        except (OSError, http.client.HTTPException) as fault:
            self.connection.close()
            answer = {"unknown": repr(fault)}
        else:
            answer = read(status, json.loads(text))
            if retry_after and answer.get("error") in ("unavailable", "throttled"):
                answer = {"unknown": text.decode()}
        self.history.calls.append(Call(call_id, do, arguments, start, time.monotonic(), answer))


def _act_told(status: int, body: dict) -> dict:
    return {"ok": True} if status == 200 else {"error": body["detail"]["params"]["error"]}


def dispatcher(history: History, calls: int, seed: int) -> None:
    draw = random.Random(seed)
    with desk(history.service.database.url) as ask:
        for _ in range(calls):
            order = {"order": f"WO-{draw.randrange(ORDERS)}"}
            # The slot in which there is always a place is left alone.
            slot = {"slot": history.slots[draw.randrange(ALWAYS_FREE)]}
            do, arguments = draw.choice(
                [("cancel", order)] * 8
                + [("move", order | slot)] * 4
                + [("review", order)] * 2
                + [("close", slot)]
                + [("reopen", slot)] * 3
                + [("resize", slot | {"capacity": draw.randrange(5)})] * 3
            )
            call_id, start = uuid.uuid4().hex, time.monotonic()
            answer = ask(do, call_id, arguments)
            history.calls.append(Call(call_id, do, arguments, start, time.monotonic(), answer))


@contextlib.contextmanager
def desk(url: str):
    """Staff at work in a process of their own: a function that hands a command over and returns the answer."""
    with warm.talk("tests.support.staff", url) as ask:
        yield lambda do, request_id, arguments: ask({"do": do, "request_id": request_id, "arguments": arguments})


# --- Checking ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """What a call was to one work order or one slot: `what` is understood by `order_step` or `slot_step`."""

    start: float
    end: float
    what: tuple


def check(history: History, *, disturbed: bool = False, clock_jumps: bool = False) -> list[str]:
    """Everything that is wrong. `disturbed`: calls may have stayed without an answer. `clock_jumps`: the ten minutes in
    which a copy is late may be over at any moment."""
    faults: list[str] = []
    place_of = {slot: place for place, slot in enumerate(history.slots)}
    effects = read_effects(history.service.database)
    of_order: dict[str, list[Operation]] = defaultdict(list)
    of_slot: dict[int, list[Operation]] = defaultdict(list)
    answers: dict[tuple, list] = {}

    for call in history.calls:
        mine = effects.pop(call.id, [])
        answer, arguments = call.answer, call.arguments
        span = (call.start, call.end + SETTLED if "unknown" in answer else call.end)
        if "unknown" in answer and not disturbed:
            faults.append(f"No answer although nothing disturbs: {call}")
        if answer.get("error") in ("server_error", "invalid_request", "slot_not_found", "invalid_logon", "forbidden"):
            faults.append(f"An answer that is not expected: {call}")
        if len(mine) > 1:
            faults.append(f"One call, several effects: {call}: {mine}")
        if mine and "error" in answer:
            faults.append(f"Refused, but something was done: {call}: {mine}")
        effect = mine[0] if mine else None
        if "ok" in answer and not effect and call.do not in ("book", "search", "review"):
            faults.append(f"Acknowledged, but nothing was done: {call}")
        if effect:
            event, number, order, slot, details = effect
            if (order or slot) != arguments.get("order", arguments.get("slot")):
                faults.append(f"Done to something else: {call}: {effect}")
            if answer.get("number") not in (None, number):
                faults.append(f"Answered with another number than was written: {call}: {effect}")
            after = place_of.get(details.get("after", {}).get("slot")) if order else None
            before = place_of.get(details.get("before", {}).get("slot")) if order else None
            match event:
                case "booked" | "moved" if call.do == "book":
                    place, variant = arguments["place"], arguments["variant"]
                    if after != place:
                        faults.append(f"Booked in another slot than was asked for: {call}: {effect}")
                    what = "book" if event == "booked" else "rebook"
                    of_order[order].append(Operation(*span, (what, number, place, variant)))
                    of_slot[place].append(Operation(*span, ("take",)))
                    if before is not None:
                        of_slot[before].append(Operation(*span, ("give",)))
                case "moved":
                    of_order[order].append(Operation(*span, ("move", number, before, after)))
                    of_slot[before].append(Operation(*span, ("give",)))
                    of_slot[place_of[arguments["slot"]]].append(Operation(*span, ("take",)))
                case "cancelled":
                    # Where the answer is unknown, the row tells from where the booking was taken.
                    place = place_of[answer["slot"] if "slot" in answer else slot_of(history, number)]
                    of_order[order].append(Operation(*span, ("cancel", number, place)))
                    of_slot[place].append(Operation(*span, ("give",)))
                case "changed":
                    # The first one only takes the slot over.
                    if capacity := details["after"].get("capacity"):
                        of_slot[place_of[slot]].append(Operation(*span, ("resized", capacity)))
                case "closed" | "opened" | "resized":
                    of_slot[place_of[slot]].append(Operation(*span, (event, details.get("after", {}).get("capacity"))))
        elif call.do == "book":
            order, place, variant = arguments["order"], arguments["place"], arguments["variant"]
            match answer:
                case {"ok": True, "number": number}:
                    of_order[order].append(Operation(*span, ("found", number, place, variant)))
                case {"error": "already_booked", "number": number}:
                    of_order[order].append(Operation(*span, ("taken", number, place, variant)))
                case {"error": "cancelled_meanwhile", "number": number}:
                    of_order[order].append(Operation(*span, ("late", number, place, variant)))
                case {"error": "conflicting_duplicate", "number": number}:
                    of_order[order].append(Operation(*span, ("conflict", number, place, variant)))
                case {"error": "slot_unavailable", "reason": reason}:
                    of_order[order].append(Operation(*span, ("free for", place, variant)))
                    of_slot[place].append(Operation(*span, (reason,)))
        elif call.do == "search" and "ok" in answer:
            for place in range(len(CAPACITIES)):
                of_slot[place].append(Operation(*span, ("free" if place in answer["places"] else "not free",)))
        elif answer.get("error") == "none":
            of_order[arguments["order"]].append(Operation(*span, ("none",)))
        elif call.do == "move" and answer.get("error") == "slot_unavailable":
            of_slot[place_of[arguments["slot"]]].append(Operation(*span, ("not free",)))
        elif answer.get("error") == "below_booked":
            of_slot[place_of[arguments["slot"]]].append(Operation(*span, ("more than", arguments["capacity"])))
        if call.do == "book" and "ok" in answer:
            key = (answer["number"], arguments["place"], arguments["variant"])
            if answers.setdefault(key, answer["parts"]) != answer["parts"]:
                faults.append(f"The repeat was answered otherwise: {call}")

    faults += [f"No call asked for it: {entries}" for entries in effects.values()]
    step = order_step(history.policy, clock_jumps=clock_jumps)
    return faults + check_orders(history, of_order, place_of, step) + check_slots(history, of_slot)


def check_orders(
    history: History, operations: dict[str, list[Operation]], place_of: dict[int, int], step: Callable
) -> list[str]:
    faults = []
    rows: dict[str, set] = defaultdict(set)
    for order, number, slot in history.service.database.execute(
        "SELECT original_order, order_num, slot_id FROM bookings_workorder WHERE status = 'booked'"
    ):
        rows[order].add((number, place_of[slot]))
    for order in rows.keys() | operations.keys():
        ends, stuck = legal(operations[order], ((), frozenset()), step)
        if stuck:
            faults.append(f"No legal order of what was answered for {order}: stuck at {stuck}")
        elif rows[order] not in [{(number, place) for number, place, _ in active} for active, _ in ends]:
            faults.append(f"Answered for {order} was {ends}, but the rows say {rows[order]}")
    return faults


def check_slots(history: History, operations: dict[int, list[Operation]]) -> list[str]:
    faults = []
    rows = history.service.database.execute(
        "SELECT id, booked, capacity, is_open FROM bookings_appointmentslot ORDER BY start"
    )
    for place, (slot, booked, capacity, is_open) in enumerate(rows):
        ends, stuck = legal(operations[place], (0, CAPACITIES[place], True), slot_step)
        if stuck:
            faults.append(f"No legal order of what was answered for slot {slot}: stuck at {stuck}")
        elif (booked, capacity, bool(is_open)) not in ends:
            faults.append(f"Answered for slot {slot} was {ends}, but the row says {(booked, capacity, is_open)}")
    return faults


def legal(operations: list[Operation], first: Hashable, step: Callable) -> tuple[set, Operation | None]:
    """The states in which legal orders of the operations end, and the operation that none of them can explain.

    An operation happens at one moment between its call and its answer. So each time an answer comes, its operation
    must have been among those that were possible until then (Wing and Gong, with states that are met again merged).
    """
    moments = [(operation.start, 0, index) for index, operation in enumerate(operations)]
    moments += [(operation.end, 1, index) for index, operation in enumerate(operations)]
    pending: set[int] = set()
    possible = {(first, frozenset[int]())}
    for _, is_answer, index in sorted(moments):
        if not is_answer:
            pending.add(index)
            continue
        spread, todo = set(possible), list(possible)
        while todo:
            state, done = todo.pop()
            steps = [(other, step(state, operations[other].what)) for other in pending - done]
            # What only looked, and saw what is there, may well have looked now.
            looked = {other for other, after in steps if after == state}
            writes = [(after, done | looked | {other}) for other, after in steps if after not in (None, state)]
            for config in [*writes, (state, done | looked)] if looked else writes:
                if config not in spread:
                    spread.add(config)
                    todo.append(config)
        possible = {(state, done - {index}) for state, done in spread if index in done}
        pending.discard(index)
        if not possible:
            return set(), operations[index]
    return {state for state, _ in possible}, None


def order_step(policy: str, *, clock_jumps: bool = False) -> Callable:
    """What has become of one order after an operation, or None where it cannot be.

    That is its active bookings, (number, place, what was asked for), and whatever was ever asked for and granted: a
    history is over before such a body is a wish again, unless the clock jumps.
    """

    def step(state: tuple, what: tuple) -> tuple | None:
        active, granted = state
        numbers = {number: place for number, place, _ in active}
        match what:
            case ("none",):
                return state if not active else None
            case ("cancel", number, place):
                return (tuple(b for b in active if b[0] != number), granted) if numbers.get(number) == place else None
            case ("move", number, before, after):
                if numbers.get(number) != before or after in numbers.values():
                    return None
                return tuple((n, after if n == number else place, asked) for n, place, asked in active), granted
        asked = place, _ = what[-2:]
        found = [number for number, _, of_it in active if of_it == asked]
        is_late, there = asked in granted and not found, place in numbers.values()
        is_wish = not found and (clock_jumps or not is_late)
        fresh = is_wish and not there
        match what:
            case ("found", number, _, _):
                return state if number in found else None
            case ("late", number, _, _):
                return state if is_late and number not in numbers and (not active or policy == "multiple") else None
            case ("conflict", number, _, _):
                return state if is_wish and numbers.get(number) == place else None
            case ("taken", number, _, _):
                if number not in numbers or found:
                    return None
                return state if is_late or (policy != "multiple" and fresh) else None
            case ("free for", _, _):
                return state if fresh and (not active or policy != "single") else None
            case ("book", number, _, _):
                room = fresh and (not active or policy == "multiple") and number not in numbers
                return ((*active, (number, place, asked)), granted | {asked}) if room else None
            case ("rebook", number, _, _):
                alone = fresh and policy == "move" and list(numbers) == [number]
                return (((number, place, asked),), granted | {asked}) if alone else None
        raise ValueError(what)

    return step


def slot_step(state: tuple[int, int, bool], what: tuple) -> tuple[int, int, bool] | None:
    """What a slot, (booked, capacity, is open), is after an operation, or None where it cannot be."""
    booked, capacity, is_open = state
    free = is_open and booked < capacity
    match what:
        case ("take",):
            return (booked + 1, capacity, is_open) if free else None
        case ("give",):
            return (booked - 1, capacity, is_open) if booked else None
        case ("closed", _) | ("opened", _):
            return (booked, capacity, not is_open) if is_open == (what[0] == "closed") else None
        case ("resized", wanted):
            return (booked, wanted, is_open) if booked <= wanted != capacity else None
        case ("free",):
            return state if free else None
        case ("not free",):
            return None if free else state
        case ("full",):
            return state if is_open and booked >= capacity else None
        case ("closed",):
            return None if is_open else state
        case ("more than", wanted):
            return state if booked > wanted else None
    raise ValueError(what)


def read_effects(database) -> dict[str, list[tuple]]:
    """(event, number, order, slot, details) of all that was done, by the request id of the call that did it."""
    effects = defaultdict(list)
    for request_id, event, number, order, slot, details in database.execute(
        "SELECT h.request_id, h.event, w.order_num, w.original_order, h.slot_id, h.details FROM bookings_historyentry h"
        " LEFT JOIN bookings_workorder w ON w.id = h.work_order_id"
        # A closing stands in the history of the slot, and of each booking that it hit.
        " WHERE h.event IN ('booked', 'moved', 'cancelled') OR h.slot_id IS NOT NULL ORDER BY h.id"
    ):
        details = json.loads(details) if isinstance(details, str) else details
        effects[request_id].append((event, number, order, slot, details))
    return effects


def slot_of(history: History, number: str) -> int:
    return history.service.database.execute("SELECT slot_id FROM bookings_workorder WHERE order_num = %s", number)[0][0]
