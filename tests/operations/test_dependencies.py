"""What is installed is what was chosen: requirements.txt, its lock with hashes, and the SBOM say the same."""

import json
import re

import pytest
from packaging.requirements import Requirement

from tests import audit
from tests.support.environment import ROOT


def name_of(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def entries(path: str) -> list[str]:
    text = re.sub(r"\s*#.*", "", (ROOT / path).read_text())
    return [entry for entry in text.replace("\\\n", " ").splitlines() if entry.strip()]


def pinned(path: str, **system: str) -> set[tuple[str, str]]:
    """What is to be installed: on any system, or on that which the words of a marker describe."""
    chosen = [Requirement(entry.partition("--hash")[0]) for entry in entries(path)]
    return {
        (name_of(one.name), str(one.specifier).removeprefix("=="))
        for one in chosen
        if not system or not one.marker or one.marker.evaluate(system)
    }


def test_the_lock_holds_every_requirement():
    chosen = pinned("requirements.txt")
    assert chosen
    assert chosen <= pinned("requirements.lock"), "requirements.lock is not in step: make lock"


def test_every_line_of_the_lock_has_its_hashes():
    assert len(entries("requirements.lock")) == len(pinned("requirements.lock"))
    for entry in entries("requirements.lock"):
        assert re.fullmatch(r"[\w.-]+(\[[\w,]+\])?==[\w.+-]+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_one_release_of_each_library_is_for_each_python(python):
    names = [name for name, _ in pinned("requirements.lock", **on_linux(python))]
    assert sorted(names) == sorted(set(names))
    assert "django-unfold" in names


def on_linux(python: str) -> dict[str, str]:
    system = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
    return {**system, "platform_system": "Linux", "implementation_name": "cpython"}


@pytest.mark.parametrize("path", ["Makefile", "README.md", "Dockerfile", "docs/operations.md"])
def test_whatever_installs_goes_by_the_hashes(path):
    text = (ROOT / path).read_text()
    assert "--require-hashes -r requirements.lock" in text
    assert "install -r requirements.txt" not in text


def test_the_sbom_lists_what_is_installed():
    """In the container's image, that is with its Python."""
    sbom = json.loads((ROOT / "sbom.json").read_text())
    listed = {(name_of(part["name"]), part["version"]) for part in sbom["components"]}
    python = re.search(r"^FROM python:([\d.]+)-", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[1]
    assert sbom["bomFormat"] == "CycloneDX"
    assert listed == pinned("requirements.lock", **on_linux(python)), "sbom.json is not in step: make lock"
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
