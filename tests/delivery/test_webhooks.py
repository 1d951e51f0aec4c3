"""Webhooks by the Standard Webhooks specification: what is sent, how it is signed, and what answers mean."""

import base64
import json

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from bookings import services
from bookings.access import tokens
from bookings.models import Delivery, Receiver, WorkOrder
from tests.api.test_read_work_orders import get
from tests.delivery.conftest import OTHER_SECRET, SECRET, Delivering
from tests.support import desk
from tests.support.helpers import make_area, make_slot

pytestmark = pytest.mark.django_db


@pytest.fixture
def deliver(db):
    return Delivering(None)


def test_the_body_is_what_the_feed_says_and_the_signature_is_good(add_webhook, hooks, deliver, slot, django_user_model):
    add_webhook()
    reader = django_user_model.objects.create_user("erp")
    reader.user_permissions.add(Permission.objects.get(codename="read_workorder_by_api"))
    desk.book(slot)
    deliver()
    [(headers, body)] = hooks.got
    assert json.loads(body) == get(token=tokens.issue_token("erp")).json()["WorkOrders"][0]
    assert Webhook(SECRET).verify(body, headers) == json.loads(body)
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(body, headers)
    assert headers["content-type"] == "application/json"


def test_what_is_booked_for_practice_is_not_sent(add_webhook, hooks, deliver, slot):
    add_webhook()
    gym = make_area("GYM", is_practice=True)
    there = make_slot("GYM", slot.start, slot.end)
    practised, booked = desk.book(there, "WO-2"), desk.book(slot)
    deliver()
    assert [document["OrderNum"] for document in hooks.documents()] == [booked.order_num]
    assert (practised.area, Delivery.objects.count()) == (gym, 1)


def test_two_secrets_while_they_are_rotated(add_webhook, hooks, deliver, slot):
    add_webhook("erp", SECRET, OTHER_SECRET)
    desk.book(slot)
    deliver()
    [(headers, body)] = hooks.got
    for secret in (SECRET, OTHER_SECRET):
        Webhook(secret).verify(body, headers)


def test_several_changes_are_one_call_and_the_last_state(add_webhook, hooks, deliver, slot):
    add_webhook()
    booked = desk.book(slot)
    services.review(work_order=booked, by="dispatcher")
    services.cancel(work_order=WorkOrder.objects.get(), by="dispatcher", reason="No longer needed")
    deliver()
    [document] = hooks.documents()
    assert (document["Status"], document["CancelReason"]) == ("cancelled", "No longer needed")
    deliver()
    assert len(hooks.got) == 1


def test_a_retry_has_the_same_id_and_a_new_state_another_one(add_webhook, hooks, deliver, slot):
    add_webhook()
    booked = desk.book(slot)
    hooks.answers.append((503, "away", {}))
    deliver.until_settled()
    services.add_note(work_order=booked, by="dispatcher", note="Ring twice")
    deliver()
    ids = [headers["webhook-id"] for headers, _ in hooks.got]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 408, 410, 425, 429, 500, 503])
def test_of_the_receiver(add_webhook, hooks, deliver, slot, status):
    receiver = add_webhook()
    booked = desk.book(slot)
    hooks.answers.append((status, "", {"Location": "/elsewhere"}))
    deliver()
    delivery, receiver = Delivery.objects.get(), Receiver.objects.get(pk=receiver.pk)
    assert (delivery.needs_person, delivery.attempts) == ("", 0)
    assert str(status) in receiver.trouble
    deliver.until_settled()
    receiver.refresh_from_db()
    assert (receiver.trouble, len(hooks.got)) == ("", 2)
    assert deliver.of(booked, "erp").wanted_at is None


@pytest.mark.parametrize("status", [400, 413, 422])
def test_of_the_order(add_webhook, hooks, deliver, slot, status):
    add_webhook()
    desk.book(slot)
    hooks.answers.append((status, "no", {}))
    with pytest.raises(SystemExit) as end:
        call_command("deliver", once=True)
    assert end.value.code == 1
    assert Delivery.objects.get().needs_person == f"{status} for the webhook"
    assert Receiver.objects.get().trouble == ""


def test_each_receiver_by_itself(add_webhook, hooks, connect, simulator, slot):
    connect()
    add_webhook("erp")
    add_webhook("crm")
    booked = desk.book(slot)
    simulator.add_fault("unavailable", method="POST")
    Delivering(simulator)()
    assert len(hooks.got) == 2
    assert Delivery.objects.open().get().receiver.name == "ServiceMobility"
    assert {row.receiver.name for row in booked.deliveries.all()} == {"ServiceMobility", "erp", "crm"}


def test_removed(add_webhook, hooks, deliver, slot):
    add_webhook()
    desk.book(slot)
    deliver()
    call_command("remove_webhook", "erp")
    assert not Receiver.objects.exists()
    assert not Delivery.objects.exists()
    desk.book(slot, "WO-2")
    deliver()
    assert len(hooks.got) == 1


def test_a_secret_may_be_changed_in_its_file(add_webhook, hooks, deliver, slot):
    receiver = add_webhook()
    with open(receiver.secret_files[0], "w") as file:
        file.write(OTHER_SECRET)
    desk.book(slot)
    deliver()
    [(headers, body)] = hooks.got
    Webhook(OTHER_SECRET).verify(body, headers)


def test_a_secret_that_is_gone_is_a_trouble_that_says_which(add_webhook, hooks, deliver, slot, tmp_path):
    receiver = add_webhook()
    (tmp_path / "erp-0.secret").unlink()
    desk.book(slot)
    deliver()
    receiver.refresh_from_db()
    assert receiver.trouble.startswith(
        "The file of the secret: erp-0.secret cannot be read: No such file or directory."
    )
    assert base64.b64encode(b"secret").decode() not in receiver.trouble
    (tmp_path / "erp-0.secret").write_text(SECRET)
    deliver.until_settled()
    assert len(hooks.got) == 1
