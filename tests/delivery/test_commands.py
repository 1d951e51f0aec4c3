"""What the commands of delivery refuse, what they print, and what a dry run shows; nothing is half-done after it."""

import base64
import io
import os
import re
from codecs import BOM_UTF8

import pytest
import yaml
from django.core.management import CommandError, call_command

from bookings.delivery import lease
from bookings.delivery.calls import DEADLINE
from bookings.models import Delivery, DeliveryEntry, Receiver
from tests.delivery.conftest import OTHER_SECRET, SECRET
from tests.delivery.test_servicemobility import cancel, move
from tests.support import desk
from tests.support.environment import ROOT

pytestmark = pytest.mark.django_db

URL = "https://fsm.example.com"
HTTP = "An http address may be on this machine only"
NO_ADDRESS = "is no address such as"
ADDRESSES = [
    ("http://fsm.example.com", HTTP),
    ("http://127.0.0.1.example.com", HTTP),
    ("http://10.0.0.1", HTTP),
    ("https://bookjob:hunter2@fsm.example.com", "The address holds a log-in"),
    ("ftp://bookjob:hunter2@fsm.example.com", NO_ADDRESS),
    ("https://bookjob:hunter2@fsm.example.com:99999", NO_ADDRESS),
    ("https://bookjob@fsm.example.com", "The address holds a log-in"),
    ("fsm.example.com", NO_ADDRESS),
    ("ftp://fsm.example.com", NO_ADDRESS),
    ("https://", NO_ADDRESS),
    ("", NO_ADDRESS),
    ("https://fsm.example.com:99999", NO_ADDRESS),
    ("https://[::1", NO_ADDRESS),
    ("https://fsm.example.com/" + "x" * 2000, NO_ADDRESS),
    ("https://fsm.example.com/a b", "holds a blank"),
    ("https://fsm.example.com/ü", "holds a blank or another character"),
    ("https://fsm.example.com/#here", "holds a #fragment"),
]
RATES = ["0", "-1", "nan", "inf", "1001", "0.09"]
SECRETS = [
    (None, "cannot be read: No such file"),
    (b"", "is empty"),
    (b" \r\n", "is empty"),
    (b"hunter2\ntwo\n", "holds more than one line"),
    (b"one\n\n", "holds more than one line"),
    (b"one\0two", "holds more than one line"),
    (b"x" * 5000, "holds more than one line"),
    (b"\xff\xfe", "holds no UTF-8 text"),
]
TEMPLATES = [
    (None, "cannot be read: No such file"),
    (b"", "holds no JSON"),
    (b"{", "holds no JSON"),
    (b"[]", "holds no JSON object"),
    (b'"text"', "holds no JSON object"),
    (b'{"Priority": NaN}', "holds no JSON"),
    (b'{"Priority": 1e999}', "holds no JSON"),
    (b'{"Priority": [12345678901234567890123]}', "needs more than 64 bits"),
    (b'{"Priority": -1e20}', "needs more than 64 bits"),
    (b'{"Priority": "\\ud800"}', "holds no JSON"),
    (b'{"Priority": "\\u0000"}', "holds the character NUL"),
    (b'{"a":' * 300 + b"1" + b"}" * 300, "holds no JSON that can be sent"),
    (b'{"OrderStatus": 4096}', "names the OrderStatus of a work order that is closed"),
    (b'{"OrderStatus": "8"}', "names the OrderStatus of a work order that is under way"),
    (b"[" * 50_000, "holds no JSON"),
    (b'{"OrderNum": "FU-1"}', "names an OrderNum"),
    (b'{"Notes": "' + b"x" * 70_000 + b'"}', "is larger than 65536 bytes"),
]


def rows():
    return [*Receiver.objects.values(), *DeliveryEntry.objects.values()]


