"""What staff type finds the work order: each number, name, address and telephone number that is stored with it."""

import unicodedata

import pytest
from django.db import OperationalError, connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bookings import services, wire
from bookings.models import SearchDocument, WorkOrder
from bookings.services import search_terms
from tests.support import desk, helpers
from tests.support.environment import examples

pytestmark = pytest.mark.django_db

BODY = {
    "Account": {
        "AccountNum": "C-20417",
        "Name": "Ada O'Brien",
        "Addresses": [{"AddrLine1": "12 Kirkgate", "City": "Wakefield"}],
        "Contacts": [{"FirstName": "Ravi", "LastName": "Smith-Jones", "Phones": [{"PhoneNum": "020 7946 0018"}]}],
    },
    "Location": {
        "LocationNum": "L-20417-1",
        "Name": "St. Mary's / AT&T",
        "Email": "reception@st-marys.example.org",
        "Address": {
            "AddrLine1": "Gro\u00dfe Stra\u00dfe 7",
            "City": "K\u00f6ln",
            "Region": "Nordrhein-Westfalen",
            "Country": "DE",
            "Zip": "LS1 4AP",
        },
        "Contacts": [
            {
                "FirstName": "\u0939\u093f\u0928\u094d\u0926\u0940",
                "Email": "hindi@example.org",
                "Phones": [{"PhoneNum": "0113 496 0000"}, {"PhoneNum": "+44 (0)113 496 0022 ext. 17"}],
            }
        ],
    },
    "RequiredParts": [{"ProdNum": "PUMP-17", "PartOrderNum": "MINE/9", "Qty": 1}, {"ProdNum": "SEAL-3", "Qty": 1}],
    "UserName": "asked.worker",
}
FOUND = [
    "O'Brien", "o\u2019brien", "obrien", "O'BRI", "Smith-Jones", "SMITH-JONES", "smith jones", "St. Mary's", "AT&T",
    "Nordrhein-Westfalen", "nordrhein", "\u0939\u093f\u0928\u094d\u0926\u0940", "Grosse Strasse", "GRO\u1e9eE", "koln",
    "2026/00123", "WO-2026/00123", "wo2026", "ls1 4", "LS14AP", "LS1 4AP", "Kirkgate", "Wakefield", "Ravi",
    "0113 496 0000", "+44 113 496 0000", "0044 113 4960000", "496 0000", "0113 496 0000 ext 4", "+44 113 496 0022",
    "+44 (0)113 496 0022 ext. 17", "0113 496 0022", "020 7946 0018", "+44 20 7946 0018",
    "reception@st-marys.example.org", "hindi@example.org", "MINE/9", "PO-", "pump-17", "slot.worker", "asked.worker",
]  # fmt: skip


def found(typed: str) -> list[str]:
    return [work_order.order_num for work_order in WorkOrder.objects.filter(search_terms.found_by(typed))]


ODD = {
    "RequiredParts": [{"ProdNum": "SEAL-3", "EstimatedDelivery": "soon"}],
    "Account": BODY["Account"] | {"Notes": None, "Addresses": [None, "", *BODY["Account"]["Addresses"]]},
    "Location": BODY["Location"]
    | {"StorageLocationID": [], "Address": BODY["Location"]["Address"] | {"AddrLine2": None}},
    "OrderType": None,
}


@pytest.mark.parametrize("odd", ODD)
def test_a_document_is_written_anew_from_whatever_was_booked(odd):
    work_order = book(body=BODY | {odd: ODD[odd]})
    before = helpers.words_of(work_order)
    search_terms.rewrite([work_order])
    assert helpers.words_of(WorkOrder.objects.get()) == set(search_terms.without_beginnings(before))


def book(order="WO-2026/00123", worker="slot.worker", body=BODY) -> WorkOrder:
    return desk.book(desk.slot_in(worker=worker), order, **body)


def test_each_spelling_finds_it_and_it_alone():
    other = {"Account": {"AccountNum": "X-1", "Name": "Else"}, "Location": {"LocationNum": "Y-2"}}
    work_order, _ = book(), desk.book(desk.slot_in(days=1), "Z-9", **other)
    assert {typed: found(typed) for typed in FOUND} == {typed: [work_order.order_num] for typed in FOUND}


