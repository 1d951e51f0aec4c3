"""What can go wrong at the other side, by name.

A fault is what comes instead of an answer (ANSWERS), or how a connection goes wrong (CONNECTIONS). Each is switched on
for all calls, or for one method, one work order and a number of times.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

JSON, HTML = "application/json", "text/html; charset=utf-8"


@dataclass(frozen=True)
class Instead:
    """What is answered instead of doing anything. `words` become ServiceMobility's error body if there is no text."""

    status: int
    words: str = ""
    text: str = ""
    content_type: str = JSON
    headers: Callable[[float], dict[str, str]] = lambda seconds: {}


def _in_seconds(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(int(seconds))}


def _as_date(seconds: float) -> dict[str, str]:
    return {"Retry-After": formatdate(time.time() + seconds, usegmt=True)}


def _elsewhere(seconds: float) -> dict[str, str]:
    return {"Location": "/elsewhere"}


# What no database and no page takes as it is: NUL, half a character, a mark that turns what follows.
ODD_BODY = (
    r'{"code": 422, "detail": {"message": "NUL \u0000, half \ud83d, turned \u202e", "params": {}, "dataPath": ""}}'
)

ANSWERS: dict[str, Instead] = {
    # Of the receiver.
    "html": Instead(200, text="<!doctype html><title>Log in</title><p>Please log in.</p>", content_type=HTML),
    "empty": Instead(200, text=" "),
    "no_json": Instead(200, text='{"OrderNum": '),
    "redirect": Instead(302, "Moved.", headers=_elsewhere),
    "unauthorized": Instead(401, "Invalid logon."),
    "forbidden": Instead(403, "This user has no right to do that."),
    "not_allowed": Instead(405, "Method not allowed."),
    "request_timeout": Instead(408, "The request took too long."),
    "too_early": Instead(425, "Too early."),
    "throttled_seconds": Instead(429, "Too many calls.", headers=_in_seconds),
    "throttled_date": Instead(429, "Too many calls.", headers=_as_date),
    "server_error": Instead(500, "Something went wrong."),
    "bad_gateway": Instead(502, text="<h1>502 Bad Gateway</h1>", content_type=HTML),
    "unavailable": Instead(503, "Unavailable.", headers=_in_seconds),
    # Of the order.
    "unknown_account": Instead(400, "Account {Account} is unknown."),
    "not_found": Instead(404, "There is no such work order."),
    "conflict": Instead(409, "The work order is open on another screen."),
    "too_large": Instead(413, "The work order is too large."),
    "unprocessable": Instead(422, "The work order cannot be processed."),
    "odd_words": Instead(422, text=ODD_BODY),
}
CONNECTIONS: dict[str, str] = {
    "delay": "waits, then does it and answers",
    "late_answer": "does it, then waits with the answer",
    "silence": "does nothing and never answers",
    "drip": "does it and answers one byte now and then",
    "huge": "does it and answers without an end",
    "warnings": "does it and answers 200 with warnings",
    "reset": "resets the connection and does nothing",
    "lost_answer": "does it and resets the connection instead of an answer",
    "half_answer": "does it, and the answer breaks off in the middle",
    "revoked_token": "revokes all tokens that were issued so far",
}
FAULTS = (*ANSWERS, *CONNECTIONS)


@dataclass
class Fault:
    name: str
    method: str = ""  # several: "PUT DELETE"; empty: any
    order: str = ""
    times: int | None = None  # None: until it is switched off
    seconds: float = 15  # of waiting, and in Retry-After

    def fits(self, method: str, order: str) -> bool:
        return (not self.method or method in self.method.split()) and (not self.order or self.order == order)


class Faults:
    """Those that are switched on; the first one that fits a call is taken."""

    def __init__(self) -> None:
        self.lock, self.on = threading.Lock(), list[Fault]()

    def add(self, name: str, **how: Any) -> Fault:
        if name not in FAULTS:
            raise ValueError(f"There is no fault {name!r}. There are: {', '.join(FAULTS)}.")
        fault = Fault(name, **how)
        with self.lock:
            self.on.append(fault)
        return fault

    def clear(self) -> None:
        with self.lock:
            self.on.clear()

    def take(self, method: str, order: str) -> Fault | None:
        with self.lock:
            fault = next((each for each in self.on if each.fits(method, order)), None)
            if fault and fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.on.remove(fault)
            return fault
