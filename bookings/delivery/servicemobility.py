"""ServiceMobility's calls (contract, section 6): log in, look, and bring a work order to the state that it has here.

It looks before it writes, always: what the field has begun, finished or rejected is a person's to decide. Where a call
got no answer, it looks once more after a minute: that call may have been done behind a later one. Between the look and
the write a technician, or another process that woke up late, may still be faster; `verify_delivery` finds it.
"""

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import orjson

from bookings.delivery import mapping, secrets
from bookings.delivery.calls import Answer, Channel
from bookings.delivery.mapping import State
from bookings.delivery.outcomes import Attempt, OrderFault, ReceiverFault, Result, Standing, message_of, refuse
from bookings.models import Receiver

WHOLE = ("PUT", "")
# Method and end of the address of a move, by what is set for it.
MOVES = {
    Receiver.Move.DISPATCH: ("PUT", "/Dispatch"),
    Receiver.Move.PATCH: ("PATCH", ""),
    Receiver.Move.PUT: WHOLE,
}
GONE = {404, 410}
LONGEST_TOKEN = 16 * 1024
# In which a call that got no answer may still be done there, behind a later one: then it is looked at once more.
LATE = timedelta(seconds=60)
OF_THE_ORDER = {400, 404, 409, 410, 413, 422}


def writes(move: str, there: Standing, state: State, *, is_moved: bool) -> list[tuple[str, str]]:
    """What brings an order that is there to this state: the move, then the whole only if the rest of it differs."""
    by = MOVES[Receiver.Move(move)]
    steps = [by] if there.rest and is_moved and by != WHOLE else []
    needs_whole = there.rest != state.rest_digest or (is_moved and by == WHOLE)
    return [*steps, WHOLE] if needs_whole else steps


def path_of(order_num: str, end: str = "") -> str:
    return f"/seiapi/v3/trans/WorkOrder/{quote(order_num, safe='')}{end}"


class ServiceMobility:
    """One log-in, which all threads share."""

    def __init__(self, receiver: Receiver) -> None:
        self.move, self.username, self.files = receiver.move, receiver.username, receiver.secret_files
        self.channel = Channel(receiver.url)
        self.token, self.lock = "", threading.Lock()

    def bring(self, attempt: Attempt) -> Result:
        """Raises ReceiverFault, OrderFault and Lost."""
        state: State | None = attempt.job.state
        found = self.look(attempt)
        if state is None:
            return self._remove(attempt, found)
        if found is None:
            return self._put(attempt, state)
        if why := mapping.barred(found):
            if mapping.differences(state, found):
                raise OrderFault(
                    f"It is {why} there: nothing was overwritten. Decide with the technician.", may_pass=False
                )
            return self._agree(attempt, state, f"it is {why} there")
        is_moved = bool(mapping.differences(state, found)) or attempt.there.plan != state.plan_digest
        for method, end in writes(self.move, attempt.there, state, is_moved=is_moved):
            if (method, end) == WHOLE:
                return self._put(attempt, state)
            self._move(attempt, state, method, end)
        return self._agree(attempt, state, "moved" if is_moved else "it was there as it must be")

    def look(self, attempt: Attempt) -> dict[str, Any] | None:
        """What stands there, or None."""
        order_num = attempt.job.order_num
        answer = self._call(attempt, "GET", path_of(order_num))
        if answer.status in GONE and answer.document is not None:
            return None
        self._check(attempt, answer, "GET WorkOrder", needs_document=True)
        return answer.document

    def _remove(self, attempt: Attempt, found: dict[str, Any] | None) -> Result:
        if found and (why := mapping.barred(found)):
            raise OrderFault(f"It is cancelled here, but {why} there. Decide with the technician.", may_pass=False)
        # A write whose end is unknown may still be on its way: the DELETE is sent after it all the same.
        if found is not None or attempt.there.is_uncertain:
            answer = self._call(attempt, "DELETE", path_of(attempt.job.order_num), writes=True)
            if answer.status not in GONE or answer.document is None:
                self._check(attempt, answer, "DELETE WorkOrder")
        return attempt.accepted("removed" if found else "it was not there", late=LATE)

    def _put(self, attempt: Attempt, state: State) -> Result:
        body = state.whole(attempt.now())
        answer = self._call(attempt, "PUT", path_of(attempt.job.order_num), body, writes=True)
        self._check(attempt, answer, "PUT WorkOrder")
        return self._agree(attempt, state, f"put{_warnings(answer)}")

    def _move(self, attempt: Attempt, state: State, method: str, end: str) -> None:
        body = state.dispatch(attempt.now())
        answer = self._call(attempt, method, path_of(attempt.job.order_num, end), body, writes=True)
        self._check(attempt, answer, f"{method} {end[1:] or 'WorkOrder'}")
        attempt.there = replace(attempt.job.there, plan=state.plan_digest)

    def _agree(self, attempt: Attempt, state: State, text: str) -> Result:
        return attempt.accepted(text, state.plan_digest, state.rest_digest, late=LATE)

    def _check(self, attempt: Attempt, answer: Answer, what: str, *, needs_document: bool = False) -> None:
        """Raises ReceiverFault or OrderFault unless the call succeeded. 204 has no answer to read."""
        if not 200 <= answer.status < 300:
            # A proxy answers 404, too: only ServiceMobility's own body says that this order is meant.
            is_its_own = answer.document is not None
            refuse(answer, what, attempt.now(), of_the_order=OF_THE_ORDER if is_its_own else ())
        if answer.document is None and (needs_document or answer.status != 204):
            raise ReceiverFault(
                f"{answer.status} for {what}, but its answer is no JSON object. Is the address ServiceMobility's own?"
            )

    def _call(self, attempt: Attempt, method: str, path: str, body: Any = None, *, writes: bool = False) -> Answer:
        """With one new log-in where the token is refused."""
        content = None if body is None else orjson.dumps(body)
        make = attempt.write if writes else attempt.look
        token = self.token or self._log_in(attempt, "")
        answer = make(lambda: self.channel.call(method, path, content, x_access_token=token))
        if answer.status == 401:
            token = self._log_in(attempt, token)
            answer = make(lambda: self.channel.call(method, path, content, x_access_token=token))
        return answer

    def _log_in(self, attempt: Attempt, refused: str) -> str:
        """One at a time; a thread that waited for another's log-in takes its token."""
        with self.lock:
            if self.token and self.token != refused:
                return self.token
            self.token = ""
            password = secrets.read(self.files[0])
            body = orjson.dumps({"username": self.username, "password": password})
            answer = attempt.look(lambda: self.channel.call("POST", "/createjwt", body))
            if answer.status == 401:
                raise ReceiverFault(
                    f"It refuses the log-in of {self.username}: check --username and what is in the password file."
                )
            if not 200 <= answer.status < 300 or not (token := _token_of(answer)):
                said = f"{answer.status} for the log-in, without a token{message_of(answer)}. Is the address right?"
                raise ReceiverFault(said, answer.retry_after(attempt.now()))
            self.token = token
            return token


def _token_of(answer: Answer) -> str:
    """Empty if there is none that a header can hold."""
    token = (answer.document or {}).get("token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or len(token) > LONGEST_TOKEN:
        return ""
    return token.strip()


def _warnings(answer: Answer) -> str:
    found = (answer.document or {}).get("Warnings")
    return f", with warnings: {' '.join(map(str, found))}" if isinstance(found, list) and found else ""
