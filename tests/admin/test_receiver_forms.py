"""Receivers are connected and changed on the desk: by the rules of the commands, with roles, and no secret is shown."""

import pytest
from django.contrib.auth.models import Permission

from bookings.delivery import receivers
from bookings.models import DeliveryEntry, Receiver
from tests.delivery.test_commands import ADDRESSES, RATES
from tests.support import desk

pytestmark = pytest.mark.django_db

LIST = "/admin/bookings/receiver/"
URL = "https://fsm.example.com"
FILE = "/etc/bookjob/of-the-tests.secret"
WEBHOOK = {"what": "webhook", "name": "crm", "url": URL, "secret_files": FILE, "rate": "5"}
SERVICEMOBILITY = {
    "what": "servicemobility",
    "url": f"{URL}/",
    "username": "bookjob",
    "secret_files": FILE,
    "rate": "7.5",
    "move": "patch",
    "worker": "none",
    "template": '{"Priority": 3}',
}


@pytest.fixture
def operator():
    """A supervisor who was also given the right to connect and change receivers."""
    client = desk.person("supervisor")
    client.user.user_permissions.add(*Permission.objects.filter(codename__in=["add_receiver", "change_receiver"]))
    return client


def connect(client, given, **other):
    return client.post(f"{LIST}add/", given | other, follow=True)


def change(client, receiver, version=None, **given):
    versions = f"{receiver.pk}:{receiver.settings_version if version is None else version}"
    return desk.perform(client, "change", model="receiver", versions=versions, **given)


def errors(answer):
    return {name: " ".join(said) for name, said in answer.context["form"].errors.items()}


def log():
    return list(DeliveryEntry.objects.order_by("pk").values_list("event", "by", "text"))


class TestConnect:
    def test_servicemobility(self, operator):
        answer = connect(operator, SERVICEMOBILITY)
        assert desk.said(answer) == ["ServiceMobility is connected. It hears of all changes from now on."]
        receiver = Receiver.objects.get()
        assert (receiver.name, receiver.kind, receiver.url) == ("ServiceMobility", "servicemobility", URL)
        assert (receiver.username, receiver.secret_files, receiver.rate) == ("bookjob", [FILE], 7.5)
        assert (receiver.move, receiver.worker, receiver.template) == ("patch", "none", {"Priority": 3})
        assert log() == [("connected", operator.user.username, URL)]
        assert "already" in errors(connect(operator, SERVICEMOBILITY))["what"]
        receivers.turn_off(receiver, by="ann")
        connect(operator, SERVICEMOBILITY)
        assert Receiver.objects.get().is_on

    def test_a_webhook(self, operator):
        connect(operator, WEBHOOK, secret_files=f"{FILE}\r\n{FILE}.old\r\n")
        receiver = Receiver.objects.get()
        assert (receiver.name, receiver.kind, receiver.url) == ("crm", "webhook", URL)
        assert (receiver.secret_files, receiver.username) == ([FILE, f"{FILE}.old"], "")
        assert "already" in errors(connect(operator, WEBHOOK))["name"]
        assert Receiver.objects.count() == 1

    @pytest.mark.parametrize(("url", "said"), [address for address in ADDRESSES if address[0]])
    @pytest.mark.parametrize("given", [WEBHOOK, SERVICEMOBILITY], ids=["webhook", "servicemobility"])
    def test_addresses(self, operator, given, url, said):
        answer = connect(operator, given, url=url)
        assert said in errors(answer)["url"] or "at most 2000" in errors(answer)["url"]
        assert not Receiver.objects.exists()

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            *(("rate", rate, "") for rate in RATES),
            ("secret_files", "", "Give the file"),
            ("secret_files", "relative.secret", "must be absolute"),
            ("secret_files", f"{FILE}\n{FILE}", "Give one file."),
            ("username", "", "is empty"),
            ("template", "[]", "holds no JSON object"),
            ("template", "{", "holds no JSON"),
            ("template", '{"OrderNum": "1"}', "names an OrderNum"),
            ("move", "fax", "Select a valid choice"),
            ("what", "fax", "Select a valid choice"),
        ],
    )
    def test_what_cannot_be_right(self, operator, name, value, said):
        assert said in errors(connect(operator, SERVICEMOBILITY, **{name: value}))[name]
        assert not Receiver.objects.exists()
        assert log() == []

    @pytest.mark.parametrize("name", ["", "ServiceMobility", "x" * 201])
    def test_names_of_webhooks(self, operator, name):
        assert "name" in errors(connect(operator, WEBHOOK, name=name))
        assert not Receiver.objects.exists()


