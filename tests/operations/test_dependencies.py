"""What is installed is what was chosen: requirements.txt, its lock with hashes, and the SBOM say the same."""

import json
import re

import pytest

from tests import audit
from tests.support.environment import ROOT


def name_of(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def pinned(path: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([\w.+-]+)", (ROOT / path).read_text(), re.MULTILINE)
    return {name_of(name): version for name, version in found}


def lock_entries() -> list[str]:
    text = re.sub(r"\s*#.*", "", (ROOT / "requirements.lock").read_text())
    return [entry for entry in text.replace("\\\n", " ").splitlines() if entry.strip()]


def test_the_lock_holds_every_requirement():
    chosen, locked = pinned("requirements.txt"), pinned("requirements.lock")
    assert chosen
    assert {name: locked.get(name) for name in chosen} == chosen, "requirements.lock is not in step: make lock"


def test_every_line_of_the_lock_has_its_hashes():
    entries = lock_entries()
    assert len(entries) == len(pinned("requirements.lock"))
    for entry in entries:
        assert re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==[\w.+-]+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("path", ["Makefile", "README.md", "Dockerfile", "docs/operations.md"])
def test_whatever_installs_goes_by_the_hashes(path):
    text = (ROOT / path).read_text()
    assert "--require-hashes -r requirements.lock" in text
    assert "install -r requirements.txt" not in text


def test_the_sbom_lists_what_is_installed():
    sbom = json.loads((ROOT / "sbom.json").read_text())
    listed = {name_of(part["name"]): part["version"] for part in sbom["components"]}
    # What only other systems need is not installed here.
    elsewhere = {name_of(entry.split("==")[0]) for entry in lock_entries() if "sys_platform" in entry}
    expected = {name: version for name, version in pinned("requirements.lock").items() if name not in elsewhere}
    assert sbom["bomFormat"] == "CycloneDX"
    assert listed == expected, "sbom.json is not in step: make lock"
    assert all(part["purl"].startswith("pkg:pypi/") for part in sbom["components"])


class TestAudit:
    def found(self, *libraries) -> str:
        return json.dumps({"dependencies": [{"name": "a", "version": "1"} | library for library in libraries]})

    def test_nothing_is_known(self, capsys):
        assert audit.report(self.found({"vulns": []}), "") == 0
        assert capsys.readouterr().out == "audited: 1 libraries, 0 known faults\n"

    def test_a_known_fault_ends_it(self, capsys):
        fault = {"id": "PYSEC-1", "fix_versions": ["1.1"]}
        assert audit.report(self.found({"vulns": [fault]}, {"vulns": []}), "") == 1
        assert "a 1 has PYSEC-1, mended in 1.1" in capsys.readouterr().out

    def test_what_could_not_be_asked_is_said(self, capsys):
        assert audit.report(self.found({"skip_reason": "not found"}), "") == 0
        assert "not audited: PyPI's advisories are not reached" in capsys.readouterr().out
        assert audit.report(self.found({"skip_reason": "not found"}, {"vulns": []}), "") == 0
        assert capsys.readouterr().out == "not audited: a\naudited: 1 libraries, 0 known faults\n"
        assert audit.report("", "Traceback\nConnectionError: no route") == 0
        assert capsys.readouterr().out == "not audited: ConnectionError: no route\n"
