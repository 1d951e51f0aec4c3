"""Finding a work order by the beginning of a word of it, as fast among a million as among ten.

`terms` are written with the work order; `found_by` turns what somebody typed into conditions on them. Words are
compared without case, accents and punctuation: `fu-12` finds FU-1234, `muller` finds Müller, `ls1 4` finds LS1 4AP.
A telephone number is found by its end, because people leave out the country: 0113 496 0000 finds +44 113 496 0000.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Q

from bookings.models import SearchTerm

# Longer words are found by their first letters.
MAX_TERM = 40
# No word holds this character, so that a telephone number is found only as such.
PHONE_MARK = "#"
# A few digits might be anything; so many are a telephone number too.
LEAST_PHONE_DIGITS = 6
MAX_WORDS = 10
NUMBERS = ("order_num", "original_order", "account_num", "location_num", "postcode")
WORD = re.compile(r"[^\W_]+")


def terms(columns: Mapping[str, Any], product_numbers: Iterable[str]) -> set[bytes]:
    """Under which words a work order with these columns is found."""
    numbers = [*(columns[name] for name in NUMBERS), *product_numbers]
    found = set(_words(" ".join([*numbers, columns["account_name"], columns["location_name"]])))
    # A number is found by its parts, and as a whole however it is punctuated.
    found.update("".join(_words(number))[:MAX_TERM] for number in numbers if not number.isalnum())
    found.add(_from_its_end(columns["phone"]))
    return {term.encode() for term in found if term}


def found_by(typed: str) -> Q:
    """The work orders for which each word that was typed begins one of theirs, or which have this telephone number."""
    condition = Q()
    words = ["".join(_words(word))[:MAX_TERM] for word in typed.split()]
    for word in [word for word in words if word][:MAX_WORDS]:
        condition &= Q(pk__in=_beginning_with(word))
    if not condition:
        return Q(pk__in=[])
    phone = _from_its_end(typed)
    if len(phone) > LEAST_PHONE_DIGITS and re.fullmatch(r"[\d\s()+/.-]+", typed):
        condition |= Q(pk__in=_beginning_with(phone))
    return condition


def _beginning_with(word: str) -> object:
    first = word.encode()
    # 0xff occurs in no UTF-8 text: the range holds whatever begins like this, and nothing else.
    return SearchTerm.objects.filter(term__gte=first, term__lt=first + b"\xff").values("work_order_id")


def _words(text: str) -> list[str]:
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return [word[:MAX_TERM] for word in WORD.findall(text.casefold())]


def _from_its_end(phone: str) -> str:
    digits = re.sub(r"\D", "", phone).lstrip("0")
    return PHONE_MARK + digits[::-1][:MAX_TERM] if digits else ""
