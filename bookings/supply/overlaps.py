"""Where the beginnings of postcodes of two areas meet, and which of the two has a customer there.

The rule itself is in bookings.offers: the longest beginning that fits decides, and of equally long ones that of the
very country.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nsmallest
from typing import NamedTuple

from bookings.models import PostcodePrefix, countries, lies_within
from bookings.supply.area_upserts import Target

# So many are named; the others are counted.
SHOWN = 500

# The key of an area, or the code of one that is not there yet.
Area = int | str


class Held(NamedTuple):
    """A beginning of postcodes, with the area that has it."""

    country: str
    prefix: str
    area: Area

    @property
    def text(self) -> str:
        return f"{self.country} {self.prefix}".strip()


class Overlap(NamedTuple):
    """`inner` lies within `outer`, or is the same for another country."""

    inner: Held
    outer: Held

    @property
    def is_of_one_country(self) -> bool:
        """Whether the two meet also where a postcode comes with its country."""
        return _share(self.inner, self.outer)

    def says(self, name: Callable[[Area], str]) -> str:
        """Which area has a postcode that fits both."""
        winner = name(self.inner.area)
        where = f"{self.inner.text} of {winner}"
        other = f"{self.outer.text} of {name(self.outer.area)}"
        if self.inner.prefix != self.outer.prefix:
            without = "" if self.is_of_one_country else ", where the country is missing"
            return f"{where} lies within {other}: {winner} has it{without}."
        with_country = f"{winner} has it with its country; " if self.is_of_one_country else ""
        return f"{where} is {other}, too: {with_country}neither has it where the country is missing."


class Report(NamedTuple):
    number: int
    first: Sequence[Overlap]


def stored() -> Iterator[Held]:
    found = PostcodePrefix.objects.order_by("pk").values_list("country", "prefix", "area_id")
    # Rows of earlier releases may hold another spelling of the country.
    return (Held(countries.code_of(country), prefix, area) for country, prefix, area in found.iterator())


def planned(targets: Iterable[Target]) -> tuple[list[Held], set[Held]]:
    """What there is once the rows are written; and what is new of it."""
    gone: set[Held] = set()
    new: set[Held] = set()
    for target in targets:
        gone.update(_held(target, target.gone))
        new.update(_held(target, target.added))
    return [*(held for held in stored() if held not in gone), *new], new


def _held(target: Target, things: Iterable[object]) -> Iterator[Held]:
    for thing in things:
        if isinstance(thing, PostcodePrefix):
            yield Held(countries.code_of(thing.country), thing.prefix, target.area.pk or target.area.code)


def report(held: Iterable[Held], is_told: Callable[[Overlap], bool] = lambda overlap: True) -> Report:
    """Those of one country first. Memory grows with the beginnings, not the overlaps."""
    number = 0

    def told() -> Iterator[Overlap]:
        nonlocal number
        for overlap in filter(is_told, _each(held)):
            number += 1
            yield overlap

    first = nsmallest(SHOWN, told(), key=_place)
    return Report(number, first)


def _place(overlap: Overlap) -> tuple[object, ...]:
    inner, outer = overlap
    return (not overlap.is_of_one_country, inner.prefix, inner.country, outer.prefix, outer.country)


def _each(held: Iterable[Held]) -> Iterator[Overlap]:
    by_prefix: dict[str, list[Held]] = defaultdict(list)
    for one in held:
        by_prefix[one.prefix].append(one)
    for prefix, inners in by_prefix.items():
        *heads, _ = lies_within(prefix)
        around = [outer for head in heads if head in by_prefix for outer in by_prefix[head]]
        for place, inner in enumerate(inners):
            # Of two that are equally long, the one with a country comes first.
            same = (Overlap(*sorted((inner, other), reverse=True)) for other in inners[:place])
            pairs = [*(Overlap(inner, outer) for outer in around), *same]
            yield from (pair for pair in pairs if pair.inner.area != pair.outer.area)


def _share(one: Held, other: Held) -> bool:
    return not one.country or not other.country or one.country == other.country
