"""The log: one JSON object a line. No customer, token or password ever stands in it.

Of a fault its type and the places in the code are kept, but no message: that may quote a row or a body. Only of the
database's messages the first line is kept, which names a constraint or a lock; rows are quoted in the next ones.
This file is read while Django sets up its logging: nothing in it may need a model.
"""

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

import orjson
from django import db

from bookings.telemetry import origin


class JSONFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if given := origin.current.get().request_id:
            line["request_id"] = given
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1]:
            line["fault"] = fault(record.exc_info[1])
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # half a character, or a number of more than 64 bits
            return json.dumps(line, default=str)


def fault(exception: BaseException) -> list[str]:
    """An exception and what it came from, each with the places in the code that it passed."""
    lines: list[str] = []
    current: BaseException | None = exception
    while current and len(lines) < 200:
        said = str(current).partition("\n")[0] if isinstance(current, db.Error) else ""
        lines.append(f"{type(current).__name__}: {said}".removesuffix(": "))
        passed = traceback.extract_tb(current.__traceback__)
        lines += [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in passed]
        current = current.__cause__ or current.__context__
    return lines
