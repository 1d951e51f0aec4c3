"""Finding a work order by what stands in it, as fast among a million as among ten.

Each work order has one document (SearchDocument): the words of its numbers, names, addresses, telephone numbers and
parts. `words_of` makes it, `found_by` turns what staff typed into a query. Words are compared without case, accents
and punctuation: `fu-12` finds FU-1234, `muller` finds Müller, `obrien` and `O'Brien` find O'Brien. A word is found by
its beginning. A telephone number is found by its end, because people leave out the country or add it: 0113 496 0000
finds +44 113 496 0000, and the other way round.

The full-text engine of the database does the rest: a `tsvector` with a GIN index, or FTS5. Neither knows a language
here. The words are folded before they reach it, so that both find the same.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.expressions import RawSQL
from pydantic import ValidationError

from bookings import documents, refusals, wire
from bookings.db import sql
from bookings.models import PartOrder, RequiredPart, SearchDocument, WorkOrder

# Longer words are found by their first letters.
MAX_WORD = 40
# A document of so many words stays below the megabyte that a tsvector may have. Numbers and names come first.
MAX_WORDS = 5_000
# Of what is typed: pieces between blanks, and the words of each.
MAX_PIECES = 10
MAX_WORDS_OF_A_PIECE = 10
# No word holds this character, so that a telephone number is found only as such.
PHONE_MARK = "#"
# A few digits might be anything; so many are a telephone number too.
LEAST_PHONE_DIGITS = 6
LONGEST_COUNTRY_CODE = 3
BATCH = 500
# So many work orders, and no more, are named by their keys where a search finds them.
FEW = 2_000
# Of more than these, so many are known by their keys. Where the newest documents hold as many, the index is not asked:
# of a word that every fourth booking has it reads a quarter of a million entries.
SOME, NEWEST = 100, 5_000

NUMBERS = ("order_num", "original_order", "account_num", "location_num", "postcode")
NAMES = ("account_name", "location_name", "address", "worker")
WORD = re.compile(r"[^\W_]+")
PHONE = re.compile(r"[\d\s()+/.-]+")
EXTENSION = re.compile(r"(?i)(?:[\s,;/]|(?<=\d))*(?:ext(?:ension|n)?|x|#)[\s.:=]*\d{1,6}\s*$")


def words_of(
    columns: Mapping[str, Any],
    job: wire.Search | wire.Customer | None,
    *,
    numbers: Iterable[str] = (),
    slot_worker: str = "",
) -> str:
    """The document of a work order with these columns, which came as `job`: its words, with a blank between them.

    `numbers` are those of its parts and part orders.
    """
    found: dict[str, None] = {}
    for name in NUMBERS:
        _add_number(found, columns[name])
    for name in [*(columns[name] for name in NAMES), slot_worker]:
        _add_words(found, name)
    for number in numbers:
        _add_number(found, number)
    _add_phone(found, columns["phone"])
    if job:
        _add_words(found, job.original_order_num)
        _add_words(found, job.location.email)
        for address in [*job.account.addresses, job.location.address]:
            for text in _texts_of(address):
                _add_words(found, text)
        for contact in [*job.account.contacts, *job.location.contacts]:
            for text in (contact.first_name, contact.last_name, contact.email):
                _add_words(found, text)
            for phone in contact.phones:
                _add_phone(found, phone.phone_num)
    return " ".join(without_beginnings(list(found)[:MAX_WORDS]))


def without_beginnings(words: Collection[str]) -> list[str]:
    """Without those that begin another word, by which they are found. A letter and a telephone number may not be."""
    found = {
        word
        for word, following in pairwise(sorted(words))
        if following.startswith(word) and len(word) > 1 and word[0] != PHONE_MARK
    }
    return [word for word in words if word not in found]


def stems_of(drawn: Iterable[tuple[int, str]]) -> tuple[str, list[dict[str, Any]]]:
    """The words of numbers that are drawn later: those of the prefixes alone, and what numbers are put behind.

    Each of `drawn` is the place of a number and its prefix.
    """
    fixed, stems = [], []
    for place, prefix in drawn:
        whole, open_ended = _stems(prefix)
        fixed += whole
        stems += [{"place": place, "stem": stem} for stem in open_ended]
    return " ".join(fixed), stems


@cache
def _stems(prefix: str) -> tuple[list[str], list[str]]:
    """The words that are the same whatever number is behind the prefix, and the beginnings of the others."""
    with_each = []
    for digit in "0123456789":
        words: dict[str, None] = {}
        _add_number(words, prefix + digit)
        with_each.append(words)
    fixed = [word for word in with_each[0] if all(word in words for words in with_each)]
    # A word that the prefix has, such as the 1 of `LS 1 `, may hide one of the numbers: not of all ten.
    stems = dict.fromkeys(word[:-1] for words in with_each for word in words if word not in fixed)
    kept = without_beginnings(dict.fromkeys([*fixed, *(f"{stem}0" for stem in stems)]))
    return [word for word in fixed if word in kept], list(stems)


class Found(NamedTuple):
    """What a search finds; where that is many, with the keys of some of them."""

    condition: Q
    some: Sequence[int] = ()


def found_by(typed: str) -> Q:
    """The work orders that `find` finds."""
    return find(typed).condition


def find(typed: str) -> Found:
    """The work orders that hold each piece that was typed, or that have this telephone number. Asks the database.

    How many a word finds no statistics tell. Few are named by their keys: then a list of them reads these rows, and
    never walks through a million in its order until it has met enough.
    """
    pieces = [words for words in map(_words, typed.split()) if words][:MAX_PIECES]
    if not pieces:
        return Found(Q(pk__in=[]))
    query = _both(_piece(words[:MAX_WORDS_OF_A_PIECE]) for words in pieces)
    others = _phones_typed(typed)
    if len(pieces) > 1:
        # A number with blanks in it, as it is stored or as it was typed.
        others.append(_beginning("".join(word for words in pieces for word in words)[:MAX_WORD]))
    if others:
        query = _either([query, *others])
    return _found_on_postgresql(query) if sql.on_postgresql() else _found_on_sqlite(query)


def _found_on_postgresql(query: str) -> Found:
    table, fits = SearchDocument._meta.db_table, "words @@ %s::tsquery"
    all_of_them = f"SELECT work_order_id FROM {table} WHERE {fits}"
    newest = f"SELECT work_order_id, words FROM {table} ORDER BY work_order_id DESC LIMIT {NEWEST}"
    first = f"(SELECT min(work_order_id) FROM {table})"
    some = _rows(f"SELECT work_order_id, {first} FROM ({newest}) AS newest WHERE {fits} LIMIT {SOME}", query)
    if len(some) == SOME and _in_all(some) > FEW and _is_among_the_older(query, some):
        return Found(Q(pk__in=RawSQL(all_of_them, [query])), [key for key, _ in some])
    # Apart, so that it is planned for all rows: for the first few PostgreSQL would read the table and not the index.
    found = _rows(f"WITH found AS MATERIALIZED ({all_of_them}) SELECT * FROM found LIMIT {FEW + 1}", query)
    return _found(found, RawSQL(all_of_them, [query]))


def _in_all(some: list[tuple[int, ...]]) -> float:
    """How many there would be if there were as many among the older ones: of few the index tells all."""
    keys, (_, first) = [key for key, _ in some], some[0]
    return len(keys) * (max(keys) - first + 1) / (max(keys) - min(keys) + 1)


def _is_among_the_older(query: str, some: list[tuple[int, ...]]) -> bool:
    """Whether what the newest ones have stands in the middle of the older ones, too.

    A file of bookings that came last, or a customer of these weeks, is in none of them: then the index soon tells all.
    """
    first, oldest = some[0][1], min(key for key, _ in some)
    table = SearchDocument._meta.db_table
    middle = f"SELECT words FROM {table} WHERE work_order_id <= {(first + oldest) // 2} ORDER BY work_order_id DESC"
    return bool(_rows(f"SELECT 1 FROM ({middle} LIMIT {NEWEST}) AS middle WHERE words @@ %s::tsquery LIMIT 1", query))


def _found_on_sqlite(query: str) -> Found:
    """FTS5 ends with the first few that it has found, however many there are."""
    index = f"{SearchDocument._meta.db_table}_index"
    all_of_them = f"SELECT rowid FROM {index} WHERE {index} MATCH %s"
    return _found(_rows(f"{all_of_them} LIMIT {FEW + 1}", query), RawSQL(all_of_them, [query]))


def _found(rows: list[tuple[int, ...]], all_of_them: RawSQL) -> Found:
    keys = [key for (key,) in rows]
    return Found(Q(pk__in=keys)) if len(keys) <= FEW else Found(Q(pk__in=all_of_them), keys[:SOME])


def _rows(text: str, query: str) -> list[tuple[int, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(text, [query])
        return list(cursor)


def as_word(typed: str) -> str:
    """What was typed as the one word that a document would hold of it."""
    return "".join(_words(typed))[:MAX_WORD]


def words_in(document: str) -> list[str]:
    """The words of a document as it is stored. PostgreSQL gives them in quotes."""
    return document.replace("'", "").split()


# --- Keeping the documents ---------------------------------------------------------------------------------


def rewrite(work_orders: Sequence[WorkOrder]) -> None:
    """Write the documents of these work orders anew, as they stand in the database. In the caller's transaction."""
    keys = [work_order.pk for work_order in work_orders]
    numbers: dict[int, list[str]] = {key: [] for key in keys}
    parts = RequiredPart.objects.filter(work_order__in=keys).values_list("work_order_id", "prod_num", "replaces")
    part_orders = PartOrder.objects.filter(work_order__in=keys).values_list("work_order_id", "part_order_num")
    rows: list[tuple[Any, ...]] = [*parts, *part_orders]
    for key, *found in rows:
        numbers[key] += found
    workers = dict(WorkOrder.objects.filter(pk__in=keys).values_list("pk", "slot__worker"))
    SearchDocument.objects.bulk_create(
        [
            SearchDocument(
                work_order_id=row.pk,
                words=words_of(vars(row), _customer(row.body), numbers=numbers[row.pk], slot_worker=workers[row.pk]),
            )
            for row in work_orders
        ],
        update_conflicts=True,
        unique_fields=["work_order"],
        update_fields=["words"],
    )


