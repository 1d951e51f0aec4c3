"""The work orders of the simulated ServiceMobility, and the devices that they are on (contract, section 6).

What is only inferred of ServiceMobility is marked so. Everything is kept in one SQLite file, or in memory, so that
`make run` shows the same devices when it is started again.
"""

import json
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]

MAX_ORDERS = 200_000
MAX_KEPT = 20_000  # calls and words to technicians that are remembered
# What Dispatch takes, all of it documented. It touches nothing else.
DISPATCH = {
    "DispatchStatus",
    "DispatchUTC",
    "PlannedDur",
    "PlannedStartDate",
    "PlannedEndDate",
    "PrimaryUserName",
    "UserName",
}
INSTANTS = ("PlannedStartDate", "PlannedEndDate", "DispatchUTC", "OrderDate")
CODES = ("OrderStatus", "DispatchStatus", "PlannedDur")
DISPATCHED = 3  # DispatchStatus
# OrderStatus: what technicians do on their devices.
STATUSES = {
    1: "new",
    6: "under way",
    7: "under way",
    8: "under way",
    9: "to be accepted",
    4096: "closed",
    4097: "closed",
    1001: "rejected",
}


class Refused(Exception):
    """ServiceMobility's own error: status, sentence and JSON Pointer."""

    def __init__(self, status: int, message: str, path: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.path = status, message, path


@dataclass
class Call:
    """One call that arrived. Status 0: no answer was given (yet), whatever was done."""

    at: datetime
    method: str
    what: str  # createjwt, WorkOrder or Dispatch
    order: str
    status: int = 0
    fault: str = ""
    document: Any = field(default=None, repr=False)


class Orders:
    """`required` are properties without which this tenant takes no work order; `unknown` the numbers of accounts and
    locations that it does not know."""

    def __init__(self, file: str = ":memory:", required: tuple[str, ...] = (), unknown: tuple[str, ...] = ()) -> None:
        self.required, self.unknown = required, unknown
        self.calls: deque[Call] = deque(maxlen=MAX_KEPT)
        self.told: deque[str] = deque(maxlen=MAX_KEPT)  # what technicians were told, newest last
        self.lock = threading.RLock()
        self.deleted: set[str] = set()
        self.database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.execute("CREATE TABLE IF NOT EXISTS orders (number TEXT PRIMARY KEY, document TEXT NOT NULL)")

    def close(self) -> None:
        with self.lock:
            self.database.close()

    # What is there.

    def all(self) -> dict[str, Document]:
        with self.lock:
            rows = self.database.execute("SELECT number, document FROM orders ORDER BY number").fetchall()
        return {number: json.loads(document) for number, document in rows}

    def find(self, number: str) -> Document | None:
        with self.lock:
            row = self.database.execute("SELECT document FROM orders WHERE number = ?", [number]).fetchone()
        return None if row is None else json.loads(row[0])

    def get(self, number: str) -> Document:
        document = self.find(number)
        if document is None:
            raise Refused(410 if number in self.deleted else 404, f"There is no work order {number}.")
        return document

    # What is done.

    def put(self, number: str, document: Document) -> Document:
        """Inserts or replaces. (Inferred: what a technician has written meanwhile is lost.)"""
        self._check(number, document)
        for name in self.required:
            if document.get(name) in (None, "", [], {}):
                raise Refused(400, f"{name} is required.", f"/{name}")
        return self._keep(number, {"OrderStatus": 1} | document | {"OrderNum": number})

    def patch(self, number: str, document: Document) -> Document:
        """Replaces the properties that are named, each as a whole."""
        self._check(number, document)
        return self._keep(number, self.get(number) | document)

    def dispatch(self, number: str, document: Document) -> Document:
        known = self.get(number)
        for name in sorted(document.keys() - DISPATCH):
            raise Refused(400, f"Dispatch does not take {name}.", f"/{name}")
        self._check(number, document)
        return self._keep(number, known | document)

    def delete(self, number: str) -> Document:
        with self._device_told(number):
            document = self.get(number)
            self.database.execute("DELETE FROM orders WHERE number = ?", [number])
            self.deleted.add(number)
        return document

    def act(self, number: str, status: int, note: str = "") -> Document:
        """What a technician does on the device: begins, finishes or rejects the work order, and writes a note."""
        document = self.get(number) | {"OrderStatus": status}
        if note:
            written = {"Author": device_of(document) or "technician", "Date": _now(), "Text": note}
            document["Notes"] = [*(document.get("Notes") or []), written]
        return self._keep(number, document)

    # How.

    def _keep(self, number: str, document: Document) -> Document:
        with self._device_told(number):
            if self.find(number) is None:
                (count,) = self.database.execute("SELECT count(*) FROM orders").fetchone()
                if count >= MAX_ORDERS:
                    raise Refused(500, f"The simulator keeps {MAX_ORDERS} work orders at most.")
            self.database.execute("REPLACE INTO orders VALUES (?, ?)", [number, json.dumps(document)])
            self.deleted.discard(number)
        return document

    @contextmanager
    def _device_told(self, number: str) -> Iterator[None]:
        """Technicians are told when a work order comes to their device, leaves it, or gets another time there."""
        with self.lock:
            before = self.find(number)
            yield
            after = self.find(number)
        old, new = device_of(before), device_of(after)
        if old and old != new:
            self.told.append(f"{number} left the device of {old}")
        if new and old != new:
            self.told.append(f"{number} came to the device of {new}")
        if old and old == new and before and after and _times(before) != _times(after):
            self.told.append(f"{number} has another time on the device of {new}")

    def _check(self, number: str, document: Any) -> None:
        if not isinstance(document, dict):
            raise Refused(400, "The body is no object.")
        if document.get("OrderNum", number) != number:
            raise Refused(400, "OrderNum is not the number in the address.", "/OrderNum")
        for name in INSTANTS:
            if document.get(name) and read_instant(document[name]) is None:
                raise Refused(400, f"{name} is no UTC date-time.", f"/{name}")
        for name in CODES:
            if name in document and type(document[name]) is not int:
                raise Refused(400, f"{name} is no whole number.", f"/{name}")
        for name, key in (("Account", "AccountNum"), ("Location", "LocationNum")):
            part = document.get(name) or {}
            if not isinstance(part, dict):
                raise Refused(400, f"{name} is no object.", f"/{name}")
            if part.get(key) in self.unknown:
                raise Refused(400, f"{name} {part[key]} is unknown.", f"/{name}/{key}")


def device_of(document: Document | None) -> str:
    """The worker on whose device a work order is. What dispatches it is said in two ways: `User` and a planned start;
    or an instant of dispatch, a planned start and `PrimaryUser`."""
    if not document or not document.get("PlannedStartDate"):
        return ""
    if document.get("DispatchStatus", DISPATCHED) != DISPATCHED:
        return ""
    user = document.get("UserName") or document.get("User")
    if not user and document.get("DispatchUTC"):
        user = document.get("PrimaryUserName") or document.get("PrimaryUser")
    return str(user or "")


def devices(orders: dict[str, Document]) -> dict[str, list[Document]]:
    """What each device shows now: open work orders by their start. Under "" stand those that are on none."""
    shown: dict[str, list[Document]] = {}
    for document in sorted(orders.values(), key=lambda each: (str(each.get("PlannedStartDate")), each["OrderNum"])):
        shown.setdefault(device_of(document), []).append(document)
    return dict(sorted(shown.items()))


def read_instant(text: Any) -> datetime | None:
    """Only what ServiceMobility documents: UTC, YYYY-MM-DDTHH:mm:ss.sssZ."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return None


def _times(document: Document) -> tuple[Any, Any]:
    return document.get("PlannedStartDate"), document.get("PlannedEndDate")


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
