"""`make elsewhere` says of each place what came of it; its status is that of the first that failed."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import elsewhere


@dataclass(frozen=True)
class Place:
    name: str
    code: int

    def run(self, arguments: list[str]) -> int:
        print(f"{self.name} runs {arguments}")
        return self.code


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["elsewhere", *arguments])
        return elsewhere.main(), capsys.readouterr().out

    places = [Place("one", 0), Place("two", 3), elsewhere.PostgreSQL("postgresql99", 99)]
    monkeypatch.setattr(elsewhere, "PLACES", places)
    return run


def test_all_of_them(run):
    code, said = run()
    assert code == 3
    assert "one: passed" in said
    assert "one runs ['--brief']" in said, "all that is quick"
    assert "two: FAILED" in said
    assert "postgresql99: not to be had here: no package brings it" in said


def test_one_of_them_with_arguments_for_pytest(run):
    code, said = run("one", "-k", "race or moves")
    assert (code, "one runs ['-k', 'race or moves']" in said, "two" in said) == (0, True, False)


def test_what_is_not_to_be_had_is_no_failure(run):
    assert run("postgresql99")[0] == 0


def test_a_server_out_of_a_package_can_be_run_by_another_user(monkeypatch, tmp_path):
    """PostgreSQL refuses to run as root, and no one else may enter var/."""
    place, seen = elsewhere.PostgreSQL("postgresql99", 99, "some-package", "inside/bin"), []
    (tmp_path / "inside" / "bin").mkdir(parents=True)
    tmp_path.chmod(0o700)

    def run(command, env, **options):
        binaries = Path(env["POSTGRESQL_BIN"])
        ways = [binaries, binaries.parent, binaries.parent.parent]
        seen.append((command[-2:], [str(way) for way in ways if way.stat().st_mode & 0o005 != 0o005]))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(elsewhere.PostgreSQL, "_unpacked", lambda self: tmp_path)
    monkeypatch.setattr(elsewhere.subprocess, "run", run)
    assert place.run(["-x"]) == 0
    assert seen == [(["--postgresql", "-x"], [])]
