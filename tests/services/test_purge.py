import io
import json
import types
import typing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pydantic import AliasChoices, BaseModel

from bookings import services, wire
from bookings.delivery import receivers
from bookings.models import (
    AppointmentSlot,
    Blackout,
    Delivery,
    DeliveryEntry,
    HistoryEntry,
    LogInRecord,
    Refusal,
    SearchDocument,
    WorkOrder,
)
from bookings.services import housekeeping
from bookings.supply import slots
from bookings.supply.closing import blackouts
from tests.conftest import SERVER, manage
from tests.support.helpers import booking, clock_stands_at, make_area, make_booking, make_slot, words_of

pytestmark = pytest.mark.django_db

# Really past: the database asks its own clock whether a slot is over.
THEN = datetime(2026, 6, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = {"AccountNum": "C-1", "Name": "Ada Mill"}
PLACE = {
    "LocationNum": "L-1",
    "ServiceAreaID": "LEEDS",
    "Address": {"AddrLine1": "7 Mill Lane", "Zip": "LS1 4AP"},
    "Contacts": [{"FirstName": "Ada", "IsPrimary": True, "Phones": [{"PhoneNum": "0113 496 0000"}]}],
}


@pytest.fixture(autouse=True)
def _notes_of_their_own(settings, tmp_path):
    settings.VAR_DIR = tmp_path


def purge(*flags: str, before: str = "2026-07-01") -> str:
    output = io.StringIO()
    call_command("purge", f"--before={before}", *flags, stdout=output)
    return output.getvalue()


def book_in_june(order="WO-1") -> WorkOrder:
    """A booking of June that was moved and cancelled, with the customer in all places that there are."""
    first = AppointmentSlot.objects.filter(start=THEN).first() or make_slot(start=THEN, capacity=9)
    with clock_stands_at(THEN - 24 * HOUR):
        work_order = make_booking(order, booking(first.start, first.end, Account=NAMES, Location=PLACE))
        services.cancel(work_order=work_order, by="dispatcher", reason="Ada Mill is ill")
    return work_order


def everything() -> list:
    return [
        row for model in (AppointmentSlot, WorkOrder, HistoryEntry, SearchDocument) for row in model.objects.values()
    ]


def dump() -> str:
    """All that the database holds of work orders, as text."""
    return str([row for model in (WorkOrder, HistoryEntry) for row in model.objects.values()])


class TestSlots:
    def test_removes_what_is_over_and_was_never_booked(self):
        old = make_slot(start=THEN + 4 * HOUR)
        hidden = make_slot(start=THEN + 8 * HOUR)
        blackouts.close_slots(area=make_area(), start=hidden.start, end=hidden.end, reason="x", by="test")
        stays = [book_in_june().slot, make_slot(start=datetime(2026, 6, 30, 23, tzinfo=UTC))]
        assert purge() == (
            "2 past slots without bookings removed.\n"
            "0 refusals removed.\n"
            "0 log-in records removed.\n"
            "0 lines of the log of receivers removed.\n"
            "Personal data stays: BOOKJOB_PURGE_PERSONAL_DATA is off.\n"
        )
        assert set(AppointmentSlot.objects.all()) == set(stays)
        assert not HistoryEntry.objects.filter(slot__in=[old.pk, hidden.pk]).exists()
        assert "Ada Mill" in dump()
        assert purge().startswith("0 past slots")

    def test_in_batches(self):
        for hour in range(7):
            make_slot(start=THEN + hour * HOUR)
        with mock.patch.object(housekeeping, "BATCH", 3):
            assert purge().startswith("7 past slots")

    def test_a_run_that_was_interrupted_is_run_again(self):
        for hour in range(7):
            make_slot(start=THEN + hour * HOUR)
        with mock.patch.object(housekeeping, "BATCH", 3):
            assert housekeeping.remove_slots(before=datetime(2026, 7, 1, tzinfo=UTC)) == 3
            assert purge().startswith("4 past slots")

    @pytest.mark.parametrize("is_on", [True, False])
    def test_a_dry_run_says_the_same_and_changes_nothing(self, settings, is_on):
        settings.BOOKJOB_PURGE_PERSONAL_DATA = is_on
        make_slot(start=THEN + 4 * HOUR)
        book_in_june()
        before = everything()
        told = purge("--dry-run")
        assert everything() == before
        assert told == purge() + "This was a dry run: nothing was written.\n"


class TestRecords:
    """Refusals and log-in records: nothing refers to them, and they grow for ever otherwise."""

    def refuse(self, at: datetime) -> Refusal:
        return Refusal.objects.create(at=at, error="full", message="x", original_order="WO-1", area=make_area())

    def log_in(self, key: str, failed_at: datetime, succeeded_at: datetime | None = None) -> None:
        LogInRecord.objects.create(key=key, failures=1, failed_at=failed_at, succeeded_at=succeeded_at)

    def test_what_is_old_goes(self):
        self.refuse(THEN)
        stays = self.refuse(datetime(2026, 7, 1, tzinfo=UTC))
        self.log_in("stale", THEN)
        self.log_in("failed again", datetime(2026, 7, 1, tzinfo=UTC), THEN)
        self.log_in("succeeded later", THEN, datetime(2026, 7, 1, tzinfo=UTC))
        told = "1 refusal removed.\n1 log-in record removed.\n"
        before = [*Refusal.objects.values(), *LogInRecord.objects.values()]
        assert told in purge("--dry-run")
        assert [*Refusal.objects.values(), *LogInRecord.objects.values()] == before
        assert told in purge()
        assert Refusal.objects.get() == stays
        assert set(LogInRecord.objects.values_list("key", flat=True)) == {"failed again", "succeeded later"}
        assert "0 refusals removed.\n0 log-in records removed.\n" in purge()

    def test_what_log_in_still_goes_by_stays(self):
        """However late the day: a technician who logged in last week is known at that address."""
        now = timezone.now()
        self.log_in("known", now - timedelta(days=29), now - timedelta(days=29))
        self.log_in("forgotten", now - timedelta(days=31), now - timedelta(days=31))
        assert "1 log-in record removed.\n" in purge(before=str(now.date()))
        assert LogInRecord.objects.get().key == "known"

    def test_the_log_of_receivers_goes_and_how_far_they_are_stays(self):
        receiver = receivers.connect("crm", "webhook", by="test", url="https://crm.example.com")
        delivery = Delivery.objects.create(receiver=receiver, work_order=book_in_june(), pushed_rest="a" * 64)
        for event in ("accepted", "paused"):
            DeliveryEntry.objects.create(receiver=receiver, delivery=delivery, event=event, at=THEN, by="ann")
        stays = DeliveryEntry.objects.get(event="connected")
        before = [*Delivery.objects.values()]
        told = "2 lines of the log of receivers removed.\n"
        assert told in purge("--dry-run")
        assert DeliveryEntry.objects.count() == 3
        assert told in purge()
        assert [*DeliveryEntry.objects.all()] == [stays]
        assert [*Delivery.objects.values()] == before

    def test_in_batches_that_can_be_interrupted(self):
        for number in range(7):
            self.refuse(THEN + number * HOUR)
            self.log_in(str(number), THEN)
        with mock.patch.object(housekeeping, "BATCH", 3):
            assert housekeeping.remove_rows(housekeeping.old_refusals(datetime(2026, 7, 1, tzinfo=UTC))) == 3
            assert "4 refusals removed.\n7 log-in records removed.\n" in purge()

    def test_who_fails_at_this_moment_keeps_the_record(self):
        """Between finding and removing: the DELETE asks again."""
        self.log_in("back again", THEN)
        old = housekeeping.old_log_in_records(datetime(2026, 7, 1, tzinfo=UTC))
        real = type(old).delete

        def delete(rows):
            LogInRecord.objects.update(failed_at=timezone.now(), failures=2)
            return real(rows)

        with mock.patch.object(type(old), "delete", delete):
            housekeeping.remove_rows(old)
        assert LogInRecord.objects.get().failures == 2


class TestPersonalData:
    @pytest.fixture(autouse=True)
    def _on(self, settings):
        settings.BOOKJOB_PURGE_PERSONAL_DATA = True

    def test_is_gone_and_the_numbers_stay(self):
        work_order = book_in_june()
        assert purge().endswith("1 work order emptied of personal data.\n")
        assert not [
            word for word in ("Ada", "Mill", "LS1", "0113", "ill") if f"{word}" in dump().replace("original", "")
        ]
        after = WorkOrder.objects.get(pk=work_order.pk)
        assert (after.order_num, after.original_order, after.account_num, after.body) == (
            work_order.order_num,
            "WO-1",
            "C-1",
            "{}",
        )
        assert list(after.history.values_list("event", "by", "reason")) == [
            ("booked", "tech.jones", ""),
            ("cancelled", "dispatcher", ""),
            ("purged", "purge", ""),
        ]
        words = words_of(after)
        assert {"wo1", "c1", "l1"} <= words
        assert not words & {"ada", "mill", "ls14ap"}
        assert purge().endswith("\n0 work orders emptied of personal data.\n")

    def test_the_body_before_a_move_is_gone_too(self, settings):
        settings.BOOKJOB_FOLLOWUP_POLICY = "move"
        first, second = make_slot(start=THEN), make_slot(start=THEN + 4 * HOUR)
        with clock_stands_at(THEN - 24 * HOUR):
            for slot in (first, second):
                work_order = make_booking("WO-1", booking(slot.start, slot.end, Account=NAMES, Location=PLACE))
        assert "Ada Mill" in work_order.history.get(event="moved").details["before"]["body"]
        purge()
        details = work_order.history.get(event="moved").details
        assert set(details["before"]) == {"area", "slot", "start", "end", "worker"}
        assert "Ada Mill" not in dump()

    def test_a_copy_of_an_old_booking_still_gets_its_answer(self):
        slot = make_slot(start=THEN)
        with clock_stands_at(THEN - 24 * HOUR):
            body = booking(slot.start, slot.end, Account=NAMES)
            first = make_booking(body=body)
        purge()
        with clock_stands_at(THEN + 1000 * HOUR):
            assert make_booking(body=body) == first

    def test_what_is_not_old_stays(self):
        book_in_june()
        assert purge(before="2026-06-01").endswith("\n0 work orders emptied of personal data.\n")
        assert "Ada Mill" in dump()

    def test_in_batches(self):
        for number in range(5):
            book_in_june(f"WO-{number}")
        with mock.patch.object(housekeeping, "BATCH", 2):
            assert purge().endswith("5 work orders emptied of personal data.\n")

    def test_verify_bookings_finds_nothing_wrong(self):
        book_in_june()
        purge()
        output = io.StringIO()
        call_command("verify_bookings", stdout=output)
        assert output.getvalue() == ""


class TestReasons:
    @pytest.fixture(autouse=True)
    def _on(self, settings):
        settings.BOOKJOB_PURGE_PERSONAL_DATA = True

    def test_of_closures_and_blackouts(self):
        booked = book_in_june().slot
        slots.close(slot=booked, by="anna", reason="Ada Mill is ill")
        slots.reopen(slot=AppointmentSlot.objects.get(pk=booked.pk), by="anna")
        slots.close(slot=booked, by="anna", reason="Ada Mill is ill again")
        blackouts.close_slots(area=booked.area, start=booked.start, end=booked.end, reason="Ada's day", by="anna")
        later = datetime(2199, 1, 1, tzinfo=UTC)
        blackouts.close_slots(area=booked.area, start=later, end=later + HOUR, reason="To come", by="anna")
        assert "Reasons of 1 blackout and 1 slot removed.\n" in purge("--dry-run")
        assert "Reasons of 1 blackout and 1 slot removed.\n" in purge()
        every = dump() + str([*Blackout.objects.values(), *AppointmentSlot.objects.values()])
        assert "Ada Mill" not in every
        assert "Ada's day" not in every
        assert "To come" in every
        assert {"closed", "opened"} <= set(HistoryEntry.objects.filter(slot=booked).values_list("event", flat=True))
        assert "Reasons of 0 blackouts and 0 slots removed.\n" in purge()
        call_command("verify_bookings")

    def test_of_a_slot_to_come_stay_whatever_is_asked(self):
        slot = make_slot(start=datetime(2199, 1, 1, tzinfo=UTC))
        slots.close(slot=slot, by="anna", reason="Stocktaking")
        with pytest.raises(IntegrityError), transaction.atomic():
            housekeeping._forget_in_history("slot_id", [slot.pk])


MARK = "qqmark"
# What stays: the numbers by which things are found, codes, times. And the slot, which is put in for each booking.
STAYS = {
    "AccountNum": "C-1", "LocationNum": "L-1", "ProdNum": "PUMP-1", "PartOrderNum": "PO-9", "OrderType": "A",
    "ServiceAreaID": "LEEDS",
}  # fmt: skip
LEFT_OUT = {"TimeConstraints", "Period", "PlannedStartDate", "PlannedEndDate", "BOOKJOB_SLOT_POINTER"}
# All other columns with text, of every table: numbers, codes, who of the staff did what, settings, digests, counters.
# A customer's data gets into none of them.
STAYING_COLUMNS = """
    servicearea.code servicearea.folding servicearea.name servicearea.time_zone areacode.code areacode.folded
    postcodeprefix.country postcodeprefix.prefix
    blackout.worker blackout.closed_by blackout.opened_by blackout.external_id
    schedule.rules scheduleversion.rules scheduleversion.by
    worker.code worker.name ordertype.code ordertype.name
    calendaraddress.digest calendaraddress.worker calendaraddress.made_by calendaraddress.revoked_by
    appointmentslot.order_type appointmentslot.worker appointmentslot.external_id appointmentslot.source
    workorder.order_num workorder.original_order workorder.claim workorder.status workorder.account_num
    workorder.location_num workorder.order_type workorder.fingerprint workorder.caller workorder.reviewed_by
    workorder.cancelled_by partorder.part_order_num requiredpart.prod_num requiredpart.replaces
    historyentry.event historyentry.by historyentry.via historyentry.request_id
    refusal.error refusal.message refusal.original_order refusal.caller refusal.request_id refusal.order_type
    refusal.verdicts emptysearch.order_type emptysearch.reason
    counter.name loginrecord.key dailysum.kind dailysum.order_type dailysum.key
    weeklysum.kind weeklysum.order_type weeklysum.key
    receiver.name receiver.kind receiver.url receiver.username receiver.secret_files receiver.template receiver.move
    receiver.worker receiver.paused_by receiver.paused_reason receiver.lease_holder
    delivery.pushed_plan delivery.pushed_rest deliveryentry.event deliveryentry.by
    apikey.name apikey.beginning apikey.digest apikey.scopes apikey.made_by apikey.revoked_by
    keptanswer.idempotency_key keptanswer.digest keptanswer.claim keptanswer.etag
    savedview.page savedview.name savedview.query
    user.username user.first_name user.last_name user.email user.password group.name permission.name permission.codename
    contenttype.app_label contenttype.model session.session_key session.session_data
    logentry.object_id logentry.object_repr logentry.change_message
"""
PLANT = """
import json, os
from datetime import datetime, timedelta
from django.core.management import call_command
from django.test.utils import setup_test_environment
setup_test_environment()
from bookings import services
from bookings.access import keys
from bookings.supply import slots
from bookings.supply.closing import blackouts
from django.apps import apps
from django.db import models
from bookings.models import ApiKey, KeptAnswer
from bookings.models import AppointmentSlot, Delivery, DeliveryEntry, Receiver, SearchTerm, WorkOrder
from tests.services import test_purge
from tests.support import helpers
body = json.loads(os.environ['BODY'])
first, second = [helpers.make_slot(start=test_purge.THEN + hours * test_purge.HOUR, capacity=9) for hours in (0, 4)]
with helpers.clock_stands_at(test_purge.THEN - 24 * test_purge.HOUR):
    for slot in (first, second):
        period = {"Start": slot.start.isoformat(), "End": slot.end.isoformat()}
        body["TimeConstraints"] = [{"Desc": "qqmark", "Period": period}]
        answer = helpers.post("WO-1", body)
        assert answer.status_code == 200, answer.content
    services.add_note(work_order=WorkOrder.objects.get(), by="anna", note="qqmark note")
    services.review(work_order=WorkOrder.objects.get(), by="anna", note="qqmark review")
    slots.close(slot=second, by="anna", reason="qqmark closed")
    slots.reopen(slot=AppointmentSlot.objects.get(pk=second.pk), by="anna", reason="qqmark opened")
    slots.resize(slot=AppointmentSlot.objects.get(pk=second.pk), capacity=8, by="anna", reason="qqmark resized")
    slots.close(slot=AppointmentSlot.objects.get(pk=second.pk), by="anna", reason="qqmark closed")
    blackouts.close_slots(area=first.area, start=first.start, end=second.end, reason="qqmark blackout", by="anna")
    services.cancel(work_order=WorkOrder.objects.get(), by="anna", reason="qqmark cancelled")
    refused = helpers.post("WO-2", body)
    call_command("update_numbers", "--all", stdout=open(os.devnull, "w"))
    assert refused.status_code == 409, refused.content
    receiver = Receiver.objects.create(
        name="away", kind="webhook", url="https://away.example", connected_at=test_purge.THEN,
        trouble="qqmark", trouble_since=test_purge.THEN, probe_at=test_purge.THEN)
    delivery = Delivery.objects.create(receiver=receiver, work_order=WorkOrder.objects.first(), outcome="qqmark",
        needs_person="qqmark", wanted_at=test_purge.THEN)
    DeliveryEntry.objects.create(receiver=receiver, delivery=delivery, event="waits", at=test_purge.THEN, text="qqmark")
    SearchTerm.objects.create(work_order=WorkOrder.objects.first(), term=b"qqmark")
    keys.make(name="erp", scopes=["search"], areas=None, days=None, by="anna")
    KeptAnswer.objects.create(key=ApiKey.objects.get(), begun_at=test_purge.THEN, body="qqmark")
for model in apps.get_models():
    for field in model._meta.concrete_fields:
        if isinstance(field, (models.CharField, models.TextField, models.JSONField, models.BinaryField)):
            cells = model.objects.values_list(field.name, flat=True)
            there = str([bytes(cell) if isinstance(cell, memoryview) else cell for cell in cells])
            print(f"{model._meta.model_name}.{field.name}", "qqmark" in there.lower())
"""


def filled(model: type[BaseModel]) -> dict:
    """A body with a marker in each text that the wire model knows, whatever is added to it."""
    body = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias or field.alias or name
        key = alias.choices[0] if isinstance(alias, AliasChoices) else alias
        if key not in LEFT_OUT:
            body[key] = STAYS.get(key) or example(field.annotation, key)
    return body


def example(annotation, key: str):
    """A value of the type, with a marker where it is a text."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return example(inner[0], key)
    if origin in (typing.Union, types.UnionType):
        return example(inner[0], key)
    if origin is list:
        return [example(inner[0], key)]
    if origin is dict:
        return {f"{MARK}{key}": example(inner[1], key)}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return filled(annotation)
    examples = {bool: False, float: 1.5, Decimal: 2, date: "2026-06-01", str: MARK if key == "Zip" else f"{MARK} {key}"}
    return examples.get(annotation, f"{MARK} {key}")


def texts(database) -> str:
    """All that the columns of all tables hold, as text."""
    columns = database.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    # One statement: to connect for each column takes longer than all else.
    every = " UNION ALL ".join(f'SELECT "{column}"::text FROM "{table}"' for table, column in columns)
    return str(database.execute(every))


def files(database) -> str:
    found = [file.read_bytes() for file in database.file.parent.glob(f"{database.file.name}*")]
    return b"".join(found).lower().decode("latin-1")


@pytest.mark.parametrize("flags", [[], ["--vacuum"]])
def test_no_marker_stays_anywhere(empty_database, tmp_path, flags):
    """Planted in each property of a body and each column with text; sought in files, log and all columns.

    A property or a column that is new is planted, or fails here until someone decided whether it stays.
    """
    body = filled(wire.BookJob) | {"Unknown": {"Deep": [f"{MARK} x"], f"{MARK}Key": 1}}
    (part,) = body["RequiredParts"]
    body["RequiredParts"].append(part | {"PartOrderNum": "", "SupersededParts": []})  # so a part order is made
    env = {"BOOKJOB_FOLLOWUP_POLICY": "move", "BOOKJOB_PURGE_PERSONAL_DATA": "on"}
    done = manage(empty_database, "shell", "--no-imports", "-c", PLANT, BODY=json.dumps(body), **env)
    assert done.returncode == 0, done.stderr
    columns = dict(line.split() for line in done.stdout.splitlines())
    assert {column for column, is_planted in columns.items() if is_planted == "False"} == set(STAYING_COLUMNS.split())
    look = texts if SERVER else files
    assert MARK in look(empty_database)
    purged = manage(empty_database, "purge", "--before=2026-07-01", *flags, **env)
    assert purged.returncode == 0, purged.stderr
    assert "1 work order emptied" in purged.stdout
    there = look(empty_database)
    where = there.find(MARK)
    assert where < 0, there[max(where - 200, 0) : where + 200]
    assert manage(empty_database, "verify_bookings").stdout == ""


class TestTheHistoryIsStillAppendOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE bookings_historyentry SET reason = ''",
            "UPDATE bookings_historyentry SET details = '{}', reason = ''",
            "DELETE FROM bookings_historyentry",
        ],
    )
    def test_of_a_work_order_that_is_not_purged(self, statement):
        book_in_june()
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    @pytest.mark.parametrize(
        "change",
        ["reason = 'x'", "reason = '', event = 'noted'", "reason = '', by = 'x'", "reason = '', details = '{}'"],
    )
    def test_of_a_purged_one(self, settings, change):
        settings.BOOKJOB_PURGE_PERSONAL_DATA = True
        book_in_june()
        purge()
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE bookings_historyentry SET {change}")

    def test_of_a_slot_to_come(self):
        slot = make_slot(start=datetime(2199, 1, 1, tzinfo=UTC))
        blackouts.close_slots(area=slot.area, start=slot.start, end=slot.end, reason="x", by="test")
        with pytest.raises(IntegrityError), transaction.atomic():
            HistoryEntry.objects.all().delete()


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("soon", "--before soon is not a date such as 2026-12-01."),
        ("20200101", "--before 20200101 is not a date such as 2026-12-01."),
        ("2199-01-01", "--before 2199-01-01 lies in the future. Only what is over can be removed."),
    ],
)
def test_refusals(before, message):
    make_slot(start=THEN)
    with pytest.raises(CommandError) as refused:
        purge(before=before)
    assert str(refused.value) == message
    assert AppointmentSlot.objects.count() == 1


def test_the_shell(empty_database):
    done = manage(empty_database, "purge", "--before=soon")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "CommandError: --before soon is not a date such as 2026-12-01.\n"
