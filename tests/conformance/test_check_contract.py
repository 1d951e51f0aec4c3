"""check_contract: green against what is right, red against each fault, and nothing but that check is."""

import io
import itertools
import json
import os
import time
import tracemalloc
from functools import partial

import jwt
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from conformance import cleaning, kit
from conformance.client import Implementation
from conformance.plan import Plan
from tests.support import helpers, stand_in, warm
from tests.support.environment import ROOT
from tests.support.postgres import free_port
from tests.support.stand_in import DRIP, FAULTS, HOSTILE, PLACES, SILENCE, Hostile, StandIn

CALLERS = 5


def token(seconds=3600):
    now = int(time.time())
    return jwt.encode({"iat": now, "exp": now + seconds}, stand_in.KEY, algorithm="HS256")


def run_against(implementation, **plan):
    plan = {"callers": CALLERS, "expired_token": token(-3600)} | plan
    run = kit.Run(Implementation(implementation.url, token()), Plan(**plan))
    run.cancel = partial(cleaning.cancel, run.target, "workorders/{0}/cancel", "")
    for _ in run.checks():
        pass
    return run


def of(run, outcome):
    return {result.name for result in run.results if result.outcome == outcome}


def dependants(name):
    """The checks that cannot be judged where `name` fails."""
    found = {name}
    for check in kit.CHECKS.values():
        if found & set(check.needs):
            found.add(check.name)
    return found - {name}


class TestTheChecks:
    def test_nothing_fails_against_the_right_one(self):
        with StandIn() as right:
            run = run_against(right)
        assert [str(result) for result in run.results if result.outcome != kit.PASS] == []

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_fault_turns_its_check_red_and_no_other(self, fault):
        with StandIn(fault) as wrong:
            run = run_against(wrong)
        assert of(run, kit.FAIL) == {FAULTS[fault]}, "\n".join(map(str, run.results))
        assert of(run, kit.SKIP) <= dependants(FAULTS[fault])

    def test_every_check_has_a_fault(self):
        assert set(kit.CHECKS) == set(FAULTS.values())

    def test_offers_that_come_and_go_end_in_a_report(self):
        with StandIn() as wrong:
            found, empty = wrong.offered(wrong.periods), {"StatusMsg": "x", "TimeConstraints": []}
            turns = itertools.cycle([found, found, found, empty, empty])
            wrong.search = lambda body: next(turns)
            run = run_against(wrong)
        assert len(run.results) == len(kit.CHECKS)
        assert of(run, kit.SKIP)

    def test_refusals_by_the_three_documented_statuses(self):
        with StandIn(documented_statuses_only=True) as right:
            assert of(run_against(right, documented_statuses_only=True), kit.PASS) == set(kit.CHECKS)
        with StandIn(documented_statuses_only=True, policy="move") as right:
            assert of(run_against(right, documented_statuses_only=True), kit.PASS) == set(kit.CHECKS)
        with StandIn(documented_statuses_only=True) as right:
            assert "refuses_array" in of(run_against(right), kit.FAIL)

    @pytest.mark.parametrize(
        ("policy", "words"), [("single", "is refused"), ("move", "is moved"), ("multiple", "several follow-ups")]
    )
    def test_each_policy_is_allowed_and_named(self, policy, words):
        with StandIn(policy=policy) as right:
            run = run_against(right)
        assert of(run, kit.PASS) == set(kit.CHECKS)
        assert words in next(result.why for result in run.results if result.name == "other_period")

    def test_unsigned_trust(self):
        """Where ServiceMobility's word is taken for the signature, only the signature may be wrong."""
        with StandIn() as right:
            run = run_against(right, trust_upstream=True)
        assert of(run, kit.SKIP) == {"search_forged_token", "book_forged_token"}
        assert of(run, kit.FAIL) == set()

    def test_overbooking_shows_where_the_places_are_known(self):
        with StandIn() as right:
            assert "race" in of(run_against(right, places=PLACES), kit.PASS)
        with StandIn() as right:
            run = run_against(right, places=PLACES - 1)
        assert "3 orders got 2 places" in next(result.why for result in run.results if result.name == "race")

    def test_a_race_that_fills_nothing_proves_nothing(self):
        with StandIn(places=100) as right:
            run = run_against(right)
        assert of(run, kit.FAIL) == set()
        assert of(run, kit.SKIP) == {"full_period_not_offered", "repeat_when_full"}

    @pytest.mark.parametrize("answer", [b"", b"null", b"[[]]", b'{"TimeConstraints": [1]}', b"\xff<html>", b"[" * 9999])
    @pytest.mark.parametrize("status", [200, 302, 500])
    def test_whatever_comes_back_ends_in_a_report(self, answer, status):
        with StandIn() as wrong:
            wrong.always = status, answer
            run = run_against(wrong)
        assert "search_answers" in of(run, kit.FAIL) | of(run, kit.PASS)
        assert of(run, kit.FAIL)


