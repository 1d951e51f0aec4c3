"""Where a change comes from: API, admin or command, and under which request id. One context variable.

operations/requests.py sets it for the length of a request. This file is read while Django sets up its logging: nothing
in it may need a model.
"""

from contextvars import ContextVar
from typing import NamedTuple


class Origin(NamedTuple):
    """`via` is one of HistoryEntry.Via; `key` the name of the key that a system called with."""

    via: str
    request_id: str
    key: str = ""


COMMAND = Origin("command", "")
# Outside of a request it is a command.
current: ContextVar[Origin] = ContextVar("origin", default=COMMAND)
