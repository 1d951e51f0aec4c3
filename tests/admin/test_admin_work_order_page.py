"""One work order as a dispatcher sees it, the exports, the roles, and the history that cannot be rewritten."""

import csv
import io
import re
import tracemalloc
from datetime import UTC, datetime
from importlib import import_module

import openpyxl
import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from openpyxl.utils.escape import unescape

from bookings import services
from bookings.admin.orders import exports
from bookings.models import HistoryEntry, WorkOrder
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.fixture
def full():
    """A booking of everything that the contract knows."""
    slot = desk.slot_in(order_type="", capacity=5)
    sample = helpers.sample("book_full.json")
    when = helpers.booking(slot.start, slot.end)["TimeConstraints"]
    location = sample["Location"] | {"ServiceAreaID": "LEEDS"}
    body = sample | {"TimeConstraints": when, "OriginalOrderNum": "WO-1", "Location": location}
    return helpers.make_booking("WO-1", body), body


def text_of(client, work_order) -> str:
    answer = client.get(f"{desk.LIST}{work_order.pk}/change/")
    assert answer.status_code == 200
    return desk.text_of(answer)


def test_it_shows_all_that_came(supervisor, full):
    work_order, body = full
    page = text_of(supervisor, work_order)
    for text in (
        body["Account"]["Name"],
        body["Account"]["AccountNum"],
        body["Location"]["Address"]["AddrLine1"],
        body["Location"]["Contacts"][0]["Phones"][0]["PhoneNum"],
        body["Assets"][0]["SerialNum"],
        body["Assets"][0]["FlexView"][0]["Title"],
        body["Assets"][0]["FlexView"][0]["Items"][0]["Label"],
        "visitLength",
        str(work_order.slot),
        "openstreetmap.org/",
        "tech.jones",
        "<details",
        "&quot;OriginalOrderNum&quot;",
    ):
        assert text in page, text
    for part in work_order.required_parts.all():
        assert part.prod_num in page
    for part_order in work_order.part_orders.all():
        assert part_order.part_order_num in page


def test_nothing_of_it_is_run_by_the_browser(supervisor):
    evil = "<script>alert(1)</script>"
    work_order = desk.book(
        desk.slot_in(),
        Account={"AccountNum": evil, "Name": evil, "Website": "javascript:alert(1)"},
        Location={"Notes": evil, "Address": {"AddrLine1": evil, "Zip": evil}},
        FlexAttrs={evil: {evil: [evil]}},
        RequiredParts=[{"ProdNum": evil, "PartStatus": evil}],
        Assets=[{"Desc": evil, "FlexView": [{"Title": evil, "Items": [{"Label": evil, "Value": {evil: [evil]}}]}]}],
    )
    services.add_note(work_order=work_order, by=evil, note=evil)
    assert evil not in text_of(supervisor, work_order)
    assert 'href="javascript' not in text_of(supervisor, work_order)
    assert evil not in supervisor.get(desk.LIST).content.decode()


def test_other_bookings_of_the_same_order_or_account(supervisor):
    account = {"AccountNum": "C-9"}
    one = desk.book(desk.slot_in(), "WO-1", Account=account)
    same_account = desk.book(desk.slot_in(days=1), "WO-2", Account=account)
    other = desk.book(desk.slot_in(days=2), "WO-3", Account={"AccountNum": "C-8"})
    services.cancel(work_order=one, by="ann", reason="Other")
    same_order = desk.book(desk.slot_in(days=3), "WO-1", Account={"AccountNum": "C-7"})
    page = text_of(supervisor, one)
    assert same_account.order_num in page
    assert same_order.order_num in page
    assert other.order_num not in page


def test_a_body_of_other_rules_is_shown_as_it_is(supervisor):
    work_order = desk.book(desk.slot_in())
    for body, shown in (('{"Account": 7}', "&quot;Account&quot;: 7"), ("no json", "no json")):
        WorkOrder.objects.filter(pk=work_order.pk).update(body=body)
        assert shown in text_of(supervisor, work_order)


