"""One finding, and how many things of a kind it names."""

from typing import NamedTuple

NAMED = 10


class Finding(NamedTuple):
    """`is_urgent`: a promise is in danger, or a duty is not done."""

    is_urgent: bool
    sentence: str
