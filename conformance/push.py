"""check_contract --push: an order of its own at a test tenant of ServiceMobility, and what the tenant demands.

Which properties a work order must have is documented nowhere and differs by customer. So a full one is put, then the
same one again and again with one property left out. It is deleted at the end, whatever happened.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

from conformance import client
from conformance.answers import Failed, excerpt, object_in
from conformance.client import JSON, Answer
from conformance.kit import FAIL, PASS, SKIP, Result, Skipped
from conformance.plan import Plan
from conformance.samples import vendor_time

PAUSE = 0.2  # seconds before each call: no rate limit is documented, so this side limits itself
GONE = (404, 410)
# Our own, and without them there is nothing to try.
NEVER_LEFT_OUT = {"OrderNum"}


@dataclass(frozen=True)
class Tenant:
    """ServiceMobility's own API at `url`, the base of createjwt and seiapi."""

    url: str
    username: str
    password: str
    timeout: float = 30
    pause: float = PAUSE

    def connect(self) -> HTTPConnection:
        return client.connect(self.url, time.monotonic() + self.timeout)

    def call(self, method: str, path: str, body: Any, token: str) -> Answer:
        time.sleep(self.pause)
        headers = {"Content-Type": JSON} | ({"x-access-token": token} if token else {})
        return client.send(self.url, method, path, "" if body is None else body, headers, self.timeout)


