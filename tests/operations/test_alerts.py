"""When each rule of deploy/alerts.yml fires, and when not, as Prometheus itself works it out (promtool test rules)."""

import subprocess

import pytest
import yaml

from tests.operations.test_deploy import ALERTS, needs

REQUESTS, BOOK = "bookjob_requests_total", 'route="api/v1/workorders/<order>/followup"'
TIMER = 'node_systemd_timer_last_trigger_seconds{name="bookjob-verify.timer"}'
AT = {"job": "bookjob", "instance": "a"}
DAY = 86400

# (alert, series by name, one value a minute, when it is looked, labels of what fires: None for silence)
CASES = [
    ("BookjobDown", {'up{job="bookjob", instance="a"}': "1x2 0x5"}, "6m", AT),
    ("BookjobDown", {'up{job="bookjob", instance="a"}': "1x9"}, "6m", None),
    ("BookjobDown", {'up{job="another"}': "1x9"}, "6m", {"job": "bookjob"}),  # the target is gone
    ("BookjobDatabaseDown", {"bookjob_database_up": "1x2 0x5"}, "6m", {}),
    ("BookjobDatabaseDown", {"bookjob_database_up": "1x9"}, "6m", None),
    ("BookjobDatabaseErrors", {'bookjob_database_errors_total{kind="QueryCanceled"}': "0+12x20"}, "15m", {"kind": "QueryCanceled"}),
    ("BookjobDatabaseErrors", {'bookjob_database_errors_total{kind="QueryCanceled"}': "0+1x20"}, "15m", None),
    # The first one after a restart.
    ("BookjobServerErrors", {f'{REQUESTS}{{route="a", outcome="server_error"}}': "0x5 1x9"}, "7m", {"route": "a"}),
    ("BookjobServerErrors", {f'{REQUESTS}{{route="a", outcome="server_error"}}': "7x20"}, "17m", None),
    ("BookjobPromiseBroken", {'node_systemd_unit_state{name="bookjob-verify.service", state="failed"}': "1x5"}, "3m",
     {"name": "bookjob-verify.service", "state": "failed"}),
    ("BookjobPromiseBroken", {'node_systemd_unit_state{name="bookjob-verify.service", state="failed"}': "0x5"}, "3m", None),
    ("BookjobNotVerified", {TIMER: "0x300"}, "4h", {}),
    ("BookjobNotVerified", {TIMER: "0x100 6000x200"}, "4h", None),
    ("BookjobNotVerified", {"up": "1x300"}, "4h", {"name": "bookjob-verify.timer"}),
    ("BookjobReplicaBehind", {'bookjob_replica_follows{instance="a"}': "1x9", 'bookjob_replica_follows{instance="b"}': "0x9"}, "8m", {}),
    ("BookjobReplicaBehind", {'bookjob_replica_follows{instance="a"}': "1x9"}, "8m", None),
    ("BookjobReplicaBehind", {"up": "1x9"}, "8m", None),
    ("BookjobSlow", {'bookjob_request_seconds_bucket{route="api/x", le="1"}': "0+1x40",
                     'bookjob_request_seconds_bucket{route="api/x", le="5"}': "0+10x40",
                     'bookjob_request_seconds_bucket{route="api/x", le="+Inf"}': "0+10x40"}, "30m", {"route": "api/x"}),
    ("BookjobSlow", {'bookjob_request_seconds_bucket{route="api/x", le="1"}': "0+10x40",
                     'bookjob_request_seconds_bucket{route="api/x", le="+Inf"}': "0+10x40"}, "30m", None),
    ("BookjobLockWaits", {"bookjob_lock_wait_seconds": "6x9"}, "5m", {}),
    ("BookjobLockWaits", {"bookjob_lock_wait_seconds": "1x9"}, "5m", None),
    ("BookjobLostRaces", {"bookjob_lost_races_total": "0+900x40", f'{REQUESTS}{{{BOOK}, outcome="ok"}}': "0+60x40"}, "30m", {}),
    ("BookjobLostRaces", {"bookjob_lost_races_total": "0+9x40", f'{REQUESTS}{{{BOOK}, outcome="ok"}}': "0+60x40"}, "30m", None),
    # Three machines tell of the same three places.
    ("BookjobNoFreePlaces", {f'bookjob_free_places{{area="HULL", instance="{name}"}}': "3x50" for name in "abc"}, "45m", {"area": "HULL"}),
    ("BookjobNoFreePlaces", {'bookjob_free_places{area="HULL"}': "5x50"}, "45m", None),
    ("BookjobSlotsEnd", {'bookjob_last_slot_timestamp_seconds{area="HULL"}': f"{7 * DAY}x90"}, "80m", {"area": "HULL"}),
    ("BookjobSlotsEnd", {'bookjob_last_slot_timestamp_seconds{area="HULL"}': f"{8 * DAY}x90"}, "80m", None),
    ("BookjobScheduleStandsStill", {'bookjob_schedule_extended_timestamp_seconds{area="HULL"}': "0x2400"}, "38h", {"area": "HULL"}),
    ("BookjobScheduleStandsStill", {'bookjob_schedule_extended_timestamp_seconds{area="HULL"}': f"{DAY}x2400"}, "38h", None),
    ("BookjobNothingOffered", {f'{REQUESTS}{{route="api/v1/appointments/search", outcome="nothing_free"}}': "0+9x120",
                               f'{REQUESTS}{{route="api/v1/appointments/search", outcome="ok"}}': "0+1x120"}, "2h", {}),
    ("BookjobNothingOffered", {f'{REQUESTS}{{route="api/v1/appointments/search", outcome="nothing_free"}}': "0+1x120",
                               f'{REQUESTS}{{route="api/v1/appointments/search", outcome="ok"}}': "0+9x120"}, "2h", None),
    ("BookjobRefusals", {'bookjob_refusals_total{reason="full"}': "0+5x90", f'{REQUESTS}{{{BOOK}, outcome="ok"}}': "0+9x90"}, "80m", {}),
    ("BookjobRefusals", {'bookjob_refusals_total{reason="full"}': "0+1x90", f'{REQUESTS}{{{BOOK}, outcome="ok"}}': "0+9x90"}, "80m", None),
    ("BookjobBadLogons", {f'{REQUESTS}{{route="api/v1/auth/token", outcome="invalid_logon"}}': "0+90x40"}, "30m", {}),
    ("BookjobBadLogons", {f'{REQUESTS}{{route="api/v1/auth/token", outcome="invalid_logon"}}': "0+6x40"}, "30m", None),
    ("BookjobRepeats", {f'{REQUESTS}{{{BOOK}, outcome="repeat"}}': "0+9x90", f'{REQUESTS}{{{BOOK}, outcome="ok"}}': "0+5x90"}, "80m", {}),
    ("BookjobRepeats", {f'{REQUESTS}{{{BOOK}, outcome="repeat"}}': "0+5x90", f'{REQUESTS}{{{BOOK}, outcome="ok"}}': "0+9x90"}, "80m", None),
    # A second machine tells the same rows; one process leads for all.
    ("BookjobNotDelivering", {f'bookjob_delivery_led{{receiver="SM", instance="{name}"}}': "0x9" for name in "ab"}, "6m", {"receiver": "SM"}),
    ("BookjobNotDelivering", {'bookjob_delivery_led{receiver="SM", instance="a"}': "1x9", 'bookjob_delivery_led{receiver="SM", instance="b"}': "0x9"}, "6m", None),
    ("BookjobNotDelivering", {"up": "1x9"}, "6m", None),
    ("BookjobDeliveryLate", {'bookjob_delivery_oldest_seconds{receiver="SM"}': "0x2 301x9", 'bookjob_delivery_paused{receiver="SM"}': "0x12"}, "6m", {"receiver": "SM"}),
    ("BookjobDeliveryLate", {'bookjob_delivery_oldest_seconds{receiver="SM"}': "300x12"}, "6m", None),
    ("BookjobDeliveryLate", {'bookjob_delivery_oldest_seconds{receiver="SM"}': "900x12", 'bookjob_delivery_paused{receiver="SM"}': "1x12"}, "6m", None),
    # One that is paused does not hide another one.
    ("BookjobDeliveryLate", {'bookjob_delivery_oldest_seconds{receiver="crm"}': "900x12", 'bookjob_delivery_paused{receiver="SM"}': "1x12"}, "6m", {"receiver": "crm"}),
    ("BookjobDeliveryStuck", {'bookjob_delivery_stuck{receiver="SM"}': "1x12"}, "9m", {"receiver": "SM"}),
    ("BookjobDeliveryStuck", {'bookjob_delivery_stuck{receiver="SM"}': "0x12"}, "9m", None),
    ("BookjobDeliveryPaused", {'bookjob_delivery_paused{receiver="SM"}': "1x300"}, "250m", {"receiver": "SM"}),
    ("BookjobDeliveryPaused", {'bookjob_delivery_paused{receiver="SM"}': "1x200 0x100"}, "250m", None),
    ("BookjobCertificate", {'probe_ssl_earliest_cert_expiry{job="bookjob-tls", instance="a"}': f"{14 * DAY}x90"}, "80m", {"instance": "a"}),
    ("BookjobCertificate", {'probe_ssl_earliest_cert_expiry{job="bookjob-tls", instance="a"}': f"{15 * DAY}x90"}, "80m", None),
    ("BookjobDisk", {'node_filesystem_avail_bytes{instance="a", mountpoint="/", fstype="ext4"}': "9x20",
                     'node_filesystem_size_bytes{instance="a", mountpoint="/", fstype="ext4"}': "100x20"}, "15m", {"instance": "a", "mountpoint": "/"}),
    ("BookjobDisk", {'node_filesystem_avail_bytes{instance="a", mountpoint="/run", fstype="tmpfs"}': "0x20",
                     'node_filesystem_size_bytes{instance="a", mountpoint="/run", fstype="tmpfs"}': "100x20"}, "15m", None),
]  # fmt: skip
# ruff: noqa: E501  a case a line


