"""Known faults of the libraries that the service runs on: pip-audit, over what requirements.lock installs.

    python -m tests.audit

Ends with exit status 1 where a library has one. Where PyPI's advisories cannot be reached that is said, and nothing
else: what is installed is still what the hashes of requirements.lock say.
"""

import json
import subprocess
import sys
from typing import Any

COMMAND = ["-m", "pip_audit", "--requirement", "requirements.lock", "--disable-pip", "--require-hashes"]


def main() -> int:
    ran = subprocess.run(
        [sys.executable, *COMMAND, "--format", "json", "--progress-spinner", "off"],
        capture_output=True,
        text=True,
        check=False,
    )
    return report(ran.stdout, ran.stderr)


def report(found: str, said: str) -> int:
    """Print what pip-audit found; the exit status."""
    try:
        libraries: list[dict[str, Any]] = json.loads(found)["dependencies"]
    except ValueError:
        print(f"not audited: {(said.strip().splitlines() or ['pip-audit said nothing'])[-1]}")
        return 0
    skipped = [library["name"] for library in libraries if "skip_reason" in library]
    faults = [(library, fault) for library in libraries for fault in library.get("vulns", [])]
    for library, fault in faults:
        fixed = ", ".join(fault["fix_versions"]) or "nowhere yet"
        print(f"{library['name']} {library['version']} has {fault['id']}, mended in {fixed}")
    if len(skipped) == len(libraries):
        print(f"not audited: PyPI's advisories are not reached from here ({len(libraries)} libraries)")
    elif skipped:
        print(f"not audited: {', '.join(skipped)}")
    print(f"audited: {len(libraries) - len(skipped)} libraries, {len(faults)} known faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