class Run:
    """One run: what was tried, what came back, and what was learnt of the tenant."""

    def __init__(self, target: Tenant, plan: Plan, worker: str = "", template: dict[str, Any] | None = None) -> None:
        self.target, self.plan, self.worker, self.template = target, plan, worker, template or {}
        self.results: list[Result] = []
        self.learnt: list[str] = []
        self.began_at = datetime.now(UTC)
        self.number = f"CHECK-{secrets.token_hex(4)}"
        self.start = (self.began_at + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
        self.token = ""
        self.came_back: list[Answer] = []
        self.may_be_there = False

    def checks(self) -> Iterator[Result]:
        """Try each step in its order, and yield what it found. A step that failed ends those that need it."""
        passed: set[str] = set()
        try:
            for name, sent, needs, step in STEPS:
                self.came_back = []
                try:
                    if name in self.plan.skip:
                        raise Skipped("left out by --skip")
                    if needs and needs not in passed:
                        raise Skipped(f"needs {needs}")
                    outcome, why = PASS, step(self) or ""
                    passed.add(name)
                except Failed as fault:
                    outcome, why = FAIL, str(fault)
                except Skipped as reason:
                    outcome, why = SKIP, str(reason)
                came_back = ", ".join(str(answer.status or "no answer") for answer in self.came_back)
                self.results.append(Result(name, outcome, sent, came_back, self.printable(why)))
                yield self.results[-1]
        finally:
            if self.may_be_there:
                self.call("DELETE")

    def closing_lines(self) -> list[str]:
        lines = ["What this tenant demands and does:", *(f"  {text}" for text in self.learnt)] if self.learnt else []
        if self.may_be_there:
            lines.append(f"The work order {self.number} may still be there; a person must delete it.")
        return lines

    def closing_object(self) -> dict[str, Any]:
        return {"learnt": self.learnt, "left_behind": [self.number] if self.may_be_there else []}

    def printable(self, text: str) -> str:
        for secret in filter(None, (self.target.password, self.token)):
            text = text.replace(secret, "<secret>")
        return "".join(letter if letter.isprintable() else " " for letter in text)

    def learn(self, text: str) -> None:
        self.learnt.append(self.printable(text))

    # What is sent.

    def call(self, method: str, body: Any = None, more: str = "") -> Answer:
        path = f"seiapi/v3/trans/WorkOrder/{quote(self.number, safe='')}{more}"
        if method in ("PUT", "PATCH"):
            self.may_be_there = True
        return self.heard(self.target.call(method, path, body, self.token), method)

    def heard(self, answer: Answer, method: str = "") -> Answer:
        if method == "DELETE" and answer.status in (200, *GONE):
            self.may_be_there = False
        answer = replace(answer, text=self.printable(answer.text))
        self.came_back.append(answer)
        return answer

    def order(self, **properties: Any) -> dict[str, Any]:
        """Every property that a work order is known to hold and that can be made up (contract, section 6)."""
        return {
            **self.template,
            "OrderNum": self.number,
            **({"OrderType": self.plan.order_type} if self.plan.order_type else {}),
            "OrderDate": vendor_time(self.began_at),
            "OrderStatus": 1,
            "Description": "Conformance check. It is deleted at once.",
            **self.planned(self.start),
            "Account": {"AccountNum": self.plan.account},
            "Location": self.plan.location,
            **({"UserName": self.worker, "DispatchStatus": 3} if self.worker else {}),
            **properties,
        }

    def planned(self, start: datetime) -> dict[str, Any]:
        end = start + timedelta(hours=2)
        return {"PlannedStartDate": vendor_time(start), "PlannedEndDate": vendor_time(end)}

    # What has to come back.

    def must_be_taken(self, answer: Answer) -> None:
        if answer.status != 200:
            raise Failed(f"200 was expected; {said(answer)}")

    def read(self) -> dict[str, Any]:
        return object_in(self.call("GET"))


def said(answer: Answer) -> str:
    """The sentence and the place of ServiceMobility's own error body, or the beginning of whatever came."""
    try:
        detail = answer.document["detail"]
        place = f" ({detail['dataPath']})" if detail.get("dataPath") else ""
        return f"{answer.status} came back: {detail['message']}{place}"
    except (ValueError, LookupError, TypeError, AttributeError):
        return excerpt(answer)


def log_in(run: Run) -> None:
    given = {"username": run.target.username, "password": run.target.password}
    token = object_in(run.heard(run.target.call("POST", "createjwt", given, ""))).get("token")
    if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
        raise Failed("there is no token in the answer")
    run.token = token


def unknown_order(run: Run) -> None:
    answer = run.call("GET")
    if answer.status not in GONE:
        raise Failed(f"404 was expected; {said(answer)}")


def put(run: Run) -> None:
    run.must_be_taken(run.call("PUT", run.order()))


def put_again(run: Run) -> None:
    run.must_be_taken(run.call("PUT", run.order()))


def read_back(run: Run) -> str:
    there, lost = run.read(), []
    for name, value in run.order().items():
        if name in ("PlannedStartDate", "PlannedEndDate", "OrderNum", "UserName") and there.get(name) != value:
            raise Failed(f"{name} is {there.get(name)!r} there, and {value!r} was sent")
        if name not in there:
            lost.append(name)
    if lost:
        run.learn(f"does not give back: {', '.join(lost)}")
    return ""


def demanded(run: Run) -> str:
    """Leave out each property, and each one within account and location."""
    found = []
    for name, body in _with_one_left_out(run.order()):
        answer = run.call("PUT", body)
        if answer.status != 200:
            found.append(name)
            run.learn(f"demands {name}: {said(answer)}")
    if not found:
        run.learn("demands no property of those that were sent")
    return f"demanded: {', '.join(found) or 'none'}"


def _with_one_left_out(order: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in [name for name in order if name not in NEVER_LEFT_OUT]:
        yield name, {key: value for key, value in order.items() if key != name}
    for name in ("Account", "Location"):
        for inner in order[name] if len(order[name]) > 1 else ():
            yield f"{name}.{inner}", order | {name: {key: value for key, value in order[name].items() if key != inner}}


def put_replaces(run: Run) -> str:
    run.must_be_taken(run.call("PUT", run.order()))
    left_out = run.order()
    del left_out["Description"]
    if run.call("PUT", left_out).status != 200:
        raise Skipped("Description is demanded, so it cannot be left out")
    kept = bool(run.read().get("Description"))
    run.learn("a PUT keeps what it leaves out" if kept else "a PUT replaces the whole work order")
    return ""


def dispatch(run: Run) -> str:
    run.must_be_taken(run.call("PUT", run.order()))
    planned = run.planned(run.start + timedelta(hours=3))
    worker = {"UserName": run.worker, "DispatchStatus": 3, "DispatchUTC": vendor_time(run.began_at)}
    answer = run.call("PUT", planned | {"PlannedDur": 120} | (worker if run.worker else {}), "/Dispatch")
    run.must_be_taken(answer)
    there = run.read()
    for name, value in planned.items():
        if there.get(name) != value:
            raise Failed(f"{name} is {there.get(name)!r} afterwards, and {value!r} was sent")
    return "" if run.worker else "without a worker; name one with --worker to see it on a device"


def patch(run: Run) -> str:
    answer = run.call("PATCH", {"Description": "Conformance check, patched."})
    taken = answer.status == 200 and run.read().get("Description") == "Conformance check, patched."
    run.learn(f"PATCH {'works: connect_servicemobility --move patch may be used' if taken else 'does not work'}")
    return "" if taken else f"it need not: {said(answer)}"


def delete(run: Run) -> None:
    run.must_be_taken(run.call("DELETE"))


def gone(run: Run) -> None:
    answers = run.call("GET"), run.call("DELETE")
    for answer in answers:
        if answer.status not in GONE:
            raise Failed(f"404 or 410 was expected; {said(answer)}")


# (name, what is sent, the step that must have passed, the step)
STEPS: list[tuple[str, str, str, Callable[[Run], str | None]]] = [
    ("log_in", "the log-in", "", log_in),
    ("unknown_order", "GET of an order that is not there", "log_in", unknown_order),
    ("put", "PUT of a full order", "log_in", put),
    ("put_again", "the same PUT again", "put", put_again),
    ("read_back", "GET of that order", "put", read_back),
    ("demanded", "the same PUT with one property left out, each in turn", "put", demanded),
    ("put_replaces", "a PUT without Description, and GET", "put", put_replaces),
    ("dispatch", "Dispatch three hours later, and GET", "put", dispatch),
    ("patch", "PATCH of Description, and GET", "put", patch),
    ("delete", "DELETE", "put", delete),
    ("gone", "GET and DELETE of what was deleted", "delete", gone),
]
NAMES = frozenset(name for name, *_ in STEPS)
