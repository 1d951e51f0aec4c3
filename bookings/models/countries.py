"""Countries, however they are spelled: `GB`, `GBR`, `UK` and `United Kingdom` are one.

The names are those of ISO 3166 (pycountry), read once in each process when the first country comes.
"""

import re
from functools import cache, lru_cache

import pycountry

# What people and systems write, and ISO does not know.
ALSO = {
    "GB": ["UK", "Great Britain", "England", "Scotland", "Wales", "Northern Ireland"],
    "GR": ["EL"],
    "NL": ["Holland"],
    "RU": ["Russia"],
    "TR": ["Turkey"],
    "US": ["United States of America", "America"],
}


@lru_cache(maxsize=1_000)
def spellings(name: str) -> tuple[str, ...]:
    """All that mean this country, in capital letters; its ISO code of two letters is the first, where there is one."""
    given = name.strip().upper()
    return tuple(dict.fromkeys([*_known().get(_folded(name), []), given]))


def code_of(name: str) -> str:
    """`GB` for `United Kingdom`; what is no country stays as it is, in capital letters."""
    return spellings(name)[0]


def _folded(name: str) -> str:
    """Without case, blanks around and dots: `U.S.A.` is `usa`."""
    return " ".join(re.sub(r"[^\w\s]", "", name).casefold().split())


@cache
def _known() -> dict[str, list[str]]:
    """By each folded spelling, all spellings of that country."""
    found: dict[str, list[str]] = {}
    for country in pycountry.countries:
        fields = ("alpha_2", "alpha_3", "name", "official_name", "common_name")
        names = [name for field in fields if (name := getattr(country, field, None))]
        every = [name.upper() for name in [*names, *ALSO.get(country.alpha_2, [])]]
        found |= dict.fromkeys(map(_folded, every), every)
    return found
