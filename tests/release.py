"""What is handed out as a release, in var/release/: the source archive, the SBOM and their sums.

    python -m tests.release [--draft]

Ends with exit status 1, and writes nothing, where version, changelog, SBOM, schema and commit do not agree. --draft
writes an archive before the date of the release is known.
"""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout


def version_of(root: Path) -> str:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]


def problems(root: Path, is_draft: bool = False) -> list[str]:
    """A sentence for each reason not to hand this out."""
    version, found = version_of(root), []
    heading = re.search(rf"^## \[{re.escape(version)}\] - (.+)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    if heading is None:
        found.append(f"CHANGELOG.md has no section for {version}. Write what it brings.")
    elif not is_draft and not re.fullmatch(r"\d{4}-\d\d-\d\d", heading[1]):
        found.append(f"CHANGELOG.md has no date for {version}. Write it into the heading.")
    listed = json.loads((root / "sbom.json").read_text())["metadata"].get("component", {}).get("version")
    if listed != version:
        found.append(f"sbom.json is of {listed}, not of {version}. Run make lock.")
    published = yaml.load((root / "openapi.yaml").read_text(), yaml.CSafeLoader)["info"]["version"]
    if published != version:
        found.append(f"openapi.yaml is of {published}, not of {version}. Run make openapi.yaml.")
    if changed := git(root, "status", "--porcelain", "--untracked-files=no"):
        found.append(f"Not committed: {', '.join(line[3:] for line in changed.splitlines())}. Commit first.")
    return found


def write(root: Path, folder: Path) -> list[Path]:
    """The files of the release; the same commit gives the same bytes."""
    name = f"bookjob-{version_of(root)}"
    folder.mkdir(parents=True, exist_ok=True)
    archive, sbom, sums = folder / f"{name}.tar.gz", folder / f"{name}.cdx.json", folder / "SHA256SUMS"
    git(root, "archive", f"--prefix={name}/", "--format=tar.gz", f"--output={archive}", "HEAD")
    sbom.write_bytes((root / "sbom.json").read_bytes())
    hashes = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in (archive, sbom)]
    sums.write_text("".join(hashes))
    return [archive, sbom, sums]


def main(arguments: list[str]) -> int:
    if found := problems(ROOT, is_draft="--draft" in arguments):
        print("\n".join(found), file=sys.stderr)
        return 1
    for file in write(ROOT, ROOT / "var" / "release"):
        print(file.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