def as_promtool_reads_it(alert: str, series: dict[str, str], when: str, labels: dict | None) -> dict:
    expected = []
    if labels is not None:
        (rule,) = [rule for rule in ALERTS if rule["alert"] == alert]
        summary = rule["annotations"]["summary"]
        for name in ("instance", "kind", "route", "area", "mountpoint", "receiver"):
            summary = summary.replace(f"{{{{ $labels.{name} }}}}", labels.get(name, ""))
        expected.append({"exp_labels": labels | rule["labels"], "exp_annotations": {"summary": summary}})
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": when, "alertname": alert, "exp_alerts": expected}],
    }


def run(cases: list, folder, rules: list[dict] = ALERTS) -> subprocess.CompletedProcess:
    """Each alert in a file of its own: promtool works out all rules of a file for each minute of each case."""
    files = []
    for rule in rules:
        name = rule["alert"]
        tests = [as_promtool_reads_it(*case) for case in cases if case[0] == name]
        (folder / f"{name}.rules").write_text(yaml.safe_dump({"groups": [{"name": name, "rules": [rule]}]}))
        files.append(folder / f"{name}.yml")
        said = {"rule_files": [f"{name}.rules"], "evaluation_interval": "1m", "tests": tests}
        files[-1].write_text(yaml.safe_dump(said))
    return subprocess.run(["promtool", "test", "rules", *files], capture_output=True, text=True)


@needs("promtool")
def test_each_alert_fires_when_it_should_and_is_silent_otherwise(tmp_path):
    ended = run(CASES, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_alert_is_seen_firing_and_silent():
    for fires in (True, False):
        assert {alert["alert"] for alert in ALERTS} == {
            name for name, *_, labels in CASES if (labels is not None) == fires
        }


@needs("promtool")
@pytest.mark.parametrize(
    ("now", "before"),
    [
        (' or absent(up{job="bookjob"})', ""),
        ("max by (area) (bookjob_free_places)", "sum by (area) (bookjob_free_places)"),
    ],
)
def test_the_test_above_would_notice_the_rules_that_missed_their_case(now, before, tmp_path):
    missed = [rule | {"expr": rule["expr"].replace(now, before)} for rule in ALERTS if now in rule["expr"]]
    assert missed
    assert run(CASES, tmp_path, missed).returncode == 1