def run(name, *arguments):
    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def refused(said, name, *arguments):
    """The command ends with this one line, and has changed nothing."""
    before = rows()
    with pytest.raises(CommandError, match=said) as end:
        run(name, *arguments)
    text = str(end.value)
    assert "\n" not in text
    for argument in arguments:
        path = str(argument).rpartition("=")[2]
        text = text.replace(path, "") if path.startswith("/") else text  # of a file the name may be told
    assert "hunter2" not in text
    assert rows() == before


def given(folder, name, content):
    """The path of a file with this content; None: there is none."""
    path = folder / name
    if content is not None:
        path.write_bytes(content)
    return str(path)


class TestConnectServiceMobility:
    NAME = "connect_servicemobility"

    @pytest.fixture
    def options(self, password_file):
        return {"--url": URL, "--username": "bookjob", "--password-file": str(password_file)}

    def arguments(self, options, **other):
        merged = options | {f"--{name.replace('_', '-')}": value for name, value in other.items()}
        return [f"{name}={value}" for name, value in merged.items()]

    def test_it_works_and_shows_the_state(self, options):
        said = (
            "ServiceMobility: https://fsm.example.com, 5 calls a second at the most.\n"
            "0 work orders wait, 0 need a person.\n"
            "No process delivers to it: run manage.py deliver.\n"
        )
        assert run(self.NAME) == "ServiceMobility is not connected.\n"
        assert run(self.NAME, *self.arguments(options)) == said
        assert run(self.NAME) == said
        assert run(self.NAME, "--rate=7").startswith("ServiceMobility: https://fsm.example.com, 7 calls")
        assert DeliveryEntry.objects.latest("pk").text == "rate"
        assert "Paused since" in run(self.NAME, "--pause", "They upgrade")
        assert "Paused since" not in run(self.NAME, "--resume")
        assert run(self.NAME, "--off") == "ServiceMobility is off.\n"

    @pytest.mark.parametrize(
        ("url", "said"),
        [
            *ADDRESSES,
            ("https://fsm.example.com/?tenant=1", "holds a question mark"),
            ("https://fsm.example.com/seiapi/v3", "ends before /seiapi"),
        ],
    )
    @pytest.mark.parametrize("is_on", [False, True], ids=["new", "changed"])
    def test_addresses(self, options, url, said, is_on):
        if is_on:
            run(self.NAME, *self.arguments(options))
        refused(said, self.NAME, *self.arguments(options, url=url))

    @pytest.mark.parametrize("url", ["http://127.0.0.1:8100", "http://localhost:8100/", "http://[::1]:8100/x/"])
    def test_http_on_this_machine_is_taken(self, options, url):
        run(self.NAME, *self.arguments(options, url=url))
        assert Receiver.objects.get().url == url.rstrip("/")

    @pytest.mark.parametrize("rate", RATES)
    def test_rates(self, options, rate):
        refused("is not between 0.1 and 1000", self.NAME, *self.arguments(options, rate=rate))

    @pytest.mark.parametrize("username", ["", "  ", "a\nb", "x" * 201])
    def test_user_names(self, options, username):
        refused("--username is empty, too long", self.NAME, *self.arguments(options, username=username))

    @pytest.mark.parametrize(("content", "said"), SECRETS)
    def test_password_files(self, options, tmp_path, content, said):
        path = given(tmp_path, "of.secret", content)
        refused(said, self.NAME, *self.arguments(options, password_file=path))

    def test_what_is_no_file_for_a_password(self, options, tmp_path):
        """A pipe, such as a shell makes of <(pass show fsm), would be empty the next time."""
        os.mkfifo(pipe := tmp_path / "pipe")
        for path in (tmp_path, pipe):
            refused("is no file: it must be there each time", self.NAME, *self.arguments(options, password_file=path))

    def test_a_template_with_a_mark_of_its_encoding(self, options, tmp_path):
        path = given(tmp_path, "template.json", BOM_UTF8 + b'{"Priority": 7}')
        run(self.NAME, *self.arguments(options, template=path))
        assert Receiver.objects.get().template == {"Priority": 7}

    @pytest.mark.parametrize(("content", "said"), TEMPLATES)
    def test_templates(self, options, tmp_path, content, said):
        path = given(tmp_path, "template.json", content)
        refused(said, self.NAME, *self.arguments(options, template=path))

    @pytest.mark.parametrize("missing", ["--url", "--username", "--password-file"])
    def test_what_is_missing_is_named(self, options, missing):
        del options[missing]
        refused(f"To connect ServiceMobility give {missing}.", self.NAME, *self.arguments(options))

    @pytest.mark.parametrize("step", [["--pause", "x"], ["--resume"], ["--off"]])
    def test_nothing_to_pause_resume_or_turn_off(self, step):
        refused("ServiceMobility is not connected. Give --url", self.NAME, *step)

    @pytest.mark.parametrize(
        "both",
        [["--pause", "x", "--resume"], ["--resume", "--off"], ["--off", "--rate", "7"], ["--pause", "x", "--off"]],
    )
    def test_two_things_at_once(self, options, both):
        run(self.NAME, *self.arguments(options))
        refused("Give one of --pause, --resume, --off, or what is to be changed.", self.NAME, *both)

    @pytest.mark.parametrize("reason", ["", "  "])
    def test_a_pause_without_a_reason(self, options, reason):
        run(self.NAME, *self.arguments(options))
        refused("Say why it is paused", self.NAME, "--pause", reason)