def test_the_history_tells_before_and_after(supervisor, full):
    work_order, _ = full
    before, target = work_order.slot, desk.slot_in(days=1)
    services.move(work_order=work_order, slot=target, by="ann", reason="Customer asked")
    page = text_of(supervisor, work_order)
    assert f"before: {before}" in page
    assert f"after: {target}" in page
    assert "Customer asked" in page
    assert "ann" in page


def test_a_work_order_that_is_not_there(supervisor):
    answer = supervisor.get(f"{desk.LIST}999/change/", follow=True)
    assert "doesn’t exist" in desk.said(answer)[0]


class TestExports:
    def export(self, client, kind, *rows, query="?view=all"):
        answer = desk.export(client, kind, *rows, query=query)
        assert answer.streaming
        return answer.getvalue()

    def tables(self, client, *rows):
        text = self.export(client, "csv", *rows).decode("utf-8-sig")
        sheet = openpyxl.load_workbook(io.BytesIO(self.export(client, "xlsx", *rows))).active
        assert all(cell.data_type in ("s", "inlineStr", "n", "d") for row in sheet for cell in row)
        rows = [[exports._text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
        days = exports.COLUMN_NAMES.index("Day")
        # A day is read as its midnight.
        rows = [[*row[:days], row[days].removesuffix(" 00:00"), *row[days + 1 :]] for row in rows]
        return list(csv.reader(io.StringIO(text))), rows

    def test_both_hold_the_same(self, supervisor):
        slot = desk.slot_in()
        one = desk.book(slot, "WO-1", Account={"AccountNum": "C-1", "Name": 'Müller "&" <Söhne>,\nLeeds'})
        two = desk.book(slot, "WO-2")
        services.cancel(work_order=two, by="ann", reason="Other")
        as_csv, as_xlsx = self.tables(supervisor, one, two)
        assert as_csv == as_xlsx
        assert as_csv[0] == exports.COLUMN_NAMES
        cells = {row[0]: dict(zip(exports.COLUMNS, row, strict=True)) for row in as_csv[1:]}
        local = slot.start.astimezone(slot.area.zone)
        assert cells[one.order_num]["Customer"] == 'Müller "&" <Söhne>,\nLeeds'
        assert cells[one.order_num]["From"] == f"{local:%H:%M}"
        assert cells[one.order_num]["Time zone"] == "Europe/London"
        assert (cells[two.order_num]["State"], cells[two.order_num]["Reason"]) == ("cancelled", "Other")

    @pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
    def test_no_formula_gets_through(self, supervisor, evil):
        work_order = desk.book(desk.slot_in(), Account={"AccountNum": "C-1", "Name": evil})
        for table in self.tables(supervisor, work_order):
            shown = table[1][exports.COLUMN_NAMES.index("Customer")]
            assert shown.startswith("'"), shown

    @pytest.mark.parametrize("evil", ["Smith;=1+1", "Smith;\t=1+1", "Smith\t@A1", "Smith\n-1", "a|+1", "a; \uff1d1"])
    def test_no_formula_gets_through_where_another_mark_parts_the_columns(self, supervisor, evil):
        work_order = desk.book(desk.slot_in(), Account={"AccountNum": "C-1", "Name": evil})
        for mark in ";\t|":
            text = self.export(supervisor, "csv", work_order).decode("utf-8-sig")
            for row in csv.reader(io.StringIO(text), delimiter=mark):
                assert not [cell for cell in row if cell.strip().startswith(tuple("=+-@\uff1d\uff0b\uff0d\uff20"))], row

    def test_a_phone_number_stays_as_it_is(self, supervisor):
        location = {"Contacts": [{"Phones": [{"PhoneNum": "+44 (0)113 496-0000"}]}]}
        work_order = desk.book(desk.slot_in(), Location=location)
        for table in self.tables(supervisor, work_order):
            assert table[1][exports.COLUMN_NAMES.index("Phone")] == "+44 (0)113 496-0000"

    def test_a_spreadsheet_gets_days_times_and_numbers(self, supervisor):
        slot = desk.slot_in()
        parts = [{"ProdNum": "A", "Qty": 1, "EstimatedDelivery": "2026-12-01T09:30:59.5Z"}]
        work_order = desk.book(slot, RequiredParts=parts, Account={"AccountNum": "0047", "Name": "_x0042_ \x0b"})
        sheet = openpyxl.load_workbook(io.BytesIO(self.export(supervisor, "xlsx", work_order))).active
        head, row = sheet.iter_rows(values_only=True)
        local = slot.start.astimezone(slot.area.zone).replace(tzinfo=None)
        cells = dict(zip(head, row, strict=True))
        assert cells["Day"] == local.replace(hour=0, minute=0)
        assert cells["From"] == local.time()
        assert cells["Parts expected"] == datetime(2026, 12, 1, 9, 30)
        assert (cells["Parts"], cells["Account"], unescape(cells["Customer"])) == (1, "0047", "_x0042_ \x0b")
        assert sheet.freeze_panes == "B2"
        assert sheet.column_dimensions["P"].width > 30

    def test_a_sheet_that_is_full_is_followed_by_another(self, supervisor, monkeypatch):
        monkeypatch.setattr(exports, "ROWS_OF_A_SHEET", 3)
        slot = desk.slot_in(capacity=9)
        rows = [desk.book(slot, f"WO-{number}") for number in range(5)]
        book = openpyxl.load_workbook(io.BytesIO(self.export(supervisor, "xlsx", *rows)))
        assert book.sheetnames == ["Work orders", "Work orders 2", "Work orders 3"]
        sheets = [list(sheet.iter_rows(values_only=True)) for sheet in book]
        assert [len(sheet) for sheet in sheets] == [3, 3, 2]
        assert {sheet[0] for sheet in sheets} == {tuple(exports.COLUMNS)}
        assert {row[0] for sheet in sheets for row in sheet[1:]} == {row.order_num for row in rows}

    @pytest.mark.parametrize("due", [datetime(1900, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, 23, 59, tzinfo=UTC)])
    def test_the_first_and_last_days_that_a_date_may_have(self, supervisor, due):
        area = helpers.make_area("LA", "America/Los_Angeles")
        slot = helpers.make_slot(area.code, helpers.tomorrow())
        work_order = desk.book(slot)
        WorkOrder.objects.update(parts_due_at=due)
        shown = f"{due.astimezone(area.zone):%Y-%m-%d %H:%M}"
        for table in self.tables(supervisor, work_order):
            assert table[1][exports.COLUMN_NAMES.index("Parts expected")] == shown

    def test_only_what_was_chosen(self, supervisor):
        slot = desk.slot_in()
        one, two = desk.book(slot, "WO-1"), desk.book(slot, "WO-2")
        text = self.export(supervisor, "csv", two).decode()
        assert two.order_num in text
        assert f"{one.order_num}," not in text

    def test_the_page_offers_all_columns(self, supervisor):
        slot = desk.slot_in()
        rows = [desk.book(slot, f"WO-{number}") for number in range(2)]
        page = supervisor.post(desk.LIST + "?view=all", {"action": "csv", "_selected_action": [row.pk for row in rows]})
        boxes = re.findall(r'<input type="checkbox" name="columns" value="([^"]*)"[^>]* checked', page.content.decode())
        assert boxes == exports.COLUMN_NAMES
        assert "Chosen: 2." in desk.text_of(page)
        # What it posts is what was ticked in the list.
        posted = re.findall(r'<input type="hidden" name="_selected_action" value="(\d+)"', page.content.decode())
        assert posted == [str(row.pk) for row in rows]

    @pytest.mark.parametrize("kind", ["csv", "xlsx"])
    def test_chosen_columns_in_the_order_of_the_file(self, supervisor, kind):
        work_order = desk.book(desk.slot_in(), "WO-1", Account={"AccountNum": "C-1"})
        content = desk.export(supervisor, kind, work_order, columns=["Account", "Number", "Account"]).getvalue()
        if kind == "csv":
            table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        else:
            table = [list(row) for row in openpyxl.load_workbook(io.BytesIO(content)).active.values]
        assert table == [["Number", "Account"], [work_order.order_num, "C-1"]]
        # Nothing is remembered.
        again = supervisor.post(desk.LIST, {"action": kind, "_selected_action": [work_order.pk]})
        assert again.content.decode().count(" checked") == len(exports.COLUMNS)

    @pytest.mark.parametrize("columns", [[], ["body"], ["Number", "Nummer"], ["number"], [""]])
    def test_no_column_or_one_that_is_none(self, supervisor, columns):
        work_order = desk.book(desk.slot_in())
        answer = desk.export(supervisor, "csv", work_order, columns=columns)
        assert not answer.streaming
        (fault,) = answer.context["form"].errors["columns"]
        assert fault.startswith("Select a valid choice." if columns else "Tick one column at least.")

    def test_rows_are_read_as_they_are_sent(self, supervisor):
        slot = desk.slot_in()
        rows = [desk.book(slot, f"WO-{number}") for number in range(3)]
        with CaptureQueriesContext(connection) as captured:
            chunks = iter(exports.csv_response(WorkOrder.objects.all(), exports.COLUMN_NAMES))
            next(chunks), next(chunks)
            assert len(captured) == 0
            assert len(list(chunks)) == len(rows)
        assert len(captured) == 1

    @pytest.mark.slow  # two seconds
    def test_a_sheet_has_a_row_in_memory_at_a_time(self, monkeypatch):
        monkeypatch.setattr(exports, "_rows", lambda *_: ([f"cell {number}"] * 27 for number in range(1_000)))
        import_module("xlsxwriter")  # as the first export does
        tracemalloc.start()
        try:
            exports._xlsx(WorkOrder.objects.none(), exports.COLUMN_NAMES).close()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 1_000_000  # of 27,000 cells, whose texts alone are larger

    def test_what_xml_cannot_hold(self, supervisor, monkeypatch):
        monkeypatch.setattr(exports, "_rows", lambda *_: [["a\x01b\ud800\uffff<"]])
        with exports._xlsx(WorkOrder.objects.none(), exports.COLUMN_NAMES) as file:
            sheet = openpyxl.load_workbook(file).active
        assert unescape(sheet["A2"].value) == "a\x01b\ufffd\ufffd<"


class TestRolesOfTheMigration:
    roles = import_module("bookings.migrations.0007_roles")

    def granted(self):
        return {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}

    def test_what_each_role_may(self):
        granted = self.granted()
        assert {"viewer", "dispatcher", "supervisor"} <= granted.keys()
        assert granted["viewer"] < granted["dispatcher"] < granted["supervisor"]
        assert all(name.startswith("view_") for name in granted["viewer"])
        assert granted["dispatcher"] - granted["viewer"] == {
            "review_workorder",
            "note_workorder",
            "move_workorder",
            "cancel_workorder",
            "send_again",
            "clear_blackout",
            "book_refusal",
        }
        assert {"bulk_cancel_workorder", "export_workorder", "close_appointmentslot"} <= granted["supervisor"]
        assert not [name for names in granted.values() for name in names if "delete_workorder" in name]

    def test_safe_to_repeat_and_nothing_is_taken_away(self):
        before = self.granted()
        viewer = Group.objects.get(name="viewer")
        extra = Group.objects.get(name="supervisor").permissions.get(codename="export_workorder")
        viewer.permissions.add(extra)
        # What later migrations grant is theirs to grant again.
        codenames = [name for given in self.roles.ROLES["dispatcher"] for names in given.values() for name in names]
        taken = Permission.objects.filter(content_type__app_label="bookings", codename__in=codenames)
        Group.objects.get(name="dispatcher").permissions.remove(*taken)
        assert self.granted()["dispatcher"].isdisjoint(codenames)
        for _ in range(2):
            self.roles.make_roles(apps, None)
        assert self.granted() == before | {"viewer": before["viewer"] | {"export_workorder"}}


def test_the_history_cannot_be_rewritten_after_the_migrations_of_the_desk():
    entry = desk.book(desk.slot_in()).history.get()
    for change in (
        lambda: HistoryEntry.objects.filter(pk=entry.pk).update(by="stranger"),
        lambda: HistoryEntry.objects.filter(pk=entry.pk).delete(),
    ):
        with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic():
            change()
