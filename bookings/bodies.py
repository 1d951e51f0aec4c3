"""The JSON text of a request body: read strictly, kept letter for letter, comparable.

JSON allows texts that no two systems read alike: a key twice in one object, numbers that no double holds, NUL,
half a character. Such a body cannot be stored faithfully, so it is refused (contract, section 5). Everything else
is kept as the text that came, and `fingerprint` tells whether two texts mean the same.
"""

import decimal
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, NoReturn

import orjson
from django.conf import settings
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from bookings import errors

# Deeper than any form of ServiceMobility's, and far from the depth at which a JSON reader gives up.
MAX_DEPTH = 100
# How much of a body that is too large is read away, so that the caller gets to read the refusal.
MAX_DRAINED_BYTES = 16 * 1024 * 1024
# Exact, however long the number is.
EXACT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])


@dataclass
class Body:
    """A JSON object and the text that it was read from. Numbers with a point or exponent are Decimal."""

    text: str
    document: dict[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """Equal for texts that are equal as JSON: the order of keys, white space and 1.0 for 1 do not count."""
        try:
            canonical = orjson.dumps(self.document, default=_canonical_decimal, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # a number of more than 64 bits; the same text, made more slowly
            canonical = json.dumps(
                self.document,
                sort_keys=True,
                ensure_ascii=False,
                separators=(",", ":"),
                default=_canonical_decimal,
            ).encode()
        return hashlib.sha256(canonical).hexdigest()


def read_body(raw: bytes) -> Body:
    """The body's JSON object. Raises errors.InvalidRequest with the place of the fault where it has one."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse("The request body is not UTF-8 text.")
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_number,
            parse_int=_whole_number,
            parse_constant=_constant,
        )
    except RecursionError:
        _refuse(f"The request body is nested deeper than {MAX_DEPTH} levels.")
    except json.JSONDecodeError as fault:
        _refuse(f"The request body is no JSON: {fault.msg} in line {fault.lineno}, column {fault.colno}.")
    if not isinstance(document, dict):
        _refuse("The request body must be a JSON object.")
    # Every level of nesting needs a bracket, and every character that cannot be stored comes escaped.
    if "\\u" in text or text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth_and_characters(document)
    return Body(text, document)


class AnswerRenderer(BaseRenderer):
    """Writes JSON. A stored body goes in as orjson.Fragment, letter for letter, so that no number in it is rounded."""

    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data)


class BodyParser(BaseParser):
    """Makes `request.data` a Body."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Any = None) -> Any:
        limit = settings.BOOKJOB_MAX_BODY_BYTES
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            for _ in range(MAX_DRAINED_BYTES // limit):
                if not stream.read(limit):
                    break
            raise errors.TooLarge(limit)
        return read_body(raw)


class JSONWhateverIsAccepted(BaseContentNegotiation):
    """ServiceMobility hands the answer on as it is; an odd Accept header must not cost a booking."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


def _refuse(message: str, data_path: str = "") -> NoReturn:
    raise errors.InvalidRequest([(data_path, message)])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        _refuse(f"The property {_printable(twice)} stands twice in one object.")
    return result


def _number(text: str) -> decimal.Decimal:
    as_double = float(text)
    # Too large for a double, or so small that it would become 0.
    if math.isinf(as_double) or (as_double == 0 and any(digit in "123456789" for digit in text.lower().split("e")[0])):
        _refuse(f"The number {text[:40]} is beyond the range of a double.")
    try:
        return decimal.Decimal(text)
    except decimal.InvalidOperation:
        _refuse(f"The number {text[:40]} is beyond the range of a double.")


def _whole_number(text: str) -> int:
    if len(text) > 310:
        _refuse(f"The number {text[:40]}… is beyond the range of a double.")
    _number(text)
    return int(text)


def _constant(text: str) -> NoReturn:
    _refuse(f"{text} is no JSON number.")


def _canonical_decimal(number: decimal.Decimal) -> Any:
    if number == number.to_integral_value():
        return int(number)
    # No string of a body can look like this: NUL is refused.
    return "\0" + str(number.normalize(EXACT))


def _printable(text: str) -> str:
    return json.dumps(text[:100])


def _check_depth_and_characters(document: dict[str, Any]) -> None:
    for depth, path, text in _strings(document):
        if depth > MAX_DEPTH:
            _refuse(f"The request body is nested deeper than {MAX_DEPTH} levels.")
        if "\0" in text:
            _refuse(
                "A text or a property's name holds the character NUL, which cannot be stored.",
                path,
            )
        try:
            text.encode()
        except UnicodeEncodeError:
            _refuse(
                "A text or a property's name holds half a character (a lone surrogate).",
                path,
            )


def _strings(document: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    """Every key and string with its depth and JSON Pointer; an empty string stands for other nodes."""
    pending: list[tuple[int, str, Any]] = [(1, "", document)]
    while pending:
        depth, path, node = pending.pop()
        if isinstance(node, dict):
            for key, value in node.items():
                yield depth, path, key
                pending.append((depth + 1, errors.pointer(path, key), value))
        elif isinstance(node, list):
            pending.extend((depth + 1, errors.pointer(path, index), value) for index, value in enumerate(node))
        yield depth, path, node if isinstance(node, str) else ""
