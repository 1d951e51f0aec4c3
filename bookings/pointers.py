"""The place of a node in a document: its way, and the JSON Pointer to it (RFC 6901).

A body is read without what is absent, so a list may be shorter there than in the text that came: a node has one way in
the document as it came, and another one in the document as it is read.
"""

from collections.abc import Iterable
from typing import Any

LONGEST_POINTER = 500  # characters


def is_there(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(is_there, value.values()))
    if isinstance(value, list):
        return any(map(is_there, value))
    return value is not None and value != ""


def ways_in(came: Any, ways: Iterable[Iterable[str | int]]) -> list[list[str | int]]:
    """The ways to nodes of `came`, the document as it came, from the ways to them in one without what is absent."""
    there: dict[int, list[int]] = {}
    return [other_way(came, steps, there) or [] for steps in ways]


def other_way(
    came: Any,
    steps: Iterable[str | int],
    there: dict[int, list[int]],
    *,
    counts_absent: bool = False,
    ends: bool = False,
) -> list[str | int] | None:
    """The way to the same node in the other document: as it came, or (`counts_absent`) without what is absent.

    `there` has, of a list, the places of the elements that are not absent. None where the other document lacks the
    element. A property that is missing is in the way, unless that `ends` before it. One object that stands where a
    list is expected has no index in either.
    """
    node, way = came, list[str | int]()
    for step in steps:
        if isinstance(node, list):
            if id(node) not in there:
                there[id(node)] = [place for place, item in enumerate(node) if is_there(item)]
            places = there[id(node)]
            number = int(str(step)[:9]) if is_index(step) else len(node)
            if counts_absent and number in places:
                node = node[number]
                way.append(places.index(number))
            elif not counts_absent and number < len(places):
                node = node[places[number]]
                way.append(places[number])
            else:
                return way if ends else None
            continue
        is_found = isinstance(node, dict) and step in node
        if is_found or not is_index(step):
            if ends and not is_found:
                break
            node = node[step] if is_found else None
            way.append(step)
    return way


def is_index(step: str | int) -> bool:
    return isinstance(step, int) or (step.isascii() and step.isdecimal())


def pointer_of(steps: Iterable[str | int]) -> str:
    """The JSON Pointer (RFC 6901) of the way to a property or an element; of its beginning where it is too long."""
    pointer = ""
    for step in steps:
        # Cut before it is escaped: a key may be as long as the body.
        longer = f"{pointer}/{str(step)[: LONGEST_POINTER + 1].replace('~', '~0').replace('/', '~1')}"
        if len(longer) > LONGEST_POINTER:
            break
        pointer = longer
    return pointer


def steps_of(pointer: str) -> list[str]:
    """The names that a JSON Pointer goes by."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def dotted(way: Iterable[str | int]) -> str:
    """`RequiredParts[0].Qty`"""
    name = ""
    for step in way:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name
