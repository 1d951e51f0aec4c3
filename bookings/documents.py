"""The JSON text of a request body: read strictly, kept letter for letter, comparable.

JSON allows texts that no two systems read alike: a key twice in one object, numbers that no double holds, NUL,
half a character. Such a body cannot be stored faithfully, so it is refused (contract, section 5). Everything else
is kept as the text that came, and `fingerprint` tells whether two texts mean the same.

What is absent is left out while the text is read: `""`, null, and what becomes `[]` or `{}` without them. Whole
numbers are int however they are spelled, so that 1002.0 is 1002.

Python's objects can weigh forty times the text that they are read from. `_refuse_what_weighs_too_much` looks at the
text alone: reading, checking and comparing a body takes at most twelve times the size of the largest one.
"""

import decimal
import hashlib
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, NoReturn, TypeVar

import orjson
from django.conf import settings
from django.http import HttpRequest

from bookings.pointers import is_index, is_there, other_way, pointer_of, steps_of
from bookings.refusals import InvalidRequest, Refused, TooLarge

T = TypeVar("T")

# How much of a body that is too large is read away, so that the caller gets to read the refusal.
MAX_DRAINED_BYTES = 16 * 1024 * 1024
# Deeper than any form of ServiceMobility's, and far from the depth at which a JSON reader gives up.
MAX_DEPTH = 100
# Exact, however long the number is.
EXACT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[])
EXACT_DIGITS, EXACT_LIMIT = 16, 10**15
# Of a whole number that every JSON writer takes.
LARGEST_INT = 2**63 - 1
LONG_TEXT = 1_000  # characters: with as many values, what is compared in one piece

# How many times the size of the largest body its objects may weigh; the rest of the twelve is for what is made of them.
MOST_WEIGHT = 9
# What a piece of text costs in memory at most, in bytes, by its first character; of whole numbers those that are large.
WEIGHT_OF_ELEMENT = 9  # each comma
WEIGHTS = {"{": 140, "[": 64, ":": 200, ".": 80, "e": 80, "E": 80} | dict.fromkeys("0123456789", 36)
# A body that is smaller than this share of the largest one cannot weigh too much.
LIGHT = 1 / 16

_PIECE = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\]:.]|[0-9]{3,18}|(?<=[0-9])[eE]', re.DOTALL)
_LONG_NUMBER = re.compile("[0-9]{18}")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
# Every escape that stands for something by itself, then the two halves of a pair, then what is left: NUL, half a pair.
_ESCAPE = re.compile(
    r"\\(?:[^u]|u(?!0000|[dD][89a-fA-F])|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|u(?P<nul>0000)|u(?P<half>))",
    re.DOTALL,
)


@dataclass
class Body:
    """A JSON object without what is absent, and the text that it was read from.

    A number that is not whole, or beyond 64 bits, is Decimal.
    """

    text: str
    document: dict[str, Any]

    @cached_property
    def fingerprint(self) -> str:
        """Equal for texts that say the same: the order of keys, white space, the spelling of numbers and what is
        absent do not count."""
        return digest_of(self.document, in_pieces=len(self.text) > LIGHT * settings.BOOKJOB_MAX_BODY_BYTES)


