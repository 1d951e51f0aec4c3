"""What the tests of the dispatch desk share: people with roles, bookings, and the presses of buttons."""

import re
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from bookings.admin.orders import exports
from bookings.models import AreaRestriction, WorkOrder
from tests.support import helpers

LIST = "/admin/bookings/workorder/"
SLOTS = "/admin/bookings/appointmentslot/"


def person(role: str, *areas) -> Client:
    """A user of this role who is logged in; with `areas`, restricted to them."""
    user = User.objects.create(username=f"{role}-{User.objects.count()}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    if areas:
        AreaRestriction.objects.create(user=user).areas.set(areas)
    client = Client()
    client.force_login(user)
    client.user = user
    return client


def slot_in(area="LEEDS", zone="Europe/London", days=0, hour=12, **fields):
    helpers.make_area(area, zone)
    return helpers.make_slot(area, helpers.tomorrow(hour) + timedelta(days=days), **({"capacity": 3} | fields))


def book(slot, order="WO-1", **properties) -> WorkOrder:
    location = {"LocationNum": "L-1", "ServiceAreaID": slot.area.code} | properties.pop("Location", {})
    body = helpers.booking(slot.start, slot.end, **({"Location": location} | properties))
    return helpers.make_booking(order, body)


def numbers(client: Client, **query) -> list[str]:
    """What the list shows, in its order."""
    answer = client.get(LIST, query)
    assert answer.status_code == 200, answer.content[:500]
    return [work_order.order_num for work_order in answer.context["cl"].result_list]


def chosen(*rows) -> str:
    return " ".join(f"{row.pk}:{getattr(row, 'version', None) or row.capacity}" for row in rows)


def perform(client: Client, action: str, *rows, model="workorder", versions=None, **data):
    """Confirm the page of an action; the answer is the page that comes after it, or the refusal."""
    address = reverse(f"admin:bookings_{model}_act", args=[action])
    return client.post(address, {"chosen": versions or chosen(*rows), "do": "perform", **data}, follow=True)


def export(client: Client, kind: str, *rows, query: str = "", columns=tuple(exports.COLUMNS), **data):
    """Press the button on the page of an export, with these columns ticked: the file, or the page again."""
    asked = {"action": kind, "_selected_action": [row.pk for row in rows], "do": "export", "columns": list(columns)}
    return client.post(LIST + query, asked | data)


def text_of(answer) -> str:
    """What is read on a page, without the marks that keep the directions of texts apart."""
    return re.sub(r"\s+", " ", re.sub(r"</?bdi>", "", answer.content.decode()))


def said(answer) -> list[str]:
    """The messages of a page, without the marks that keep the directions of texts apart, and without the way back."""
    return [re.sub(r"</?bdi>| <a [^>]*>Undo</a>", "", str(message)) for message in answer.context["messages"]]


def offered(client: Client, address: str) -> set[str]:
    """The actions that the list offers for what is ticked."""
    form = client.get(address).context["action_form"]
    return {value for value, _ in form.fields["action"].choices if value} if form else set()