@pytest.mark.parametrize("typed", ["rien", "0113 496 0001", "+44 114 496 0000", "O'Brien Else", "a", "!!!", "", "'"])
def test_what_does_not_stand_in_it_does_not_find_it(typed):
    book()
    assert found(typed) == []


def test_few_are_named_by_their_keys_and_many_asked_for_again(monkeypatch):
    """A list of few reads these rows. By a condition on words, a plan may walk through all rows in the list's order."""
    orders = [desk.book(desk.slot_in(hour=10 + number), f"WO-{number}") for number in range(3)]
    for few, is_asked_again in [(3, False), (2, True)]:
        monkeypatch.setattr(search_terms, "FEW", few)
        rows = WorkOrder.objects.filter(search_terms.found_by("WO-")).order_by("pk")
        assert list(rows) == orders
        assert (SearchDocument._meta.db_table in str(rows.query)) == is_asked_again
    assert list(WorkOrder.objects.filter(search_terms.found_by("nothing-like-it"))) == []


def test_a_letter_that_is_typed_alone_is_a_word():
    """It would begin a good part of all words. Letters that are words of their own, such as those of Chinese, do."""
    first = desk.book(desk.slot_in(), "WO-1", Account={"AccountNum": "Q", "Name": "\u674e\u660e"})
    desk.book(desk.slot_in(days=1), "WO-2", Account={"AccountNum": "QQ-3"})
    assert found("q") == found("\u674e") == [first.order_num]


def test_after_a_move_the_new_workers_name_finds_it():
    work_order = book()
    services.move(work_order=work_order, slot=desk.slot_in(days=1, worker="new.person"), by="ann")
    assert found("new.person") == found("O'Brien") == found("MINE/9") == [work_order.order_num]
    assert found("slot.worker") == []


def test_a_document_that_is_missing_is_made_again():
    """The previous release writes none while the new one is installed."""
    work_order = book()
    before = helpers.words_of(work_order)
    SearchDocument.objects.all().delete()
    assert found("O'Brien") == []
    assert (search_terms.add_missing(), search_terms.add_missing()) == (1, 0)
    assert found("O'Brien") == [work_order.order_num]
    assert helpers.words_of(WorkOrder.objects.get()) == set(search_terms.without_beginnings(before))


@pytest.mark.skipif(connection.vendor == "sqlite", reason="a transaction of SQLite is the only writer")
@pytest.mark.django_db(transaction=True)
def test_a_work_order_stays_as_it_is_while_its_document_is_made(monkeypatch):
    """Personal data that is removed meanwhile would come back as words, and those of a practice area would stay."""
    work_order, words_of, was_refused = book(), search_terms.words_of, []
    SearchDocument.objects.all().delete()

    def change_it() -> bool:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1ms'")
            WorkOrder.objects.filter(pk=work_order.pk).update(account_name="")
        except OperationalError:
            return True
        finally:
            connection.close()
        return False

    def words_while_another_changes_it(*arguments, **options):
        was_refused.extend(helpers.at_once([change_it]))
        return words_of(*arguments, **options)

    monkeypatch.setattr(search_terms, "words_of", words_while_another_changes_it)
    assert search_terms.add_missing() == 1
    assert was_refused == [True]
    assert found("O'Brien") == [work_order.order_num]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's index is a table of its own")
def test_the_index_of_sqlite_stays_in_step_with_its_table():
    number = book().order_num
    SearchDocument.objects.update(words="else")
    assert (found("O'Brien"), found("else")) == ([], [number])
    SearchDocument.objects.all().delete()
    assert found("else") == []
    search_terms.add_missing()
    search_terms.forget_removed_words()
    assert found("O'Brien") == [number]
    with connection.cursor() as cursor:
        # Raises where the index and the table differ.
        check = "INSERT INTO {0}({0}, rank) VALUES ('integrity-check', 1)"
        cursor.execute(check.format("bookings_searchdocument_index"))


def test_the_longest_document_fits_into_the_database():
    """A tsvector is a megabyte at most. What comes first, the numbers, is found in any case."""
    work_order = book()
    names = [
        " ".join(f"{chr(0x10400 + contact)}{number:04}".ljust(40, "\U00010437") for number in range(240))
        for contact in range(39)
    ]
    names.append("LS14APx")  # for which there is no room: what begins it is stored all the same
    job = wire.Search.model_validate({"Location": {"Contacts": [{"LastName": name} for name in names]}})
    words = search_terms.words_of(vars(work_order), job)
    assert search_terms.MAX_WORDS - 20 < len(words.split()) <= search_terms.MAX_WORDS
    SearchDocument.objects.update(words=words)
    assert found("WO-2026/00123") == found("LS14AP") == [work_order.order_num]


