"""The version, read from the one place where it is written: `[project]` in pyproject.toml."""

import tomllib
from pathlib import Path

VERSION: str = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text("utf-8"))["project"][
    "version"
]


def in_pages(request: object) -> dict[str, str]:
    """For every template: the desk shows it below its menu."""
    return {"bookjob_version": VERSION}
