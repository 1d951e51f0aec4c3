"""What tells whether two documents say the same: a digest of the one text that their writings have in common."""

import decimal
import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

LONG_TEXT = 1_000  # characters: with as many values, what is written in one piece


def of(document: Any, *, in_pieces: bool) -> str:
    """`in_pieces` costs more time, and less memory: it is for what is large."""
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