def test_thousands_of_parts_leave_room_for_the_names():
    """A filter of the desk goes by the word of the worker that was asked for."""
    words = search_terms.words_of(vars(book()), None, numbers=[f"P{number}/{number}" for number in range(3_000)])
    assert {"askedworker", "obrien"} <= {*words.split()}


# What people write: letters and digits of any script with marks and punctuation, never a lone surrogate or NUL.
# Without the iota beneath a letter of ancient Greek: a mark there, and a letter of its own in capitals.
IOTA_BENEATH = "\u0345"
TEXTS = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Cn", "Co"]).filter(
        lambda char: IOTA_BENEATH not in unicodedata.normalize("NFD", char)
    ),
    min_size=1,
    max_size=30,
)
ORDERS = iter(range(1, 1_000_000))


@pytest.fixture
def roomy_slot():
    return desk.slot_in(capacity=1_000)


def is_findable(text: str) -> bool:
    return any(char.isalnum() and unicodedata.category(char)[0] != "M" for char in unicodedata.normalize("NFKD", text))


@settings(
    max_examples=examples(10, torture=600),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(
    texts=st.lists(TEXTS.filter(is_findable), min_size=9, max_size=9), phone=st.from_regex(r"\A\+?[0-9 ()/.-]{6,20}\Z")
)
@example(
    texts=["\u0130stanbul", "stra\u00dfe", "\u1fb3", "\ufb01n", "\u0149x", "O'B", "A.B.C", "x_y", "\u2126"],
    phone="0113 4960000",
)
def test_whatever_is_stored_is_found_as_it_is_typed(roomy_slot, texts, phone):
    name, first, line, city, mail, number, product, worker, part_order = texts
    number = f"{next(ORDERS)} {number}"
    body = {
        "Account": {"AccountNum": "C-1", "Name": name},
        "Location": {
            "LocationNum": "L-1",
            "Email": mail,
            "Address": {"AddrLine1": line, "City": city},
            "Contacts": [{"FirstName": first, "Phones": [{"PhoneNum": phone}]}],
        },
        "RequiredParts": [{"ProdNum": product, "PartOrderNum": part_order}],
        "UserName": worker,
    }
    work_order = desk.book(roomy_slot, number, **body)
    for stored in [*texts, number, phone]:
        unmarked = "".join(
            char for char in unicodedata.normalize("NFD", stored) if unicodedata.category(char)[0] != "M"
        )
        for typed in {stored, stored.upper(), stored.lower(), stored.swapcase(), unmarked}:
            if is_findable(typed):
                assert work_order.order_num in found(typed), (stored, typed)


@given(prefix=st.text(max_size=20), number=st.integers(1, 2**63 - 1))
@example("FU-", 12)
@example("FU", 12)
@example("LS 1 ", 12)
@example("\u017f-\u00df", 7)
def test_the_words_of_a_number_that_is_drawn_later_are_those_of_the_number(prefix, number):
    whole = dict[str, None]()
    search_terms._add_number(whole, f"{prefix}{number}")
    fixed, stems = search_terms.stems_of([(0, prefix)])
    written = {*fixed.split(), *(f"{found['stem']}{number}"[: search_terms.MAX_WORD] for found in stems)}
    assert written <= set(whole)
    assert set(search_terms.without_beginnings(whole)) <= written


def test_a_word_that_begins_another_one_is_not_stored():
    found = ["pump", "pump17", "pump17b", "p", "pu\u00df", "12", "#43", "#4321", "\U00010437", "\U00010437a"]
    assert search_terms.without_beginnings(found) == [
        "pump17b", "p", "pu\u00df", "12", "#43", "#4321", "\U00010437", "\U00010437a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "is_found"), [("pump", True), ("pump-17", True), ("p", True), ("pu", True), ("u", False)]
)
def test_what_begins_a_stored_word_is_found_by_it(typed, is_found):
    work_order = desk.book(desk.slot_in(), "WO-1", RequiredParts=[{"ProdNum": "PUMP-17B"}], UserName="p.pump")
    assert "pump" not in helpers.words_of(work_order)
    assert found(typed) == [work_order.order_num] * is_found
