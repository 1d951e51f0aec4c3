"""A body is kept packed, and whatever reads it reads it letter for letter."""

import hashlib
import json

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from hypothesis import example, given
from hypothesis import strategies as st

from bookings.access import tokens
from bookings.db import packing
from bookings.models import Counter, PackedBody, WorkOrder
from bookings.services import feed, housekeeping, public_form, search_terms, wishes
from tests.support import desk
from tests.support.environment import ROOT
from tests.support.helpers import END, START, booking, clock_stands_at, make_slot, post

TEXT = json.dumps(booking(FlexAttrs={"f": {"a": ["Zoë, 7 °C \U0001f6e0"]}}, Unknown=1.50), ensure_ascii=False, indent=3)


@pytest.fixture
def _packed(db, monkeypatch):
    say(monkeypatch, 1)
    make_slot(capacity=9)
    with clock_stands_at():
        yield


def say(monkeypatch, value):
    """Whether bodies are packed, and this process has not asked yet."""
    Counter.objects.update_or_create(name=packing.PACKED, defaults={"value": value})
    monkeypatch.setattr(packing._Memory, "asked_at", float("-inf"))


def book(order="WO-1", text=TEXT) -> WorkOrder:
    answer = post(order, text)
    assert answer.status_code == 200, answer.content
    return WorkOrder.objects.get(order_num=answer.json()["OrderNum"])


def columns() -> list[str]:
    """What stands in the column of each work order."""
    return list(WorkOrder.objects.order_by("pk").values_list("body", flat=True))


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("")
@example((ROOT / "bench" / "booking.json").read_text())
def test_each_text_comes_back(text):
    assert packing.unpack(packing.pack(text)) == text


def test_what_was_packed_can_be_read_for_ever():
    """Who changes a dictionary loses the bodies that it packed: add another one with the next number."""
    sums = {number: hashlib.sha256(words).hexdigest()[:16] for number, words in packing.DICTIONARIES.items()}
    assert sums == {1: "a8388a00274a668c"}
    assert packing.PACKED_BY in sums


def test_a_body_of_the_interface_takes_less_than_a_quarter():
    text = json.dumps(json.loads((ROOT / "bench" / "booking.json").read_text()))
    assert len(packing.pack(text)) < len(text) / 4


@pytest.mark.usefixtures("_packed")
class TestReaders:
    def test_a_booking_has_its_body(self, django_assert_num_queries):
        work_order = book()
        assert columns() == [""]
        assert PackedBody.objects.get().letters == len(TEXT)
        with django_assert_num_queries(1):
            assert (work_order.body, work_order.body) == (TEXT, TEXT)
        assert WorkOrder.objects.defer("body").get().body == TEXT

    def test_many_are_read_with_the_rows(self, django_assert_num_queries):
        for number in range(4):
            book(f"WO-{number}")
        with django_assert_num_queries(4):  # and part orders, parts, history
            assert {found.body for found in feed.with_everything(WorkOrder.objects.all())} == {TEXT}

    def test_what_is_answered(self, django_user_model):
        work_order = book()
        reader = django_user_model.objects.create_user("erp")
        reader.user_permissions.add(Permission.objects.get(codename="read_workorder_by_api"))
        headers = {"x-access-token": tokens.issue_token("erp")}
        for path in ("", f"/{work_order.order_num}"):
            assert TEXT in Client().get(f"/api/v1/workorders{path}", headers=headers).content.decode()
        page = desk.person("supervisor").get(f"/admin/bookings/workorder/{work_order.pk}/change/")
        assert "Zoë, 7 °C" in page.content.decode()

    def test_what_is_worked_out(self):
        work_order = book(text=json.dumps(booking(Location={"ServiceAreaID": "LEEDS", "Email": "zoe@example.org"})))
        assert public_form.read_job(work_order).location.email == "zoe@example.org"
        assert wishes.customer_times([work_order.pk])
        search_terms.rewrite([work_order])
        assert WorkOrder.objects.filter(search_terms.found_by("zoe@example.org")).exists()

    def test_a_page_of_the_feed_has_few_letters(self, monkeypatch):
        """So that a page of large bodies, which are small when packed, is not built in memory."""
        for number in range(3):
            book(f"WO-{number}")
        monkeypatch.setattr(feed, "MOST_LETTERS", len(TEXT) * 2)
        page = feed.read(None, after=None, size=9, modified_since=None, status="")
        assert (len(page.work_orders), page.more) == (2, True)

    def test_a_copy_is_known_where_its_fingerprint_is_of_an_older_rule(self):
        work_order = book()
        WorkOrder.objects.update(fingerprint="older")
        assert book().order_num == work_order.order_num

    def test_one_that_is_read_while_it_changes(self):
        seen = book()
        WorkOrder.objects.update(body="{}")
        PackedBody.objects.all().delete()
        assert seen.body == "{}"


@pytest.mark.usefixtures("_packed")
class TestChanges:
    def test_a_move_by_a_new_body(self, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        later = make_slot(start=END, end=END + (END - START))
        work_order, text = book(), json.dumps(booking(later.start, later.end))
        assert book(text=text).body == text
        assert work_order.history.get(event="moved").details["before"]["body"] == TEXT
        assert (columns(), PackedBody.objects.count()) == ([text], 0)

    def test_personal_data_goes(self):
        work_order = book()
        housekeeping.remove_personal_data(before=END, by="purge", reasons=())
        assert WorkOrder.objects.get(pk=work_order.pk).body == "{}"
        assert (columns(), PackedBody.objects.count()) == (["{}"], 0)

    def test_back_to_the_release_before(self, capsys):
        for number in range(3):
            book(f"WO-{number}")
        WorkOrder.objects.filter(original_order="WO-2").update(body="{}")  # changed, but the packed one was left
        call_command("index_work_orders", "--unpack")
        call_command("index_work_orders", "--unpack")
        assert capsys.readouterr().out == "3 bodies unpacked.\n0 bodies unpacked.\n"
        assert (columns(), PackedBody.objects.count()) == ([TEXT, TEXT, "{}"], 0)


@pytest.mark.usefixtures("_packed")
class TestWhoIsNotPacked:
    def test_nothing_is_before_the_release_before_is_gone(self, monkeypatch):
        say(monkeypatch, 0)
        assert book("WO-1").body == TEXT
        call_command("index_work_orders")
        assert book("WO-2").body == TEXT  # this process has asked a moment ago
        monkeypatch.setattr(packing, "BELIEVED", -1)
        assert book("WO-3").body == TEXT
        assert columns() == [TEXT, TEXT, ""]

    def test_a_large_one_is_not(self):
        text = json.dumps(booking(Notes="x" * packing.LONGEST))
        assert book(text=text).body == text
        assert columns() == [text]


@pytest.mark.usefixtures("_packed")
def test_a_lost_body_is_named(capsys):
    work_order = book()
    packed = PackedBody.objects.get()
    PackedBody.objects.filter(pk=packed.pk).delete()
    with pytest.raises(SystemExit):
        call_command("verify_bookings")
    assert capsys.readouterr().out == f"The body of work order {work_order.order_num} is lost.\n"
