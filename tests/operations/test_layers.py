"""The rule of imports (docs/architecture.md), as `make lint` checks it."""

import ast
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import ROOT

UPWARD = [
    ("bookings/clock.py", "from bookings import services", "bookings.clock"),
    ("bookings/offers/rulebook.py", "from bookings.services import booking", "bookings.offers"),
    ("bookings/api/views.py", "from bookings import admin", "bookings.api"),
    ("conformance/kit.py", "import bookings.clock", "conformance"),
]


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=folder, capture_output=True, text=True
    )


def copy_of_the_house(folder: Path) -> Path:
    for name in ("bookings", "conformance", "bookjob_site"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_it_is_kept(tmp_path):
    checked = check(copy_of_the_house(tmp_path))
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(("file", "planted", "named"), UPWARD, ids=[file for file, _, _ in UPWARD])
def test_an_import_upward_is_seen(tmp_path, file, planted, named):
    house = copy_of_the_house(tmp_path)
    with (house / file).open("a") as module:
        module.write(f"\n{planted}\n")
    checked = check(house)
    assert checked.returncode == 1, checked.stdout
    assert named in checked.stdout


CODE = [
    file
    for name in ("bookings", "bookjob_site")
    for file in (ROOT / name).rglob("*.py")
    if "migrations" not in file.parts
]


def test_a_file_has_one_subject():
    assert [str(file) for file in CODE if len(file.read_text().splitlines()) > 400] == []


def test_functions_are_short():
    found = [
        (node.end_lineno - node.lineno + 1, f"{file.relative_to(ROOT)}:{node.name}")
        for file in CODE
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    lengths = sorted(length for length, _ in found)
    assert [name for length, name in found if length > 50] == []
    assert statistics.median(lengths) <= 5
    assert lengths[int(len(lengths) * 0.9)] <= 20
