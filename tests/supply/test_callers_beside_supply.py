"""Callers beside every command of supply: none is answered 503. bench/supply.py measures the same with more rows."""

import pytest

from bench import supply
from tests.support import warm


@pytest.fixture
def service(start_service):
    return start_service(WEB_CONCURRENCY="2")


def test_every_caller_is_answered(service, tmp_path, figures, monkeypatch):
    monkeypatch.setattr(supply, "run", warm.run)
    commands = list(supply.all_commands(service, tmp_path, workers=8, days=10))  # several transactions each
    assert [beside.command.split()[0] for beside in commands] == [
        *["seed_slots"] * 3,
        "close_slots",
        "open_slots",
        *["import_slots"] * 3,
        "export_slots",
        "purge",
    ]
    for beside in commands:
        # Who books where a command closes is told so.
        told = {200, 409} if "close" in beside.command or "open" in beside.command else {200}
        assert beside.statuses.keys() <= told, beside.line()
        assert beside.statuses[200], beside.line()
        figures(f"callers beside {beside.command}: {len(beside.waits)}, all answered")
    assert service.manage("verify_bookings").stdout == ""
