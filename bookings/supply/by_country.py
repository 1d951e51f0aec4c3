"""The beginnings of postcodes by their countries: which can mean the same postcode, without comparing each with each.

An empty country is any. A word that is no country is one of its own. No query here.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

from bookings.models import countries

# A prefix stands for no more countries than these, which are more than there are.
MOST = 300

T = TypeVar("T")
# By the code of the country.
ByCountry = dict[str, T]


def sharing(found: Mapping[str, T], country: str) -> Iterable[T]:
    """Those where a postcode can be of this country, too."""
    code = countries.code_of(country)
    return [found[one] for one in ("", code) if one in found] if code else found.values()


def first_with(claimed: dict[str | None, int], country: str, number: int) -> int:
    """The first row that claims a prefix there, by the countries of the claims; from now on this one does, too.

    None stands for any claim: that is all that one for any country has to know.
    """
    code = countries.code_of(country)
    others = [claimed[one] for one in (("", code) if code else (None,)) if one in claimed]
    for one in (None, code):
        claimed.setdefault(one, number)
    return min(others, default=number)


def crowded(stored: Mapping[str, Iterable[str]], new: Iterable[tuple[str, str]]) -> set[str]:
    """The prefixes that would stand for too many countries. `new` are prefixes with their countries."""
    found = {prefix: set(several) for prefix, several in stored.items()}
    for prefix, country in new:
        found.setdefault(prefix, set()).add(country)
    return {prefix for prefix, several in found.items() if len(several) > MOST}
