"""Reading what came back: the vendor's response objects and error body, as the contract has them."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from conformance.client import Answer

UTC_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
MAX_EXCERPT = 300
MAX_OFFERS = 5_000  # more is no list to choose from
MAX_ERROR = 64 * 1024  # contract, section 2
YEARS = range(1900, 3000)  # contract, section 5: an instant outside of them is none


class Failed(Exception):
    """The contract is broken; the text says how."""


@dataclass(frozen=True)
class Offer:
    start: datetime
    end: datetime
    constraint: dict[str, Any]  # as it came

    @property
    def period(self) -> tuple[datetime, datetime]:
        return self.start, self.end


def object_in(answer: Answer) -> dict[str, Any]:
    """The JSON object of a 200. Raises Failed for anything else."""
    if answer.status != 200:
        redirect = "; redirects are not followed" if 300 <= answer.status < 400 else ""
        raise Failed(f"200 was expected{redirect}; {excerpt(answer)}")
    try:
        document = answer.document
    except ValueError:
        raise Failed(f"the body is no JSON; {excerpt(answer)}") from None
    if not isinstance(document, dict):
        raise Failed(f"the body is no JSON object; {excerpt(answer)}")
    return document


def offers_in(answer: Answer) -> list[Offer]:
    """The offers of an Appointment Search Response Object. Raises Failed where it has another shape."""
    document = object_in(answer)
    message = document.get("StatusMsg")
    if not isinstance(message, str | None):
        raise Failed("StatusMsg is no text")
    constraints = document.get("TimeConstraints")
    if not isinstance(constraints, list):
        raise Failed("TimeConstraints is no list")
    if len(constraints) > MAX_OFFERS:
        raise Failed(f"{len(constraints)} periods are offered, more than anyone can choose from")
    return [_read_offer(constraint, f"TimeConstraints[{index}]") for index, constraint in enumerate(constraints)]


def _read_offer(constraint: Any, place: str) -> Offer:
    if not isinstance(constraint, dict):
        raise Failed(f"{place} is no object")
    for name, kinds in {"Desc": str, "Type": str | int}.items():
        if not isinstance(constraint.get(name), kinds) or constraint.get(name) is True:
            raise Failed(f"{place}.{name} is missing or no text")
    if not isinstance(constraint.get("ID"), str | int | None):
        raise Failed(f"{place}.ID is no text")
    period = constraint.get("Period")
    if not isinstance(period, dict):
        raise Failed(f"{place}.Period is missing or no object")
    instants = []
    for name in ("Start", "End"):
        text = period.get(name)
        try:
            if not (isinstance(text, str) and UTC_INSTANT.fullmatch(text)):
                raise ValueError(text)
            instants.append(read_instant(text))
            if instants[-1].year not in YEARS:
                raise ValueError(text)
        except ValueError:
            raise Failed(
                f"{place}.Period.{name} is {short(str(text))}, not a UTC instant such as 2026-12-04T13:00:00.000Z"
            ) from None
    return Offer(instants[0], instants[1], constraint)


def order_num_in(answer: Answer) -> str:
    """The OrderNum of a booking. Raises Failed unless it succeeded."""
    number = object_in(answer).get("OrderNum")
    if not (isinstance(number, str) and number.strip()):
        raise Failed(f"OrderNum is missing, empty or no text; {excerpt(answer)}")
    return number


def ordered_parts_in(answer: Answer) -> list[tuple[str, list[str]]]:
    """(PartOrderNum, product numbers) of a Book Job Response Object. Raises Failed where it has another shape."""
    ordered_parts = object_in(answer).get("OrderedParts")
    if not isinstance(ordered_parts, list):
        raise Failed("OrderedParts is no list")
    result = []
    for index, entry in enumerate(ordered_parts):
        number = entry.get("PartOrderNum") if isinstance(entry, dict) else None
        parts = entry.get("Parts") if isinstance(entry, dict) else None
        if not (isinstance(number, str) and number.strip()):
            raise Failed(f"OrderedParts[{index}].PartOrderNum is missing, empty or no text")
        if not (isinstance(parts, list) and all(isinstance(part, str) for part in parts)):
            raise Failed(f"OrderedParts[{index}].Parts is no list of product numbers")
        result.append((number, parts))
    return result


def must_be_same(answer: Answer, first: Answer) -> None:
    """Raises Failed unless a repeated booking is answered as the first time."""
    numbers = order_num_in(answer), order_num_in(first)
    if numbers[0] != numbers[1]:
        raise Failed(f"it was booked as {numbers[1]}, and now again as {numbers[0]}")
    if object_in(answer).get("OrderedParts") != object_in(first).get("OrderedParts"):
        raise Failed("the OrderedParts are other ones than the first time")


def error_fault(answer: Answer, documented_statuses_only: bool) -> str:
    """What is wrong with an error body (contract, section 2), or an empty text."""
    if len(answer.text) > MAX_ERROR:
        return f"the body is larger than {MAX_ERROR} characters"
    try:
        document = answer.document
    except ValueError:
        return "the body is no JSON"
    detail = document.get("detail") if isinstance(document, dict) else None
    if not isinstance(detail, dict):
        return "the body is not {code, detail}"
    if type(document.get("code")) is not int:
        return "code is no number"
    if document["code"] != answer.status and not documented_statuses_only:
        return f"code is {document['code']}"
    if not (isinstance(detail.get("message"), str) and detail["message"].strip()):
        return "detail.message says nothing"
    if not isinstance(detail.get("params"), dict):
        return "detail.params is no object"
    if not isinstance(detail.get("dataPath"), str):
        return "detail.dataPath is no text"
    return ""


def params_of(answer: Answer) -> dict[str, Any]:
    """The values behind a refusal; none where its body has another shape."""
    try:
        params = answer.document["detail"]["params"]
    except (ValueError, LookupError, TypeError):
        return {}
    return params if isinstance(params, dict) else {}


def period_text(body: Any) -> str:
    """The period of a booking, of a TimeConstraints object or of a text that was sent."""
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return "?"
    if isinstance(body, list):
        body = body[0] if body else None
    if isinstance(body, dict) and "TimeConstraints" in body:
        return period_text(body["TimeConstraints"])
    period = body.get("Period") if isinstance(body, dict) else None
    return f"{period.get('Start')} to {period.get('End')}" if isinstance(period, dict) else "?"


def summary(answers: list[Answer]) -> str:
    counts = Counter(str(answer) for answer in answers)
    return ", ".join(f"{times} x {answer}" if times > 1 else answer for answer, times in counts.most_common())


def excerpt(answer: Answer) -> str:
    return f"{answer.status or 'nothing'} came back: {short(answer.text)}"


def short(text: str) -> str:
    text = " ".join(text[: 10 * MAX_EXCERPT].split())
    return text if len(text) <= MAX_EXCERPT else f"{text[:MAX_EXCERPT]}…"


def read_instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
