"""Where the beginnings of postcodes of two areas meet, and which of the two has a customer there.

The rule itself is in bookings.offers: the longest beginning that fits decides, and of equally long ones that of the
very country.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple

from bookings.models import PostcodePrefix, countries, lies_within
from bookings.supply.from_systems.area_upserts import Target

# So many are named; the others are counted, up to COUNTED: there can be as many as the square of the beginnings.
SHOWN, COUNTED = 500, 10_000

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


ByArea = dict[Area, list[Held]]


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
    """How many overlaps there are, up to COUNTED, and the first of them."""

    number: int
    first: Sequence[Overlap]

    @property
    def counted(self) -> str:
        return f"more than {COUNTED:,}" if self.number > COUNTED else str(self.number)


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


def report(held: Iterable[Held], is_meant: Callable[[Held], bool] = lambda one: True) -> Report:
    """The overlaps in which one of the two is meant, those of one country first."""
    found = list(islice(_each(held, is_meant), COUNTED + 1))
    return Report(len(found), nsmallest(SHOWN, found, key=_place))


def _place(overlap: Overlap) -> tuple[object, ...]:
    inner, outer = overlap
    return (not overlap.is_of_one_country, inner.prefix, inner.country, outer.prefix, outer.country)


def _each(held: Iterable[Held], is_meant: Callable[[Held], bool]) -> Iterator[Overlap]:
    """No pair is looked at that is no overlap: the time is that of the beginnings and of what comes out."""
    meant: dict[str, ByArea] = {}
    others: dict[str, ByArea] = {}
    # A beginning comes after those that it lies within; of two that are equal, the one with a country is the later one.
    for inner in sorted(held, key=lambda one: (one.prefix, one.country, str(one.area))):
        known, around = (meant, [meant, others]) if is_meant(inner) else (others, [meant])
        for head in lies_within(inner.prefix):
            for area, outers in (pair for by_prefix in around for pair in by_prefix.get(head, {}).items()):
                if area != inner.area:
                    yield from (Overlap(inner, outer) for outer in outers)
        known.setdefault(inner.prefix, {}).setdefault(inner.area, []).append(inner)


def _share(one: Held, other: Held) -> bool:
    return not one.country or not other.country or one.country == other.country
