"""What is raised where a request is refused; `errors.py` says it as HTTP."""

from typing import Any


class BookingError(Exception):
    """A booking or a change of one was refused, and nothing was changed.

    `error` is the stable word of contract section 2; `message` is for a technician or a dispatcher.
    """

    def __init__(self, error: str, message: str, *, data_path: str = "", **params: Any) -> None:
        super().__init__(message)
        self.error = error
        self.message = message
        self.data_path = data_path
        self.params = params