class TestAddWebhook:
    NAME = "add_webhook"

    @pytest.fixture
    def secret_file(self, tmp_path):
        return given(tmp_path, "good.secret", SECRET.encode())

    def test_it_works_changes_and_is_removed(self, secret_file, tmp_path):
        other = given(tmp_path, "other.secret", OTHER_SECRET.encode() + b"\r\n")
        for files in ([secret_file], [other, secret_file], [other]):
            arguments = [f"--secret-file={path}" for path in files]
            said = run(self.NAME, "erp", "--url", URL, *arguments)
            assert said.startswith(f"erp: {URL}, 5 calls a second at the most.\n")
            assert Receiver.objects.get().secret_files == files
        assert DeliveryEntry.objects.latest("pk").text == "secret_files"
        assert run("remove_webhook", "erp") == "The webhook erp is removed.\n"
        refused("There is no webhook 'erp'", "remove_webhook", "erp")

    @pytest.mark.parametrize(("url", "said"), ADDRESSES)
    def test_addresses(self, secret_file, url, said):
        refused(said, self.NAME, "erp", f"--url={url}", "--secret-file", secret_file)

    @pytest.mark.parametrize("rate", RATES)
    def test_rates(self, secret_file, rate):
        refused(
            "is not between 0.1 and 1000",
            self.NAME,
            "erp",
            "--url",
            URL,
            "--secret-file",
            secret_file,
            f"--rate={rate}",
        )

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            *SECRETS[:6],
            (b"whsec_hunter2***", "the rest must be base64"),
            (b"whsec_" + base64.b64encode(b"short"), "has 5 bytes. It needs 24 to 64"),
            (b"whsec_" + base64.b64encode(b"x" * 65), "has 65 bytes. It needs 24 to 64"),
        ],
    )
    def test_secrets(self, tmp_path, content, said):
        path = given(tmp_path, "of.secret", content)
        refused(said, self.NAME, "erp", "--url", URL, "--secret-file", path)

    def test_three_secrets(self, secret_file):
        refused("Give one --secret-file, or two", self.NAME, "erp", "--url", URL, *["--secret-file", secret_file] * 3)

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("", "NAME is empty"),
            ("a\nb", "NAME is empty, too long, or holds"),
            ("x" * 201, "NAME is empty, too long"),
            ("ServiceMobility", "is the name of ServiceMobility itself"),
        ],
    )
    def test_names(self, secret_file, name, said):
        refused(said, self.NAME, name, "--url", URL, "--secret-file", secret_file)


