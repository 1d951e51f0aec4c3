"""What the desk shows and does of delivery: lines, filter, tile, log, *Send again*, pause, resume; roles, areas."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bookings import clock, services
from bookings.delivery import receivers
from bookings.models import Delivery, DeliveryEntry, Receiver, WorkOrder
from bookings.services import feed
from tests.support import desk

pytestmark = pytest.mark.django_db
RECEIVERS = "/admin/bookings/receiver/"
NONE_NOTIFIED = "The customer is not notified. Call them."


def connect(name="ServiceMobility", kind="servicemobility", **columns):
    return receivers.connect(name, kind, by="ann", url="https://sm.example.org", **columns)


def read_feed(receiver):
    """As the leader does that has seen every change."""
    while feed.number_changes():
        pass
    place = max(WorkOrder.objects.values_list("change_num", flat=True), default=0)
    Receiver.objects.filter(pk=receiver.pk).update(place=place)


def deliver(receiver, work_order, **columns):
    """A delivery as the engine leaves it: in step, unless the columns say something else."""
    if "needs_person" in columns or "due_at" in columns:
        columns = {"wanted_at": clock.now()} | columns
    else:
        columns = {"pushed_at": clock.now(), "pushed_plan": "a", "pushed_rest": "b"} | columns
    delivery, _ = Delivery.objects.update_or_create(receiver=receiver, work_order=work_order, defaults=columns)
    read_feed(receiver)
    return delivery


def lines(client, work_order):
    answer = client.get(f"{desk.LIST}{work_order.pk}/change/")
    assert answer.status_code == 200
    return [(line["text"], line["is_bad"]) for line in answer.context.get("delivery_lines", [])]


def tile(client, **query):
    tiles = client.get("/admin/", query).context["board"]["tiles"]
    return next((tile for tile in tiles if tile["title"] == "Not on ServiceMobility"), None)


@pytest.fixture
def viewer():
    return desk.person("viewer")


@pytest.fixture
def dispatcher():
    return desk.person("dispatcher")


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


@pytest.fixture
def slot():
    return desk.slot_in(days=3, capacity=9)


class TestTheLine:
    def clock_text(self, work_order, instant):
        shown = clock.local(instant, work_order.area.zone)
        return f"{shown:%H:%M}"

    def test_without_a_receiver_there_is_none(self, viewer, slot):
        assert lines(viewer, desk.book(slot)) == []

    def test_each_state_has_its_words(self, viewer, slot):
        receiver = connect()
        order = desk.book(slot)
        assert lines(viewer, order) == [("Waiting to be sent to ServiceMobility", False)]
        now = clock.now()
        at = self.clock_text(order, now)
        states = [
            ({"due_at": now, "wanted_at": now}, f"Waiting to be sent to ServiceMobility since {at}", False),
            (
                {"due_at": now, "attempts": 3, "outcome": "503"},
                f"Waiting, 4th try at {at}: 503 (ServiceMobility)",
                False,
            ),
            (
                {"due_at": now, "pushed_at": now - timedelta(seconds=1), "called_at": now - timedelta(seconds=5)},
                f"ServiceMobility took it, and is asked once more at {at}: a call before got no answer.",
                False,
            ),
            (
                {"needs_person": "account C-9 is unknown there", "due_at": None},
                "Needs you: account C-9 is unknown there (ServiceMobility)",
                True,
            ),
            (
                {"wanted_at": None, "due_at": None, "needs_person": "", "pushed_plan": "a", "pushed_at": now},
                f"On ServiceMobility since {at}",
                False,
            ),
            ({"pushed_plan": "", "pushed_rest": "", "pushed_at": now}, f"Taken off ServiceMobility at {at}", False),
            ({"pushed_plan": "", "pushed_rest": "", "pushed_at": None}, "Never was on ServiceMobility", False),
        ]
        for columns, text, is_bad in states:
            Delivery.objects.all().delete()
            deliver(receiver, order, **columns)
            assert lines(viewer, order) == [(text, is_bad)]

    def test_a_visit_that_is_near_and_not_there_is_a_warning(self, viewer):
        receiver = connect()
        order = desk.book(desk.slot_in(hour=12))
        WorkOrder.objects.filter(pk=order.pk).update(visit_start=clock.now() + timedelta(hours=5))
        assert lines(viewer, order) == [("Waiting to be sent to ServiceMobility", True)]
        deliver(receiver, order)
        assert lines(viewer, order)[0][1] is False

    def test_a_receiver_that_is_paused_or_in_trouble(self, viewer, slot):
        receiver = connect()
        order = desk.book(slot)
        receivers.pause(receiver, reason="Release day", by="sue")
        assert lines(viewer, order) == [("Waiting: ServiceMobility is paused by sue: Release day", False)]
        receivers.resume(receiver, by="sue")
        probe = clock.now()
        Receiver.objects.update(trouble="503. Ask its operator.", probe_at=probe)
        at = self.clock_text(order, probe)
        assert lines(viewer, order) == [
            (
                "Waiting: ServiceMobility does not take anything now: 503. Ask its operator."
                f" It is tried again at {at}.",
                False,
            )
        ]

    def test_what_was_booked_before_it_was_connected(self, viewer, slot):
        order = desk.book(slot)
        connect()
        text = "Not sent to ServiceMobility: it was booked before ServiceMobility was connected."
        assert lines(viewer, order) == [(text, False)]
        services.cancel(work_order=order, by="ann", reason="Other")
        assert lines(viewer, order) == [("Waiting to be sent to ServiceMobility", False)]

    def test_each_receiver_has_one_and_those_that_are_off_none(self, viewer, slot):
        connect()
        crm = connect("crm", "webhook")
        order = desk.book(slot)
        deliver(crm, order)
        assert [text.split(" at ")[0] for text, _ in lines(viewer, order)] == [
            "Waiting to be sent to ServiceMobility",
            "Sent to crm",
        ]
        receivers.turn_off(crm, by="ann")
        assert len(lines(viewer, order)) == 1

    def test_the_log_has_the_attempts_and_who_did_what(self, viewer, slot):
        receiver = connect()
        order, other = desk.book(slot), desk.book(slot, "WO-2")
        delivery = deliver(receiver, order)
        receivers.write_line(receiver, DeliveryEntry.Event.WAITS, text="503 <b>came</b>", delivery=delivery)
        receivers.write_line(receiver, DeliveryEntry.Event.SENT_AGAIN, by="dan", delivery=delivery)
        receivers.write_line(
            receiver, DeliveryEntry.Event.ACCEPTED, text="of the other", delivery=deliver(receiver, other)
        )
        text = desk.text_of(viewer.get(f"{desk.LIST}{order.pk}/change/"))
        assert "503 &lt;b&gt;came&lt;/b&gt;" in text
        assert "dan" in text
        assert "of the other" not in text

    def test_a_role_that_may_not_see_deliveries(self, slot):
        connect()
        order, client = desk.book(slot), desk.person("viewer")
        client.user.groups.clear()
        client.user.user_permissions.add(Permission.objects.get(codename="view_workorder"))
        assert lines(client, order) == []
        assert client.get(RECEIVERS).status_code == 403


class TestTheFilterAndTheTile:
    def test_without_a_receiver_there_are_none(self, viewer, slot):
        desk.book(slot)
        assert tile(viewer) is None
        answer = viewer.get(desk.LIST)
        assert "delivery" not in [spec.parameter_name for spec in answer.context["cl"].filter_specs]
        assert desk.numbers(viewer, delivery="missing") == []

    def test_they_agree(self, viewer, slot):
        before = desk.book(slot, "WO-0")
        receiver = connect()
        there, waits, stuck, unread = (desk.book(slot, f"WO-{number}") for number in range(1, 5))
        past = desk.book(desk.slot_in(days=2), "WO-5")
        WorkOrder.objects.filter(pk=past.pk).update(visit_start=clock.now() - timedelta(hours=1))
        deliver(receiver, there)
        deliver(receiver, waits, due_at=clock.now())
        deliver(receiver, stuck, needs_person="account C-9 is unknown there")
        deliver(receiver, past, due_at=clock.now())
        WorkOrder.objects.filter(pk=unread.pk).update(change_num=None)
        missing = {order.order_num for order in (waits, stuck, unread)}
        found = tile(viewer)
        assert (found["count"], found["is_urgent"]) == ("3", False)
        assert set(desk.numbers(viewer, delivery="missing")) == missing
        assert viewer.get(found["link"]).context["cl"].result_count == 3
        assert desk.numbers(viewer, delivery="stuck") == [stuck.order_num]
        assert desk.numbers(viewer, delivery="there") == [there.order_num]
        assert desk.numbers(viewer, delivery="nonsense") == []
        assert before.order_num not in missing

    def test_it_is_red_when_the_visit_is_within_24_hours(self, viewer, slot):
        connect()
        order = desk.book(slot)
        for hours, is_urgent in ((25, False), (23, True), (-1, False)):
            WorkOrder.objects.filter(pk=order.pk).update(visit_start=clock.now() + timedelta(hours=hours))
            assert tile(viewer)["is_urgent"] is is_urgent
            assert ("desk-tile-alarm" in viewer.get("/admin/").content.decode()) is is_urgent

    def test_a_cancellation_that_did_not_arrive_counts_too(self, viewer, slot):
        receiver = connect()
        order = desk.book(slot)
        services.cancel(work_order=order, by="ann", reason="Other")
        deliver(receiver, order, due_at=clock.now())
        assert tile(viewer)["count"] == "1"

    def test_restricted_to_areas(self, slot):
        boston = desk.slot_in("BOSTON", "America/New_York", days=3)
        connect()
        desk.book(slot, "WO-1")
        there = desk.book(boston, "WO-2")
        client = desk.person("viewer", boston.area)
        assert tile(client)["count"] == "1"
        assert desk.numbers(client, delivery="missing") == [there.order_num]

    def test_the_list_says_what_it_is_narrowed_to(self, viewer, slot):
        connect()
        desk.book(slot)
        assert "ServiceMobility: not there yet" in desk.text_of(viewer.get(desk.LIST, {"delivery": "missing"}))


class TestSendAgain:
    def test_it_makes_the_delivery_due_and_keeps_who_did_it(self, dispatcher, slot):
        receiver = connect()
        order = desk.book(slot)
        delivery = deliver(receiver, order, needs_person="account C-9 is unknown there")
        answer = desk.perform(dispatcher, "send_again", order)
        assert desk.said(answer) == ["1 sent again."]
        delivery.refresh_from_db()
        assert (delivery.needs_person, delivery.due_at is not None, delivery.is_uncertain) == ("", True, True)
        entry = DeliveryEntry.objects.latest("pk")
        assert (entry.event, entry.by, entry.delivery) == ("sent_again", dispatcher.user.username, delivery)

    def test_many_at_once(self, dispatcher, slot):
        receiver = connect()
        orders = [desk.book(slot, f"WO-{number}") for number in range(3)]
        for order in orders[:2]:
            deliver(receiver, order)
        page = dispatcher.post(desk.LIST, {"action": "send_again", "_selected_action": [order.pk for order in orders]})
        assert "1 will be skipped" in desk.text_of(page)
        answer = desk.perform(dispatcher, "send_again", *orders)
        assert desk.said(answer) == ["2 sent again.", f"1 skipped. {orders[2].order_num} was not sent to anything yet."]
        assert Delivery.objects.waiting().count() == 2

    def test_it_is_offered_only_where_something_is_sent(self, dispatcher, viewer, slot):
        order = desk.book(slot)
        assert "send_again" not in desk.offered(dispatcher, desk.LIST)
        receiver = connect()
        assert "send_again" in desk.offered(dispatcher, desk.LIST)
        address = f"{desk.LIST}{order.pk}/change/"
        assert "act/send_again/" not in desk.text_of(dispatcher.get(address))
        deliver(receiver, order)
        assert "act/send_again/" in desk.text_of(dispatcher.get(address))
        assert "act/send_again/" not in desk.text_of(viewer.get(address))

    def test_a_viewer_may_not(self, viewer, slot):
        delivery = deliver(connect(), desk.book(slot))
        assert desk.perform(viewer, "send_again", delivery.work_order).status_code == 403
        delivery.refresh_from_db()
        assert delivery.due_at is None

    def test_nor_a_dispatcher_of_another_area(self, slot):
        delivery = deliver(connect(), desk.book(slot))
        client = desk.person("dispatcher", desk.slot_in("BOSTON", "America/New_York").area)
        answer = desk.perform(client, "send_again", delivery.work_order)
        assert desk.said(answer) == ["Nothing was chosen that you may see. Choose again."]
        delivery.refresh_from_db()
        assert delivery.due_at is None


class TestReceivers:
    def versions(self, receiver):
        return f"{receiver.pk}:{int(receiver.paused_at is not None)}"

    def act(self, client, name, receiver, **data):
        return desk.perform(client, name, model="receiver", versions=self.versions(receiver), **data)

    def test_pause_and_resume_with_who_and_why(self, supervisor):
        receiver = connect()
        answer = self.act(supervisor, "pause", receiver, reason="")
        assert "This field is required." in desk.text_of(answer)
        answer = self.act(supervisor, "pause", receiver, reason="Release day")
        assert desk.said(answer) == ["1 paused."]
        receiver.refresh_from_db()
        assert (receiver.paused_reason, receiver.paused_by) == ("Release day", supervisor.user.username)
        answer = self.act(supervisor, "pause", receiver, reason="Another")
        assert desk.said(answer) == [f"1 skipped. ServiceMobility is paused already, by {supervisor.user.username}."]
        assert desk.said(self.act(supervisor, "resume", receiver)) == ["1 resumed."]
        receiver.refresh_from_db()
        assert receiver.paused_at is None
        assert desk.said(self.act(supervisor, "resume", receiver)) == ["1 skipped. ServiceMobility is not paused."]
        events = DeliveryEntry.objects.order_by("pk").values_list("event", "by", "text")[1:]
        assert list(events) == [
            ("paused", supervisor.user.username, "Release day"),
            ("resumed", supervisor.user.username, ""),
        ]

    def test_a_dispatcher_may_not(self, dispatcher):
        receiver = connect()
        assert self.act(dispatcher, "pause", receiver, reason="x").status_code == 403
        receiver.refresh_from_db()
        assert receiver.paused_at is None
        page = desk.text_of(dispatcher.get(f"{RECEIVERS}{receiver.pk}/change/"))
        assert "act/pause/" not in page

    def test_the_list_and_the_page(self, viewer, slot):
        receiver = connect(username="bookjob", secret_files=["/etc/bookjob/sm-password"])
        order, stuck = desk.book(slot, "WO-1"), desk.book(slot, "WO-2")
        deliver(receiver, order, due_at=clock.now())
        delivery = deliver(receiver, stuck, needs_person="account C-9 is unknown there")
        receivers.write_line(receiver, DeliveryEntry.Event.NEEDS_PERSON, text="400", delivery=delivery)
        (row,) = viewer.get(RECEIVERS).context["cl"].result_list
        assert (row.waiting_count, row.stuck_count) == (1, 1)
        for address in (RECEIVERS, f"{RECEIVERS}{receiver.pk}/change/"):
            text = desk.text_of(viewer.get(address))
            assert "no process delivers" in text
            assert "sm-password" not in text
        assert stuck.order_num in text

    @pytest.mark.parametrize(
        ("columns", "text"),
        [
            ({"is_on": False}, "off: it hears of nothing"),
            ({"paused_at": clock.now(), "paused_by": "sue", "paused_reason": "Storm"}, "paused by sue: Storm"),
            ({"lease_until": clock.now() + timedelta(hours=1)}, "takes what is sent"),
            (
                {"lease_until": clock.now() + timedelta(hours=1), "trouble": "401: log-in", "probe_at": clock.now()},
                "401: log-in",
            ),
        ],
    )
    def test_its_state_in_words(self, viewer, columns, text):
        receiver = connect()
        Receiver.objects.update(**columns)
        assert text in desk.text_of(viewer.get(f"{RECEIVERS}{receiver.pk}/change/"))

    def test_restricted_to_areas(self, slot):
        receiver = connect()
        hidden = deliver(receiver, desk.book(slot, "WO-1"), needs_person="no")
        receivers.write_line(receiver, DeliveryEntry.Event.NEEDS_PERSON, text="of Leeds", delivery=hidden)
        boston = desk.slot_in("BOSTON", "America/New_York", days=3)
        seen = deliver(receiver, desk.book(boston, "WO-2"), due_at=clock.now())
        receivers.write_line(receiver, DeliveryEntry.Event.WAITS, text="of Boston", delivery=seen)
        client = desk.person("viewer", boston.area)
        (row,) = client.get(RECEIVERS).context["cl"].result_list
        assert (row.waiting_count, row.stuck_count) == (1, 0)
        text = desk.text_of(client.get(f"{RECEIVERS}{receiver.pk}/change/"))
        assert "of Boston" in text
        assert "of Leeds" not in text
        assert hidden.work_order.order_num not in text

    def test_a_supervisor_adds_changes_and_deletes_none(self, supervisor):
        receiver = connect()
        assert supervisor.get(f"{RECEIVERS}add/").status_code == 403
        assert supervisor.post(f"{RECEIVERS}{receiver.pk}/change/", {"name": "x"}).status_code == 403
        assert supervisor.post(f"{RECEIVERS}{receiver.pk}/delete/", {"post": "yes"}).status_code == 403
        assert Receiver.objects.get().name == "ServiceMobility"

    def test_the_number_of_statements_does_not_grow(self, viewer, slot):
        def count():
            with CaptureQueriesContext(connection) as seen:
                assert viewer.get(f"{RECEIVERS}{receiver.pk}/change/").status_code == 200
            return len(seen)

        receiver = connect()
        count()
        few = count()
        for number in range(3):
            delivery = deliver(receiver, desk.book(slot, f"WO-{number}"))
            receivers.write_line(receiver, DeliveryEntry.Event.ACCEPTED, text="200", delivery=delivery)
        assert count() == few


class TestWhoIsTold:
    def told(self, client, action, order):
        address = f"{desk.LIST}act/{action}/"
        return desk.text_of(client.get(address, {"chosen": desk.chosen(order)}))

    @pytest.mark.parametrize("action", ["move", "cancel"])
    def test_only_what_is_true(self, dispatcher, slot, action):
        order = desk.book(slot)
        assert NONE_NOTIFIED in self.told(dispatcher, action, order)
        receiver = connect()
        text = self.told(dispatcher, action, order)
        assert f"ServiceMobility is told, and by it the technician. {NONE_NOTIFIED}" in text
        receivers.pause(receiver, reason="x", by="sue")
        assert "ServiceMobility is told once it is resumed, and by it" in self.told(dispatcher, action, order)
        connect("crm", "webhook")
        text = self.told(dispatcher, action, order)
        assert "crm is told. Call the customer, unless it is known to notify them." in text
        assert NONE_NOTIFIED not in text
        Receiver.objects.update(is_on=False)
        assert NONE_NOTIFIED in self.told(dispatcher, action, order)

    def test_a_note_reaches_no_customer(self, dispatcher, slot):
        order = desk.book(slot)
        assert NONE_NOTIFIED not in self.told(dispatcher, "note", order)