def add_missing() -> int:
    """Write the documents that are missing, in short transactions; says how many.

    The previous release, which books on while the new one is installed, writes none.
    """
    count = last = 0
    while batch := _add_to_those_after(last):
        count, last = count + len(batch), batch[-1].pk
    return count


@transaction.atomic
def _add_to_those_after(key: int) -> list[WorkOrder]:
    """Nothing changes or removes them meanwhile: a document would say what is not true any more."""
    missing = WorkOrder.objects.filter(search_document=None, pk__gt=key).order_by("pk")
    batch = list(missing.select_for_update(of=("self",))[:BATCH])
    rewrite(batch)
    return batch


def forget_removed_words() -> None:
    """SQLite: make the index anew, in which words that were taken out of documents would stay for a while."""
    if not sql.on_postgresql():
        table = SearchDocument._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table}_index({table}_index) VALUES ('rebuild')")


def _customer(body: str) -> wire.Customer | None:
    try:
        return wire.Customer.model_validate(documents.read_body(body.encode()).document)
    except (ValidationError, refusals.Refused):
        return None  # then the columns are all that is known


def _texts_of(address: wire.PostalAddress) -> Iterator[str]:
    yield from (address.addr_line1, address.addr_line2, address.addr_line3, address.addr_line4)
    yield from (address.city, address.region, address.country, address.intersection, address.zip)