class TestDeliver:
    def test_a_receiver_that_there_is_not(self):
        refused("There is no receiver 'erp' that is on", "deliver", "--once", "--receiver", "erp")

    def test_one_receiver_alone(self, connect, add_webhook, hooks, simulator, slot):
        connect()
        add_webhook()
        desk.book(slot)
        run("deliver", "--once", "--receiver", "erp")
        assert (len(hooks.got), simulator.calls) == (1, [])

    def test_what_needs_a_person_is_printed(self, deliver, slot):
        booked = desk.book(slot)
        deliver.simulator.add_fault("unknown_account", method="PUT")
        out = io.StringIO()
        with pytest.raises(SystemExit) as end:
            call_command("deliver", "--once", stdout=out)
        assert end.value.code == 1
        said = f"{booked} for ServiceMobility needs a person: 400 for PUT WorkOrder: Account C-1 is unknown\n"
        assert out.getvalue() == said


class TestDryRun:
    def of(self, *order_num):
        """What it prints."""
        before = [*rows(), *Delivery.objects.values()]
        said = run("deliver", "--dry-run", *order_num)
        assert [*rows(), *Delivery.objects.values()] == before
        return said

    def calls(self, said, receiver):
        """Each call of that, without what all addresses share."""
        lines = [line for line in said.splitlines() if line.startswith(("GET", "PUT", "POST", "PATCH", "DELETE"))]
        return [line.replace(receiver.url, "").replace("/seiapi/v3/trans/WorkOrder", "") for line in lines]

    def test_an_order_that_there_is_not(self, connect):
        connect()
        refused("There is no work order FU-404.", "deliver", "--dry-run", "FU-404")

    def test_it_says_what_deliver_then_does(self, connect, deliver, slot, settings):
        settings.BOOKJOB_ORDER_PREFIX = "Fü/"
        receiver = Receiver.objects.get()
        first, second = desk.book(slot, "WO-1"), desk.book(slot, "WO-2")
        number = first.order_num.replace("Fü/", "F%C3%BC%2F")
        other = second.order_num.replace("Fü/", "F%C3%BC%2F")
        said = self.of()
        assert self.calls(said, receiver) == [f"GET /{number}", f"PUT /{number}", f"GET /{other}", f"PUT /{other}"]
        assert f'"OrderNum": "{first.order_num}"' in said
        assert deliver.simulator.calls == []
        deliver()
        assert self.of() == ""
        assert self.of(first.order_num) == f"# {first} needs no call to ServiceMobility.\n"
        move(first, desk.slot_in(days=1, worker="bob"))
        cancel(second)
        said = self.of(first.order_num)
        assert self.calls(said, receiver) == [f"GET /{number}", f"PUT /{number}/Dispatch"]
        assert '"UserName": "bob"' in said
        assert self.calls(self.of(second.order_num), receiver) == [f"GET /{other}", f"DELETE /{other}"]
        connect(move="put")
        assert self.calls(self.of(first.order_num), receiver) == [f"GET /{number}", f"PUT /{number}"]

    def test_a_webhook(self, add_webhook, hooks, slot):
        receiver = add_webhook()
        booked = desk.book(slot)
        said = self.of(booked.order_num)
        assert said.startswith(f"POST {receiver.url}\n{{")
        assert hooks.got == []
        run("deliver", "--once")
        assert hooks.got[0][1].decode() == said.split("\n")[1]
        assert SECRET not in said


def test_what_stops_deliver_waits_for_a_call_that_is_under_way():
    """The lease outlives each call, and systemd and compose give it the time to give the lease back."""
    assert lease.SECONDS > DEADLINE + lease.RENEWED_AFTER
    unit = (ROOT / "deploy" / "bookjob-deliver.service").read_text()
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1]) > DEADLINE + lease.RENEWED_AFTER
    assert re.search(r"^ExecStart=\S+ manage\.py deliver$", unit, re.MULTILINE)
    assert "\nRestart=always\n" in unit
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["deliver"]
    assert int(service["stop_grace_period"].removesuffix("s")) > DEADLINE + lease.RENEWED_AFTER
    assert service["command"] == ["python", "manage.py", "deliver"]
    assert service["restart"] == "unless-stopped"
