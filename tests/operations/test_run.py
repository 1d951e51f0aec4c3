"""`make test`: two databases at once, exit codes that are so, and an end that leaves no process behind."""

import os
import re
import select
from pathlib import Path

import pytest

from tests import run

HANGING = """
import subprocess

def test_that_hangs(request):
    pipe = open({pipe!r}, "w")
    request.addfinalizer(lambda: open({note!r}, "w").close())
    left_behind = subprocess.Popen(["sleep", "600"], pass_fds=[pipe.fileno()])
    print("running", file=pipe, flush=True)
    left_behind.wait()
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes a file of tests; gives the arguments that run it, with the plugins that matter here."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p xdist.plugin -p tests.support.environment")

    def write(text: str) -> list[str]:
        (tmp_path / "test_one.py").write_text(text)
        return ["-c", str(tmp_path / "pytest.ini"), str(tmp_path / "test_one.py")]

    return write


@pytest.mark.parametrize("processes", [["-n", "0"], run.SPREAD], ids=["alone", "spread"])
def test_an_ended_run_takes_its_servers_down_and_leaves_no_process_behind(write, tmp_path, processes):
    pipe, note = tmp_path / "pipe", tmp_path / "note"
    os.mkfifo(pipe)
    one = run.Run("SQLite", "", [*processes, *write(HANGING.format(pipe=str(pipe), note=str(note)))], tmp_path)
    with pipe.open("rb", buffering=0) as end:
        assert end.read(8) == b"running\n"
        one.stop()
        # The end of the pipe: none of those that held it lives.
        assert select.select([end], [], [], 30)[0]
        assert end.read(1) == b""
    assert note.exists(), "the test's own clearing up was left out"


def test_half_a_character_does_not_end_a_run_of_several_processes(write, tmp_path):
    odd = "import logging\n\ndef test_odd():\n    logging.warning('\\ud800')\n    assert '\\ud800' == ''\n"
    one = run.Run("SQLite", "", [*run.SPREAD, *write(odd)], tmp_path)
    assert one.process.wait(60) == 1
    assert "1 failed" in one.log.read_text()


TWO = "postgres://u@127.0.0.1/two"  # it is asked nothing
PASSES_ON_ONE = """
import os

def test_one():
    assert os.environ["TEST_DATABASE_URL"] != "{fails_on}"

def test_two():
    pass
"""


@pytest.mark.parametrize(
    ("fails_on", "more", "code", "said"),
    [
        ("nowhere", [], 0, ["passed on one", "passed on two"]),
        ("two", [], 1, ["passed on one", "FAILED on two"]),
        ("one", [], 1, ["FAILED on one", "passed on two"]),
        ("nowhere", ["-k", "test_two"], 0, ["passed on one", "passed on two"]),
        ("nowhere", ["-k", "nothing"], 5, ["no test was selected"]),
    ],
)
def test_the_exit_code_and_the_last_lines_say_how_each_run_ended(write, monkeypatch, capfd, fails_on, more, code, said):
    monkeypatch.setattr(run, "databases", lambda stack, modes: [("one", "", []), ("two", TWO, [])])
    monkeypatch.setattr(run.signal, "signal", lambda *args: None)  # the handlers of this run stay
    fails_on = {"one": "", "two": TWO}.get(fails_on, fails_on)
    monkeypatch.setattr("sys.argv", ["run", *write(PASSES_ON_ONE.format(fails_on=fails_on)), *more])
    assert run.main() == code
    printed = capfd.readouterr().out
    for line in said:
        assert f"\n{line}" in printed
    # One after the other, and neither inside of the other.
    assert printed.count("=== The suite on one") == printed.count("=== The suite on two") == 1


def test_what_depends_on_no_database_runs_once(monkeypatch):
    monkeypatch.setenv("TEST_DATABASE_URL", "postgres://u@127.0.0.1/d")
    both = run.databases(None)
    assert both == [
        ("SQLite", "", [*run.SPREAD, "-m", "not once_on_postgresql"]),
        ("PostgreSQL of TEST_DATABASE_URL", "postgres://u@127.0.0.1/d", [*run.SPREAD, "-m", "not once"]),
    ]


def test_what_is_quick_runs_on_both_databases_or_on_postgresql_alone(monkeypatch):
    monkeypatch.setenv("TEST_DATABASE_URL", "postgres://u@127.0.0.1/d")
    wanted = [(title, said[-1]) for title, _, said in run.databases(None, {"--brief"})]
    assert wanted == [
        ("SQLite", "not once_on_postgresql and not slow"),
        ("PostgreSQL of TEST_DATABASE_URL", "not once and not slow"),
    ]
    ((title, _, said),) = run.databases(None, {"--postgresql"})
    assert (title, said[-1]) == ("PostgreSQL of TEST_DATABASE_URL", "not once")


def test_each_test_runs_on_both_if_asked(monkeypatch):
    monkeypatch.setenv("TEST_DATABASE_URL", "postgres://u@127.0.0.1/d")
    assert [more for _, _, more in run.databases(None, {"--both"})] == [run.SPREAD] * 2


def test_the_long_form_has_each_file_that_has_one():
    forms = run.long_forms()
    assert {
        "tests/services/test_histories.py",
        "tests/delivery/test_histories.py",
        "tests/api/test_made_up_requests.py",
    } <= set(forms)
    assert "tests/api/test_tokens.py" not in forms


# A word that is so short comes by chance out of a number, a hash or a token.
SHORT = re.compile(r"""assert b?["']\w{1,3}["'] not in """)


def test_no_text_is_searched_in_vain_for_what_chance_may_put_there():
    assert SHORT.search('assert "A3" not in page')
    found = [str(file) for file in Path("tests").rglob("*.py") if SHORT.search(file.read_text("utf-8"))]
    assert found == ["tests/operations/test_run.py"]