# --- Words -------------------------------------------------------------------------------------------------


def _add_number(found: dict[str, None], number: str) -> None:
    _add_words(found, number)
    if " " in number:  # such as LS1 4AP
        _add_words(found, number.replace(" ", ""))


def _add_words(found: dict[str, None], text: str) -> None:
    """Each word, and each piece between two blanks as a whole, however it is punctuated."""
    if not text:
        return
    if text.isascii() and text.isalnum():  # as most numbers are
        found[text.lower()[:MAX_WORD]] = None
        return
    for piece in text.split():
        words = _words(piece)
        found.update(dict.fromkeys(words))
        if len(words) > 1:
            found["".join(words)[:MAX_WORD]] = None


def _add_phone(found: dict[str, None], text: str) -> None:
    if not text:
        return
    number = EXTENSION.sub("", text)
    for digits in {_digits(number), _digits(text)} - {""}:
        found[_from_its_end(digits)] = None
    if len(_digits(number)) < LEAST_PHONE_DIGITS or not PHONE.fullmatch(text):
        _add_words(found, text)


def _phones_typed(typed: str) -> list[str]:
    number = EXTENSION.sub("", typed)
    digits = _digits(number)
    if len(digits) < LEAST_PHONE_DIGITS or not PHONE.fullmatch(number):
        return []
    phones = [_beginning(_from_its_end(digits))]
    if number.strip().startswith(("+", "00")):
        # It may be stored without the country: then it is what is left of it, and nothing more.
        national = {digits[length:].lstrip("0") for length in range(1, LONGEST_COUNTRY_CODE + 1)}
        phones += [_whole(_from_its_end(rest)) for rest in sorted(national) if len(rest) >= LEAST_PHONE_DIGITS]
    return phones


