"""check_contract --push: what a test tenant of ServiceMobility demands, and that nothing is left there."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from conformance import kit, push
from conformance.plan import Plan
from conformance.simulator import FAULTS, Simulator
from tests.support.environment import ROOT

pytestmark = pytest.mark.once


def run_against(simulator, worker="ann", template=None, timeout=5, **plan):
    tenant = push.Tenant(simulator.url, simulator.username, simulator.password, timeout, pause=0)
    run = push.Run(tenant, Plan(**plan), worker, template)
    return run, {result.name: result for result in run.checks()}


def outcomes(results):
    return {name: result.outcome for name, result in results.items()}


class TestWhatATenantSays:
    def test_one_that_demands_nothing(self):
        with Simulator() as tenant:
            run, results = run_against(tenant)
            assert set(outcomes(results).values()) == {kit.PASS}, results
            assert set(results) == push.NAMES
            assert tenant.orders.all() == {}
            assert tenant.orders.told[0] == f"{run.number} came to the device of ann"
        assert run.closing_lines() == [
            "What this tenant demands and does:",
            "  demands no property of those that were sent",
            "  a PUT replaces the whole work order",
            "  PATCH works: connect_servicemobility --move patch may be used",
        ]

    def test_what_is_demanded_is_found(self):
        with Simulator(required=("OrderType", "Account")) as tenant:
            run, results = run_against(tenant, order_type="1001")
        assert results["demanded"].why == "demanded: OrderType, Account"
        assert run.learnt[0] == "demands OrderType: 400 came back: OrderType is required. (/OrderType)"

    def test_what_it_wants_beside_is_said(self):
        with Simulator(required=("Priority",)) as tenant:
            _, results = run_against(tenant)
            assert results["put"].why == "200 was expected; 400 came back: Priority is required. (/Priority)"
            assert outcomes(results)["delete"] == kit.SKIP
            # A template helps.
            _, results = run_against(tenant, template={"Priority": "1001"})
            assert outcomes(results)["put"] == kit.PASS
            assert results["demanded"].why == "demanded: Priority"
            assert tenant.orders.all() == {}

    def test_an_account_that_is_unknown(self):
        with Simulator(unknown=("C-9",)) as tenant:
            _, results = run_against(tenant, account="C-9")
        assert "Account C-9 is unknown. (/Account/AccountNum)" in results["put"].why

    def test_without_a_worker(self):
        with Simulator() as tenant:
            _, results = run_against(tenant, worker="")
            assert set(outcomes(results).values()) == {kit.PASS}
            assert list(tenant.orders.told) == []
        assert "without a worker" in results["dispatch"].why

    def test_a_wrong_password(self):
        with Simulator() as tenant:
            run, results = run_against(Different(tenant, "hush-hush"))
        assert results["log_in"].outcome == kit.FAIL
        assert {result.outcome for name, result in results.items() if name != "log_in"} == {kit.SKIP}
        assert not run.may_be_there

    @pytest.mark.parametrize("name", sorted(set(FAULTS) - {"delay", "late_answer", "silence", "drip", "warnings"}))
    def test_whatever_goes_wrong_with_the_put_ends_in_a_report_and_leaves_nothing(self, name):
        with Simulator() as tenant:
            tenant.add_fault(name, method="PUT", times=1, seconds=0)
            _, results = run_against(tenant)
            assert outcomes(results)["put"] == (kit.PASS if name in ("html", "empty", "no_json") else kit.FAIL)
            assert tenant.orders.all() == {}

    def test_a_dispatch_that_changes_nothing_and_a_delete_that_deletes_nothing(self):
        with Simulator() as tenant:
            tenant.orders.dispatch = tenant.orders.delete = lambda *arguments: None
            _, results = run_against(tenant)
        assert "PlannedStartDate is" in results["dispatch"].why
        assert {name for name, outcome in outcomes(results).items() if outcome == kit.FAIL} == {"dispatch", "gone"}

    def test_what_may_be_left_is_named(self):
        with Simulator() as tenant:
            tenant.add_fault("unavailable", method="DELETE")
            run, _ = run_against(tenant)
            assert list(tenant.orders.all()) == [run.number]
        assert run.closing_lines()[-1] == f"The work order {run.number} may still be there; a person must delete it."


class Different:
    """The same address with another password."""

    def __init__(self, simulator, password):
        self.url, self.username, self.password = simulator.url, simulator.username, password


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch):
        monkeypatch.setattr(push.Tenant, "pause", 0)

    def check_contract(self, *arguments):
        output, status = io.StringIO(), 0
        try:
            call_command("check_contract", "--push", *arguments, stdout=output)
        except SystemExit as end:
            status = end.code
        return output.getvalue(), status

    def log_in(self, tmp_path, password="simulated\r\n"):
        (tmp_path / "password").write_bytes(password.encode())
        return ["--username=bookjob", f"--password-file={tmp_path / 'password'}"]

    def test_it_works_and_says_what_is_demanded(self, tmp_path):
        (tmp_path / "template").write_text('{"Priority": "1"}')
        with Simulator(required=("Priority",)) as tenant:
            output, status = self.check_contract(
                f"--url={tenant.url}",
                "--worker=ann",
                f"--template={tmp_path / 'template'}",
                f"--report={tmp_path / 'report.json'}",
                *self.log_in(tmp_path),
            )
        assert status == 0, output
        assert "  demands Priority: 400 came back: Priority is required. (/Priority)\n" in output
        assert output.endswith(f"{len(push.NAMES)} passed, 0 failed, 0 skipped.\n")
        report = json.loads((tmp_path / "report.json").read_text())
        assert report["left_behind"] == []
        assert report["learnt"][0].startswith("demands Priority")

    def test_a_failure_makes_the_exit_status_1_and_no_secret_is_shown(self, tmp_path):
        with Simulator() as tenant:
            output, status = self.check_contract(f"--url={tenant.url}", *self.log_in(tmp_path, "hush-hush-hush"))
        assert status == 1
        assert "FAIL  log_in" in output
        assert "hush-hush" not in output

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--url="], "'' is no base URL."),
            (["--url=http://me:secret@127.0.0.1"], "The URL holds a user name"),
            (["--username="], "--push needs --username and --password-file"),
            (["--password-file=/none"], "--password-file: "),
            (["--template=Makefile"], "--template Makefile cannot be read as JSON"),
            (["--skip=race"], "--skip: there is no check 'race'."),
            (["--url=http://127.0.0.1:1"], "Nothing answers at http://127.0.0.1:1: "),
        ],
    )
    def test_wrong_arguments_are_refused_in_one_line(self, arguments, message, tmp_path, monkeypatch):
        monkeypatch.chdir(ROOT)
        with Simulator() as tenant:
            with pytest.raises(CommandError) as refusal:
                self.check_contract(f"--url={tenant.url}", *self.log_in(tmp_path), *arguments)
            assert tenant.calls == []
        assert message in str(refusal.value)
        assert "\n" not in str(refusal.value)
        assert refusal.value.returncode == 2

    def test_the_documentation_names_every_step_and_fault(self):
        text = (ROOT / "docs" / "conformance.md").read_text()
        assert [name for name in push.NAMES if f"| `{name}` |" not in text] == []
        assert [name for name in FAULTS if f"`{name}`" not in text] == []
