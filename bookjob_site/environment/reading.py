"""The environment and the files that count less, read by the declarations."""

import difflib
import os
import re
from pathlib import Path
from typing import Any

from bookjob_site.environment.converters import Wrong
from bookjob_site.environment.declarations import BY_NAME, KNOWN
from bookjob_site.environment.refusing import refuse, shown


def read_file(path: Path) -> None:
    """Put the lines of a file into the environment, which counts more. `NAME=value`, quotes around it if need be."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeError) as fault:
        problem = fault.strerror if isinstance(fault, OSError) else "is no UTF-8"
        refuse(str(path), f"cannot be read: {problem}", "a text file that this user may read", "no setting would hold")
        return
    names: set[str] = set()
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        place = f"{path.name}, line {number},"
        found = re.fullmatch(r"(?:export )?([A-Za-z_][A-Za-z0-9_]*)=(.*)", line)
        if not found or found[2][:1].isspace():
            name = re.split(r"[\s=:]", line.removeprefix("export "))[0][:60]
            refuse(f"{place} {name}", "is no setting as it stands", f"{name}=value, without blanks around the sign or a"
                   " colon in its place", "the line would be ignored")  # fmt: skip
            continue
        name, value = found.groups()
        if quoted := re.fullmatch(r"""'([^']*)'|"((?:[^"\\]|\\.)*)\"""", value):
            value = quoted[1] if quoted[1] is not None else re.sub(r"\\(.)", r"\1", quoted[2])
        elif value[:1] in ("'", '"', "#") or re.search(r"\s#", value):
            refuse(f"{place} {name}", "has a comment or a lone quote in its value",
                   "the value alone; a comment gets a line of its own, a value with # is quoted",
                   "the rest of the line would be part of the value")  # fmt: skip
            continue
        if name in names:
            refuse(f"{place} {name}", "stands there a second time", "there once", "one of the two would be ignored")
        elif name not in KNOWN and not is_ours(name) and (near := nearest(name, 0.85)):
            refuse(f"{place} {name}", "is no setting", f"{near}, if that is what is meant", "it would be ignored")
        names.add(name)
        os.environ.setdefault(name, value)


def is_ours(name: str) -> bool:
    return bool(re.match(r"BOOK_?-?JOB_", name, re.IGNORECASE))


def nearest(name: str, cutoff: float) -> str:
    """The setting whose name looks like this one; what all our names begin with makes none alike."""
    ours = {_rest(known): known for known in sorted(KNOWN)}
    found = difflib.get_close_matches(_rest(name), ours, 1, cutoff)
    return ours[found[0]] if found else ""


def _rest(name: str) -> str:
    return re.sub(r"^BOOK_?-?JOB_", "", name.upper().replace("-", "_"))


def read_all() -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, setting in BY_NAME.items():
        given = os.environ.get(name, "").strip()
        text = given or setting.default
        try:
            values[name] = setting.convert(text) if text else setting.unset
        except ValueError as fault:
            right = str(fault) if isinstance(fault, Wrong) else setting.right
            refuse(name, shown(name, given), right, setting.broken)
            values[name] = setting.convert(setting.default) if setting.default else setting.unset
    for name in sorted(os.environ):
        if name not in KNOWN and is_ours(name):
            near = nearest(name, 0.6)
            right = f"{near}, if that is what is meant" if near else "one of the names in .env.example"
            refuse(name, "is no setting", right, "it would be ignored")
    return values
