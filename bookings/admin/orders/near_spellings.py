"""What may have been meant where a search finds nothing: words that stand in bookings and are spelled alike.

A word is looked for among those that begin alike, because that is what the index is made for: a fault in the first
letter is not mended. What is read is bounded, however many bookings there are. Called by the list of work orders.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice, product

from django.db.models import QuerySet

from bookings.models import SearchDocument, WorkOrder
from bookings.services import search_terms

SHOWN = 3
# Of so many bookings that begin alike the words are compared.
LOOKED_AT = 300
TRIED = 9
LEAST_LETTERS = 3
LIKENESS = 0.7


def near(typed: str, rows: QuerySet[WorkOrder]) -> list[str]:
    """Up to three searches that are like this one and find something among these rows."""
    return list(islice((text for text in _candidates(typed, rows) if _finds(text, rows)), SHOWN))


def _candidates(typed: str, rows: QuerySet[WorkOrder]) -> Iterator[str]:
    pieces = typed.split()[: search_terms.MAX_PIECES]
    spelled = [[piece] if _finds(piece, rows) else _like(piece, rows) for piece in pieces]
    yield from map(" ".join, islice(product(*spelled), TRIED))
    # What finds something by itself, but not together.
    if len(pieces) > 1:
        for number in range(len(pieces)):
            yield " ".join(pieces[:number] + pieces[number + 1 :])


def _like(piece: str, rows: QuerySet[WorkOrder]) -> list[str]:
    word = search_terms.as_word(piece)
    if len(word) < LEAST_LETTERS:
        return []
    words: set[str] = set()
    # Also where the second letter is a wrong one, or two were exchanged.
    for beginning in dict.fromkeys([word[:3], word[:2], word[1::-1], word[0] + word[2]]):
        keys = list(rows.filter(search_terms.found_by(beginning)).order_by().values_list("pk", flat=True)[:LOOKED_AT])
        for text in SearchDocument.objects.filter(pk__in=keys).values_list("words", flat=True):
            words.update(known for known in search_terms.words_in(text) if known.startswith(beginning))
    # A word that begins another one of its booking is not stored by itself: `muller` of muller@example.org.
    beginnings = {known[: len(word)] for known in words}
    return get_close_matches(word, words, SHOWN, LIKENESS) or get_close_matches(word, beginnings, SHOWN, LIKENESS)


def _finds(text: str, rows: QuerySet[WorkOrder]) -> bool:
    return rows.filter(search_terms.found_by(text)).order_by().exists()