def read_from(stream: IO[bytes] | HttpRequest) -> Body:
    """The body of a request, as `read_body` has it. Raises TooLarge, too."""
    limit = settings.BOOKJOB_MAX_BODY_BYTES
    raw = stream.read(limit + 1)
    if len(raw) > limit:
        for _ in range(MAX_DRAINED_BYTES // limit):
            if not stream.read(limit):
                break
        raise TooLarge(limit)
    return read_body(raw)


def read_body(raw: bytes) -> Body:
    """The body's JSON object. Raises InvalidRequest with the place of the fault where it has one."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse("The request body is not UTF-8 text.")
    _refuse_what_weighs_too_much(text)
    # Every character that cannot be stored comes escaped.
    bad_character = _bad_character(text) if "\\u" in text else ""
    document = _load(text, as_it_came=bool(bad_character))
    if not isinstance(document, dict):
        _refuse("The request body must be a JSON object.")
    if bad_character:
        _refuse(bad_character, pointer_of(_way_to_bad_text(document) or []))
    return Body(text, document)


def fingerprint_of(text: str) -> str:
    """Of a body that was stored, by today's rule; empty if today's rules do not read it."""
    try:
        return read_body(text.encode()).fingerprint
    except (Refused, UnicodeEncodeError):
        return ""


def document_as_it_came(text: str) -> dict[str, Any]:
    """The object that the text of a Body says, with what is absent in its places."""
    document: dict[str, Any] = _load(text, as_it_came=True)
    return document


def list_as_it_came(body: Body, name: str) -> list[Any] | None:
    """A list of the body with its absent elements, so that they are counted; None where it is no list."""
    found = document_as_it_came(body.text).get(name)
    return found if isinstance(found, list) else None


def in_their_places(came: Iterable[Any], rows: Iterable[T], absent: T) -> list[T]:
    """Rows that were read from a list, with `absent` in the places of the elements that were left out."""
    there = iter(rows)
    return [next(there) if is_there(element) else absent for element in came]


def find(body: Body, pointer: str) -> tuple[str, Any]:
    """What a JSON Pointer into the text of a body points to, and the pointer to it in its document; None if nothing."""
    way: list[str | int] | None = [*steps_of(pointer)]
    if any(map(is_index, way or ())):
        # An index counts what is absent, too, and that is in the text alone. One of the two is in memory at a time.
        body.document = {}
        way = other_way(document_as_it_came(body.text), way or [], {}, counts_absent=True)
        body.document = _load(body.text)
    node: Any = body.document
    for step in way or []:
        node = node.get(step) if isinstance(node, dict) else node[int(step)] if isinstance(node, list) else None
    return (pointer_of(way), node) if way is not None else ("", None)


def pointer_in(text: str, pointer: str) -> str:
    """The JSON Pointer into a text, from that into its document. It goes as far as there is something.

    Nothing at all is what is missing, and stays as it is.
    """
    return pointer_of(other_way(_load(text, as_it_came=True), steps_of(pointer), {}, ends=True) or []) or pointer


def _refuse(message: str, data_path: str = "") -> NoReturn:
    raise InvalidRequest([(data_path, message)])


def _load(text: str, *, as_it_came: bool = False) -> Any:
    is_heavy = len(text) > LIGHT * settings.BOOKJOB_MAX_BODY_BYTES
    try:
        return json.loads(
            text,
            object_pairs_hook=_whole_object if as_it_came else _object,
            parse_float=_number,
            parse_int=int if is_heavy and not _LONG_NUMBER.search(text) else _whole_number,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as fault:
        _refuse(f"The request body is no JSON: {fault.msg} in line {fault.lineno}, column {fault.colno}.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Without what is absent; the objects inside of it have been through here before."""
    result = _whole_object(pairs)
    for key, value in pairs:
        if value.__class__ is list:
            _leave_out_what_is_absent(value)
        if not value and value != 0:  # 0 and False are there
            del result[key]
    return result


def _leave_out_what_is_absent(items: list[Any]) -> None:
    if list in map(type, items):
        for item in items:
            if item.__class__ is list:
                _leave_out_what_is_absent(item)
    if not all(items):
        kept = [item for item in items if item or item == 0]
        if len(kept) != len(items):
            items[:] = kept


def _whole_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        _refuse(f"The property {_printable(twice)} stands twice in one object.")
    return result


def _number(text: str) -> Any:
    as_double = float(text)
    if len(text) < EXACT_DIGITS and 0 < abs(as_double) < EXACT_LIMIT and as_double.is_integer():
        return int(as_double)  # 1.0: a double tells numbers of so few digits apart
    # Too large for a double, or so small that it would become 0.
    if math.isinf(as_double) or (as_double == 0 and any(digit in "123456789" for digit in text.lower().split("e")[0])):
        _refuse(f"The number {text[:40]} is beyond the range of a double.")
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation:
        _refuse(f"The number {text[:40]} is beyond the range of a double.")
    if number == number.to_integral_value():
        return _whole(int(number))
    return number.normalize(EXACT)


def _whole_number(text: str) -> Any:
    if len(text) < len(str(LARGEST_INT)):
        return int(text)
    if len(text) > 310 or math.isinf(float(text)):
        _refuse(f"The number {text[:40]}… is beyond the range of a double.")
    return _whole(int(text))


def _whole(number: int) -> Any:
    return number if abs(number) <= LARGEST_INT else decimal.Decimal(number)


def _constant(text: str) -> NoReturn:
    _refuse(f"{text} is no JSON number.")


def _printable(text: str) -> str:
    return json.dumps(text[:100])


def _refuse_what_weighs_too_much(text: str) -> None:
    """Looks at the text alone, before anything is made of it: how deep it goes, and what its objects will weigh."""
    is_deep = text.count("{") + text.count("[") > MAX_DEPTH  # every level needs a bracket
    largest = settings.BOOKJOB_MAX_BODY_BYTES
    is_heavy = len(text) > LIGHT * largest
    if not is_deep and not is_heavy:
        return
    weight = sys.getsizeof(text) + WEIGHT_OF_ELEMENT * text.count(",")
    depth = 0
    for piece in _PIECE.finditer(text):
        start, end = piece.span()
        kind = text[start]
        weight += WEIGHTS.get(kind, 0)
        if kind == '"':
            weight += sys.getsizeof(text[start:end]) - WEIGHT_OF_ELEMENT * text.count(",", start, end)
        elif kind in _STEP:
            depth += _STEP[kind]
            if depth > MAX_DEPTH:
                _refuse(f"The request body is nested deeper than {MAX_DEPTH} levels.")
            if weight > MOST_WEIGHT * largest and is_heavy:
                break
    if weight > MOST_WEIGHT * largest and is_heavy:
        raise TooLarge(largest, "has too many properties and values")


def _bad_character(text: str) -> str:
    """What is wrong with an escaped character of the text; empty if nothing is."""
    for escape in _ESCAPE.finditer(text):
        if escape["nul"]:
            return "A text or a property's name holds the character NUL, which cannot be stored."
        if escape["half"] is not None:
            return "A text or a property's name holds half a character (a lone surrogate)."
    return ""


def _way_to_bad_text(node: Any) -> list[str | int] | None:
    """The steps to the first text that cannot be stored, or to the object with such a key; None without one."""
    if isinstance(node, str):
        return [] if "\0" in node or not _is_whole(node) else None
    steps: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, value in steps:
        if isinstance(step, str) and _way_to_bad_text(step) is not None:
            return []
        way = _way_to_bad_text(value)
        if way is not None:
            return [step, *way]
    return None


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- Comparing --------------------------------------------------------------------------------------------


def digest_of(document: Any, *, in_pieces: bool) -> str:
    """What tells whether two documents say the same: of the one text that their writings have in common.

    `in_pieces` costs more time, and less memory: it is for what is large.
    """
    digest = hashlib.sha256()
    for piece in canonical_pieces(document) if in_pieces else [canonical(document)]:
        digest.update(piece)
    return digest.hexdigest()


def canonical(node: Any) -> bytes:
    return orjson.dumps(node, default=_decimal, option=orjson.OPT_SORT_KEYS)


def canonical_pieces(node: Any) -> Iterator[bytes]:
    """The same text in pieces: orjson takes many times the memory of what it writes."""
    if isinstance(node, dict) and not _is_short(node.values(), len(node)):
        before = b"{"
        for key in sorted(node):
            yield before
            yield from canonical_pieces(key)
            yield b":"
            yield from canonical_pieces(node[key])
            before = b","
        yield b"}"
    elif isinstance(node, list) and not _is_short(node, len(node)):
        before = b"["
        for start in range(0, len(node), LONG_TEXT):
            part = node[start : start + LONG_TEXT]
            if _is_short(part, len(part)):
                yield before
                yield canonical(part)[1:-1]
                before = b","
                continue
            for item in part:
                yield before
                yield from canonical_pieces(item)
                before = b","
        yield b"]"
    elif isinstance(node, str) and len(node) > LONG_TEXT:
        yield b'"'
        for start in range(0, len(node), LONG_TEXT):
            yield canonical(node[start : start + LONG_TEXT])[1:-1]
        yield b'"'
    else:
        yield canonical(node)


def _is_short(values: Iterable[Any], count: int) -> bool:
    """Whether there are few of them, and none is an object, a list or a long text."""
    if count > LONG_TEXT:
        return False
    kinds = set(map(type, values))
    if dict in kinds or list in kinds:
        return False
    return str not in kinds or all(len(value) < LONG_TEXT // 10 for value in values if value.__class__ is str)


def _decimal(number: decimal.Decimal) -> str:
    # No string of a body can look like this: NUL is refused.
    return f"\0{number}"