class TestHostileBackEnds:
    """Whatever comes back, each check ends with a verdict, in bounded time and memory."""

    @pytest.mark.parametrize(
        ("name", "where"),
        [(name, "search") for name in HOSTILE]
        + [(name, "followup") for name in HOSTILE if not name.startswith(("endless", "offers"))],
    )
    def test_each_call_has_a_deadline_and_a_size(self, name, where):
        _, again, words = HOSTILE[name]
        seconds = 0.5 if again in (DRIP, SILENCE) else 30
        with Hostile(name, where) as hostile:
            run = kit.Run(Implementation(hostile.url, token(), timeout=seconds), Plan(callers=2))
            tracemalloc.start()
            try:
                report = "\n".join(map(str, run.checks()))
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
        assert len(run.results) == len(kit.CHECKS)
        if where == "search":
            assert words in report, report
        assert of(run, kit.FAIL) or words == "200", report
        assert peak < 200 * 1024 * 1024

    def test_an_error_is_not_longer_than_the_contract_allows(self):
        with Hostile("large_error", "followup") as hostile:
            run = run_against(hostile)
        why = next(result.why for result in run.results if result.name == "error_bodies")
        assert why.startswith("in wrong_method, the body is larger than 65536 characters;")


def check_contract(*arguments, **options):
    """What the command prints, and the exit status. It has no database here: pytest would not let it near one."""
    output = io.StringIO()
    status = 0
    try:
        call_command("check_contract", *arguments, stdout=output, **options)
    except SystemExit as end:
        status = end.code
    return output.getvalue(), status


def seed(service, folder):
    """Two weeks of slots with three places each; returns the file with their Location."""
    seeded = service.manage(
        "seed_slots",
        "--area=LEEDS",
        "--name=Leeds",
        "--time-zone=Europe/London",
        f"--from={helpers.tomorrow().date()}",
        "--days=14",
        "--hours=08:00-12:00,13:00-17:00",
        "--length=120",
        "--capacity=3",
    )
    assert seeded.returncode == 0, seeded.stderr
    file = folder / "location.json"
    file.write_text('{"LocationNum": "L-1", "ServiceAreaID": "LEEDS"}')
    return file


class TestThisService:
    """Green against the service as it is shipped, on whichever database the suite runs."""

    @pytest.mark.parametrize(
        ("settings", "arguments", "policy"),
        [
            ({}, ["--places=3"], "the second one is refused"),
            ({"BOOKJOB_FOLLOWUP_POLICY": "move"}, ["--clean"], "the follow-up is moved"),
            (
                {"BOOKJOB_FOLLOWUP_POLICY": "multiple", "BOOKJOB_DOCUMENTED_STATUSES_ONLY": "on"},
                ["--documented-statuses-only"],
                "several follow-ups an order",
            ),
        ],
    )
    def test_every_check_passes(self, start_service, tmp_path, settings, arguments, policy):
        service = start_service(**settings)
        location = seed(service, tmp_path)
        key = service.manage("make_key", "kit", "--scope", "work_orders:write").stdout.strip()
        output, status = check_contract(
            f"{service.url}/api/v1",
            f"--token={service.token}",
            f"--expired-token={helpers.tokens.issue_token('tech.jones', minutes=-60)}",
            f"--location={location}",
            "--callers=20",
            f"--clean-key={key}",
            *arguments,
        )
        assert status == 0, output
        skipped = int("--clean" not in arguments)
        assert f"{len(kit.CHECKS) - skipped} passed, 0 failed, {skipped} skipped." in output
        assert policy in output
        numbers = {line.split()[0] for line in output.splitlines() if line.startswith("  ")}
        booked = service.database.execute("SELECT order_num FROM bookings_workorder WHERE status = 'booked'")
        assert {number for (number,) in booked} == numbers
        assert service.manage("verify_bookings").stdout == ""