class TestChange:
    @pytest.fixture
    def receiver(self, operator):
        connect(operator, SERVICEMOBILITY)
        Receiver.objects.update(trouble="401", probe_at="2026-01-01T00:00:00Z")
        return Receiver.objects.get()

    def given(self, **other):
        return {name: value for name, value in SERVICEMOBILITY.items() if name != "what"} | {"secret_files": ""} | other

    def test_one_thing_is_changed_and_kept_with_who(self, operator, receiver):
        answer = change(operator, receiver, **self.given(rate="9"))
        assert desk.said(answer) == ["1 changed."]
        receiver.refresh_from_db()
        assert (receiver.rate, receiver.secret_files, receiver.trouble) == (9, [FILE], "")
        assert log()[-1] == ("changed", operator.user.username, "rate")

    def test_another_address_wants_the_file_again(self, operator, receiver):
        answer = change(operator, receiver, **self.given(url="https://other.example.com"))
        assert errors(answer) == {"secret_files": "Give the file again: another address gets it."}
        change(operator, receiver, **self.given(url="https://other.example.com", secret_files=FILE))
        receiver.refresh_from_db()
        assert receiver.url == "https://other.example.com"

    def test_what_another_person_changed_meanwhile_stays(self, operator, receiver):
        seen = receiver.settings_version
        change(operator, receiver, **self.given(rate="9"))
        answer = change(operator, receiver, seen, **self.given(rate="11"))
        text = "ServiceMobility was changed meanwhile. Look at it, and change it again."
        assert desk.said(answer) == [f"1 skipped. {text}"]
        assert Receiver.objects.get().rate == 9

    def test_a_webhook_has_what_webhooks_have(self, operator):
        connect(operator, WEBHOOK)
        receiver = Receiver.objects.get()
        address = f"{LIST}act/change/?chosen={receiver.pk}:{receiver.settings_version}"
        fields = operator.get(address).context["form"].fields
        assert list(fields) == ["url", "secret_files", "rate"]
        change(operator, receiver, url=URL, rate="8", secret_files="")
        assert Receiver.objects.get().rate == 8

    def test_no_path_is_shown(self, operator, receiver):
        address = f"{LIST}act/change/?chosen={receiver.pk}:{receiver.settings_version}"
        for page in (LIST, f"{LIST}{receiver.pk}/change/", address):
            assert "of-the-tests" not in operator.get(page).content.decode()

    def test_what_is_off_is_connected_and_not_changed(self, operator, receiver):
        receivers.turn_off(receiver, by="ann")
        receiver.refresh_from_db()
        answer = change(operator, receiver, **self.given(rate="9"))
        assert desk.said(answer) == ["1 skipped. ServiceMobility is off: connect it again."]


@pytest.mark.parametrize("role", ["viewer", "dispatcher", "supervisor"])
def test_roles(role, operator):
    client = desk.person(role)
    assert client.get(f"{LIST}add/").status_code == 403
    assert connect(client, WEBHOOK).status_code == 403
    connect(operator, WEBHOOK)
    receiver = Receiver.objects.get()
    assert change(client, receiver, url=URL, rate="9", secret_files="").status_code == 403
    assert "act/change/" not in client.get(f"{LIST}{receiver.pk}/change/").content.decode()
    assert Receiver.objects.get().rate == 5


def test_a_person_who_is_restricted_to_areas(operator):
    connect(operator, WEBHOOK)
    client = desk.person("supervisor", desk.slot_in().area)
    client.user.user_permissions.add(*Permission.objects.filter(codename__in=["add_receiver", "change_receiver"]))
    assert client.get(f"{LIST}add/").status_code == 403
    assert change(client, Receiver.objects.get(), url=URL, rate="9", secret_files="").status_code == 403
