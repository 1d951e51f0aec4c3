"""The version stands in one place and is shown where people look; a release is made of what agrees with it."""

import hashlib
import json
import re
import subprocess
import tarfile

import pytest
from django.contrib.auth import get_user_model

from bookjob_site.version import VERSION
from tests import release
from tests.support.environment import ROOT


def test_changelog_sbom_and_schema_agree_with_it():
    found = release.problems(ROOT, is_draft=True)
    assert [problem for problem in found if not problem.startswith("Not committed")] == []


def test_the_code_does_not_write_it_down_again():
    named = ["git", "grep", "-l", "-F", f'"{VERSION}"', "--", "bookings", "bookjob_site", "templates", "*.py", "*.toml"]
    assert subprocess.run(named, cwd=ROOT, capture_output=True, text=True).stdout == "pyproject.toml\n"


@pytest.mark.django_db
def test_the_desk_shows_it_and_the_log_in_page_does_not(client):
    assert f"bookjob {VERSION}" not in client.get("/admin/login/").content.decode()
    client.force_login(get_user_model().objects.create_superuser("ann"))
    for path in ("/admin/", "/admin/bookings/workorder/"):
        assert f"bookjob {VERSION}" in client.get(path).content.decode()


def test_the_log_begins_with_it(service):
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    (said,) = [line for line in lines if "version" in line]
    assert (said["version"], said["message"]) == (VERSION, f"bookjob {VERSION} serves.")


class TestRelease:
    @pytest.fixture
    def tree(self, tmp_path):
        """A commit of the files that have to agree."""
        tree = tmp_path / "tree"
        tree.mkdir()
        for name in ("pyproject.toml", "CHANGELOG.md", "sbom.json", "openapi.yaml"):
            (tree / name).write_text((ROOT / name).read_text())
        changelog = (tree / "CHANGELOG.md").read_text()
        (tree / "CHANGELOG.md").write_text(re.sub(rf"(## \[{VERSION}\] - ).*", r"\g<1>2026-12-01", changelog))
        release.git(tree, "init", "--quiet")
        release.git(tree, "add", ".")
        self.commit(tree)
        return tree

    def commit(self, tree):
        who = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"]
        release.git(tree, *who, "commit", "--quiet", "--all", "--message", "Release")

    def test_archive_sbom_and_sums(self, tree, tmp_path):
        assert release.problems(tree) == []
        archive, sbom, sums = release.write(tree, tmp_path / "out")
        with tarfile.open(archive) as opened:
            assert f"bookjob-{VERSION}/pyproject.toml" in opened.getnames()
        assert json.loads(sbom.read_text())["metadata"]["component"]["version"] == VERSION
        wanted = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in (archive, sbom)]
        assert sums.read_text().splitlines() == wanted

    def test_the_same_commit_gives_the_same_bytes(self, tree, tmp_path):
        first, second = (release.write(tree, tmp_path / name)[2].read_text() for name in ("a", "b"))
        assert first == second

    @pytest.mark.parametrize(
        ("path", "old", "new", "problem"),
        [
            ("CHANGELOG.md", f"## [{VERSION}]", "## [0.0.1]", f"CHANGELOG.md has no section for {VERSION}."),
            ("CHANGELOG.md", "2026-12-01", "not yet released", f"CHANGELOG.md has no date for {VERSION}."),
            ("sbom.json", f'"version": "{VERSION}"', '"version": "0.0.1"', f"sbom.json is of 0.0.1, not of {VERSION}."),
            ("openapi.yaml", f"version: {VERSION}", "version: 0.0.1", f"openapi.yaml is of 0.0.1, not of {VERSION}."),
        ],
    )
    def test_what_does_not_agree_is_refused(self, tree, path, old, new, problem):
        text = (tree / path).read_text()
        assert old in text
        (tree / path).write_text(text.replace(old, new))
        self.commit(tree)
        (said,) = release.problems(tree)
        assert said.startswith(problem)

    def test_what_is_not_committed_is_refused(self, tree):
        (tree / "openapi.yaml").write_text("info: {version: none}\n")
        assert "Not committed: openapi.yaml. Commit first." in release.problems(tree)