def _digits(phone: str) -> str:
    """The digits that people agree on: without the zeros in front, and without the one in `+44 (0)113`."""
    plain = unicodedata.normalize("NFKC", phone) if not phone.isascii() else phone
    return re.sub(r"[^0-9]", "", plain.replace("(0)", "")).lstrip("0")


def _from_its_end(digits: str) -> str:
    return PHONE_MARK + digits[::-1][:MAX_WORD]


def _words(text: str) -> list[str]:
    if not text.isascii():
        # Folded twice: what is compatible with a capital letter may be decomposed into one.
        decomposed = unicodedata.normalize("NFKD", text.casefold().replace("\u0131", "i")).casefold()
        text = "".join(char for char in decomposed if unicodedata.category(char)[0] != "M")
        return [word[:MAX_WORD] for word in WORD.findall(text)]
    return [word[:MAX_WORD] for word in WORD.findall(text.lower())]


# --- Queries: the same in the language of each engine ------------------------------------------------------


def _piece(words: list[str]) -> str:
    """What was typed between two blanks: the words of it, or all of it as one."""
    apart = _both(_beginning(word) for word in words)
    return _either([apart, _beginning("".join(words)[:MAX_WORD])]) if len(words) > 1 else apart


def _beginning(word: str) -> str:
    # A single letter begins a good part of all words. Where a letter is a word of its own, it is no ASCII letter.
    if len(word) == 1 and word.isascii():
        return _whole(word)
    return f"'{word}':*" if sql.on_postgresql() else f'"{word}" *'


def _whole(word: str) -> str:
    return f"'{word}'" if sql.on_postgresql() else f'"{word}"'


def _both(queries: Iterable[str]) -> str:
    return f"({(' & ' if sql.on_postgresql() else ' AND ').join(queries)})"


def _either(queries: Iterable[str]) -> str:
    return f"({(' | ' if sql.on_postgresql() else ' OR ').join(queries)})"