class TestTheCommand:
    def test_it_works(self):
        with StandIn() as right:
            output, status = check_contract(right.url, f"--token={token()}", "--callers=8")
            lines = output.splitlines()
            assert status == 0
            assert lines[0] == "PASS  search_answers             a search -> 200"
            said = {line.split()[1]: line.split()[0] for line in lines[: len(kit.CHECKS)]}
            assert said == dict.fromkeys(kit.CHECKS, "PASS") | {"late_copy_cancelled": "SKIP"}
            assert lines[-1] == f"{len(kit.CHECKS) - 1} passed, 0 failed, 1 skipped."
            listed = {line.split()[0] for line in lines if line.startswith("  ")}
            assert listed == {booking["answer"]["OrderNum"] for booking in right.bookings}

    def test_one_failure_makes_the_exit_status_1_and_says_why(self):
        with StandIn("part_twice") as wrong:
            output, status = check_contract(wrong.url, f"--token={token()}", "--callers=8")
        assert status == 1
        assert (
            "FAIL  ordered_parts_complete     (the answer to that booking):"
            " the part CHECK-PART-1 stands in 2 Parts lists instead of one\n"
        ) in output
        assert "1 failed" in output

    def test_a_second_run_uses_other_orders(self):
        with StandIn(places=10) as right:
            for _ in range(2):
                assert check_contract(right.url, f"--token={token()}", "--callers=12")[1] == 0
            orders = [booking["order"] for booking in right.bookings]
        assert len(set(orders)) == len(orders)

    def test_the_report_as_text_and_as_json(self, tmp_path):
        with StandIn() as right:
            output, _ = check_contract(
                right.url, f"--token={token()}", "--callers=8", f"--report={tmp_path / 'report.txt'}"
            )
            text = (tmp_path / "report.txt").read_text()
            assert text.startswith(f"{right.url}, 20")
            assert output.strip() in text
            check_contract(right.url, f"--token={token()}", "--callers=8", f"--report={tmp_path / 'report.json'}")
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["checks"][0] == {
            "name": "search_answers",
            "outcome": "PASS",
            "sent": "a search",
            "came_back": "200",
            "why": "",
        }
        assert report["bookings"][0].keys() == {"OrderNum", "OriginalOrderNum", "Period"}

    def test_the_token_is_never_in_the_report(self, tmp_path):
        secret, old = token(), token(-3600)
        with StandIn() as wrong:
            # Whatever it is asked, it repeats the token.
            wrong.always = 200, json.dumps({"OrderNum": secret, "StatusMsg": [old], "x": secret.split(".")}).encode()
            output, status = check_contract(
                wrong.url, f"--token={secret}", f"--expired-token={old}", f"--report={tmp_path / 'report.json'}"
            )
            # The excerpt of it ends in the middle of the token.
            wrong.always = 500, f"{'x' * 240}{secret} {old}".encode()
            more, _ = check_contract(wrong.url, f"--token={secret}", f"--expired-token={old}")
        assert status == 1
        for text in (output, more, (tmp_path / "report.json").read_text()):
            assert "<token>" in text or "StatusMsg" in text
            for part in [*secret.split("."), *old.split(".")]:
                assert part[:12] not in text

    def test_nothing_that_came_back_reaches_the_terminal_as_it_is(self):
        with StandIn() as wrong:
            wrong.always = 404, b"\x1b[2J\x07 gone\nPASS  everything"
            output, status = check_contract(wrong.url, f"--token={token()}")
        assert status == 1
        assert "\x1b" not in output
        assert "\nPASS" not in output

    def test_location_order_type_account_and_parts_are_sent(self, tmp_path):
        (tmp_path / "location.json").write_text('{"LocationNum": "L-7", "Address": {"Zip": "LS1 4AP"}}')
        with StandIn() as right:
            output, status = check_contract(
                right.url,
                f"--token={token()}",
                "--callers=8",
                f"--location={tmp_path / 'location.json'}",
                "--order-type=1001",
                "--account=C-9",
                "--parts=A-1,B-2,B-3",
            )
            assert status == 0, output
            first = next(booking for booking in right.bookings if booking["answer"]["OrderedParts"])
            assert first["body"]["Location"] == {"LocationNum": "L-7", "Address": {"Zip": "LS1 4AP"}}
            assert first["body"]["OrderType"] == "1001"
            assert first["body"]["Account"] == {"AccountNum": "C-9"}
            assert first["answer"]["OrderedParts"][0]["Parts"] == ["A-1", "B-3"]

    def test_what_is_left_out_is_said(self):
        with StandIn("unsorted") as right:
            output, status = check_contract(
                right.url, f"--token={token()}", "--callers=8", "--skip=search_sorted,no_parts"
            )
        assert status == 0
        assert "SKIP  search_sorted              a search: left out by --skip\n" in output
        assert "0 failed, 3 skipped." in output

    def test_other_paths(self):
        with StandIn() as right:
            right.search_path, right.book_path = "/own/slots", r"/own/job/([^/]+)/next"
            output, status = check_contract(
                f"{right.url[: -len('/api/v1')]}/own/",
                f"--token={token()}",
                "--callers=8",
                "--search-path=/slots",
                "--book-path=job/{0}/next",
            )
        assert status == 0, output

    def test_the_bookings_are_listed_even_if_it_is_interrupted(self, monkeypatch):
        def interrupt(_):
            raise KeyboardInterrupt

        output = io.StringIO()
        monkeypatch.setitem(kit.CHECKS, "no_parts", kit.Check("no_parts", "", (), interrupt))
        with StandIn() as right, pytest.raises(KeyboardInterrupt):
            call_command("check_contract", right.url, f"--token={token()}", stdout=output)
        assert "  FU-1  of order CHECK-" in output.getvalue()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["127.0.0.1/api"], "'127.0.0.1/api' is no base URL."),
            (["ftp://127.0.0.1/api"], "is no base URL."),
            (["http://127.0.0.1:port/api"], "is no base URL."),
            (["http://127.0.0.1/api?key=1"], "is no base URL."),
            (["http://me:secret@127.0.0.1/api"], "The URL holds a user name"),
            (["--skip=race,sorted"], "--skip: there is no check 'sorted'."),
            (["--book-path=job/next"], "--book-path 'job/next' lacks {0}"),
            (["--search-path=my slots"], "--search-path holds a space"),
            (["--callers=1"], "--callers 1 is not between 2 and 250."),
            (["--places=0"], "--places 0 is not at least 1"),
            (["--parts=A,B"], "--parts 'A,B' must be three different product numbers"),
            (["--timeout=0"], "--timeout 0.0 is not between 0 and 600 seconds."),
            (["--token= "], "--token is empty."),
            (["--token=a\nb"], "--token holds characters that no header can hold."),
            (["--location=missing.json"], "--location missing.json cannot be read as JSON"),
            (["--location=Makefile"], "--location Makefile cannot be read as JSON"),
            (["--report=no/such/folder/report.txt"], "--report: "),
        ],
    )
    def test_wrong_arguments_are_refused_in_one_line(self, arguments, message, monkeypatch):
        monkeypatch.chdir(ROOT)
        with StandIn() as right:
            first = [] if not arguments[0].startswith("--") else [right.url]
            with pytest.raises(CommandError) as refusal:
                call_command("check_contract", *first, f"--token={token()}", *arguments)
            assert right.bookings == []
        assert message in str(refusal.value)
        assert "\n" not in str(refusal.value)
        assert refusal.value.returncode == 2

    @pytest.mark.parametrize("location", ['["L-1"]', '{"Address": "14 Mill Lane"}'])
    def test_a_location_must_be_one(self, location, tmp_path):
        (tmp_path / "location.json").write_text(location)
        with StandIn() as right, pytest.raises(CommandError, match="must hold a Location object"):
            call_command("check_contract", right.url, "--token=t", f"--location={tmp_path / 'location.json'}")

    def test_nothing_answers(self):
        with pytest.raises(CommandError, match=r"^Nothing answers at http://127.0.0.1:\d+: .*refused") as refusal:
            call_command("check_contract", f"http://127.0.0.1:{free_port()}", "--token=t")
        assert refusal.value.returncode == 2

    def test_it_runs_where_no_database_is(self):
        with StandIn() as right:
            environment = os.environ | {"DATABASE_URL": "postgres://stranger:nothing@127.0.0.1:1/none"}
            command = ("manage.py", "check_contract", right.url, "--token", token(), "--callers", "8")
            done = warm.run(*command, environment=environment)
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_documentation_names_every_check(self):
        text = (ROOT / "docs" / "conformance.md").read_text()
        assert [name for name in kit.CHECKS if f"| `{name}` |" not in text or f"  {name} " not in text] == []

    def test_help_has_an_example(self, capsys):
        with pytest.raises(SystemExit):
            call_command("check_contract", "--help")
        assert "python manage.py check_contract http://127.0.0.1:8000/api/v1 --token" in capsys.readouterr().out


def test_the_token_comes_from_the_environment_too():
    command = ("manage.py", "check_contract", f"http://127.0.0.1:{free_port()}/api/v1")

    def said(**environment: str) -> str:
        ended = warm.run(*command, environment=os.environ | environment)
        assert (ended.returncode, ended.stdout) == (2, "")
        return ended.stderr

    assert "--token is empty. Give it, or CHECK_CONTRACT_TOKEN." in said()
    assert "Nothing answers at" in said(CHECK_CONTRACT_TOKEN="a.b.c")


def test_in_practice_it_leaves_nothing_behind(start_service):
    service = start_service(WEB_CONCURRENCY="1")
    service.book("WO-1", service.make_slot(capacity=2))
    tables = [model._meta.db_table for model in apps.get_app_config("bookings").get_models()]

    def rows():
        return {table: service.database.execute(f"SELECT COUNT(*) FROM {table}") for table in tables}

    before = rows()
    done = service.manage(
        "check_contract", f"{service.url}/api/v1", f"--token={service.token}", "--practice", "--callers=8"
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "Bookings that this run made; they go with the practice area:\n" in done.stdout
    assert rows() == before
    assert service.manage("verify_bookings").stdout == ""
