"""The tables of the documentation that are drawn from the code, and `.env.example`: `make docs` writes them.

A page says where its table stands: between `<!-- generated: NAME -->` and `<!-- end -->`.
tests/operations/test_pages.py compares them. The tables of error codes and of metrics have words of their own; their
names and statuses are compared in tests/api/test_refusals.py and tests/operations/test_deploy.py.
"""

import argparse
import math
import os
import re
import textwrap
from collections.abc import Iterable
from functools import partial

# First: the settings are read from the environment that this makes.
from tests.support.environment import ROOT  # isort: skip

import django
from django.core.management import get_commands, load_command_class

from bookjob_site.environment.declarations import SETTINGS, Setting
from conformance import checklist

# Rights that are given one by one, beside the roles.
SINGLE = "for single users"


def example() -> str:
    """The text of `.env.example`."""
    lines = [
        "# Every setting with its default. Copy to .env, or set them in the environment, which counts more.",
        "# A value that cannot be right stops the start with one line that names the variable. A comment has a line of",
        "# its own; there are no blanks around the equals sign. Drawn from bookjob_site/environment/: make docs.",
    ]
    for group, settings in SETTINGS.items():
        lines += ["", f"# --- {group} ---"]
        for setting in settings:
            default = f" Default: {setting.shown.replace(': ', '; ')}." if setting.shown else ""
            lines += wrapped(f"{setting.meaning}.{default}")
            lines.append(f"{setting.name}={setting.default}")
    return "\n".join(lines) + "\n"


def wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(text[0].upper() + text[1:], 118, initial_indent="# ", subsequent_indent="# ",
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def settings() -> str:
    """A table for each group of settings."""
    return "\n".join(
        f"### {group}\n\n{table(['variable', 'meaning', 'default'], map(row_of, found))}"
        for group, found in SETTINGS.items()
    )


def row_of(setting: Setting) -> list[str]:
    meaning = re.sub(r"docs/(\w+\.md)", r"[\1](\1)", setting.meaning)
    default = setting.shown or (f"`{setting.default}`" if setting.default else "none")
    return [f"`{setting.name}`", meaning.replace("|", "\\|"), default]


def commands() -> str:
    """Each command of ours with the first sentence of its help and its options."""
    ours = sorted(name for name, app in get_commands().items() if app == "bookings" and name != "migrate")
    return "\n".join(map(command, ours))


def command(name: str) -> str:
    parser = load_command_class("bookings", name).create_parser("manage.py", name)
    common = {"-h", "--version", "-v", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
              "--skip-checks"}  # fmt: skip
    actions = [action for action in parser._actions if not common & set(action.option_strings)]
    about = " ".join((parser.description or "").split("\n\n")[0].split())
    options = table(["option", "meaning"], map(option, actions)) if actions else ""
    return f"### {name}\n\n{about}\n" + (f"\n{options}" if options else "")


def option(action: argparse.Action) -> list[str]:
    value = (
        ""
        if action.nargs == 0
        else argparse.HelpFormatter("")._format_args(action, (action.metavar or action.dest).upper())
    )
    shown = " ".join(filter(None, [", ".join(action.option_strings), value]))
    meaning = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%").replace("|", "\\|")
    return [
        f"`{shown}`",
        " ".join(meaning.split()) + (" (required)" if action.option_strings and action.required else ""),
    ]


def permissions() -> str:
    """What each role may do, as the migrations give it; asks the database."""
    from django.contrib.auth.models import Group, Permission

    roles = [Group.objects.get(name=name) for name in ("viewer", "dispatcher", "supervisor")]
    held = [set(role.permissions.values_list("pk", flat=True)) for role in roles]
    found = Permission.objects.filter(content_type__app_label="bookings").order_by("content_type__model", "codename")
    rows = []
    for permission in found:
        marks = ["yes" if permission.pk in one else "" for one in held]
        is_our_own = (permission.codename, permission.name) in permission.content_type.model_class()._meta.permissions
        if any(marks) or is_our_own:
            rows.append([permission.name, f"`{permission.codename}`", *(marks if any(marks) else [SINGLE, "", ""])])
    return table(["permission", "code", *(role.name for role in roles)], rows)


def scopes() -> str:
    """What a key may be allowed."""
    from bookings.models import Scope

    return table(["scope", "a key with it may"], ([f"`{scope.value}`", scope.label] for scope in Scope))


def published() -> Iterable[tuple[str, dict]]:
    """Each operation of the API by its method and address."""
    from drf_spectacular.generators import SchemaGenerator

    for path, methods in SchemaGenerator().get_schema(request=None, public=True)["paths"].items():
        for method, operation in methods.items():
            yield f"`{method.upper()} {path}`", operation


def operations() -> str:
    rows = []
    for address, operation in published():
        keys = [need["systemKey"] for need in operation["security"] if "systemKey" in need]
        is_for_tokens = any("accessToken" in need for need in operation["security"])
        scope = f"`{keys[0][0]}`" if keys else "none"
        rows.append([address, operation["summary"], scope, "yes" if is_for_tokens else ""])
    return table(["operation", "what it does", "scope of a key", "tokens, too"], rows)


def codes() -> str:
    """Each error code that an operation answers with."""
    from bookings.api import schema

    rows = ([f"`{code.value}`", str(code.status), message] for code, (message, *_) in schema.ERRORS.items())
    return table(["`params.error`", "status", "such as"], rows)


def limits() -> str:
    from bookings.api import bulk, idempotency, supply
    from bookings.offers import MOST, PAGE
    from bookings.services import feed
    from bookings.wire.values import MAX_ITEMS, MAX_NOTE

    mebibyte = 1024 * 1024
    return table(
        ["what", "at most"],
        [
            ["a body", "`BOOKJOB_MAX_BODY_BYTES`"],
            [
                "a body of `PUT /api/v1/slots`",
                f"{bulk.MAX_JSON // mebibyte} MiB, as NDJSON {bulk.MAX_NDJSON // mebibyte} MiB",
            ],
            ["a row of it", f"{bulk.MAX_ROW // 1024} KiB"],
            ["rows of it", f"{bulk.MAX_ROWS:,}"],
            ["refused rows that are named", f"{supply.upserts.NAMED:,}"],
            ["work orders, slots and refusals on a page of a feed", f"{feed.MOST} ({feed.PAGE} unless said)"],
            ["letters of their bodies on a page", f"{feed.MOST_LETTERS:,}, or one work order or refusal"],
            ["slots, areas, blackouts and absences on a page", f"{supply.MOST:,} ({supply.PAGE} unless said)"],
            ["blackouts or absences in a body", f"{MAX_ITEMS:,}"],
            ["slots on a page of `explain`", f"{MOST:,} ({PAGE} unless said)"],
            ["a reason or a note", f"{MAX_NOTE:,} characters"],
            ["an `Idempotency-Key`", f"255 characters, kept {idempotency.KEPT.total_seconds() // 3600:.0f} hours"],
            ["requests a minute of a key to an endpoint", "`BOOKJOB_CALLER_LIMIT`"],
        ],
    )


# Per technician in the busiest minute, as docs/scale.md assumes: bookings a second, and searches for each of them.
BOOKINGS_A_SECOND, SEARCHES = 6 / 5 * 0.2 * 3 / 3600, 3
KILOBYTES_A_BOOKING, DAYS_A_YEAR = 10, 250


def measured(heading: str) -> tuple[float, float]:
    """Milliseconds of Python and of the database that ours took in a table of bench/results.md."""
    text = (ROOT / "bench" / "results.md").read_text()
    row = text[text.index(f"| {heading}") :].partition("\n| ours |")[2].partition("\n")[0].split("|")
    return float(row[3]), float(row[4])


def scale() -> str:
    """What so many technicians need: cores at half load."""
    booking, search = measured("booking, 1,000,000 slots"), measured("search, 50 offers")
    rows = []
    for technicians in (1_000, 10_000, 100_000, 1_000_000, 10_000_000):
        books = technicians * BOOKINGS_A_SECOND
        service, database = (
            2 * books * (one + SEARCHES * another) / 1000 for one, another in zip(booking, search, strict=True)
        )
        gigabytes = technicians * 1.2 * DAYS_A_YEAR * KILOBYTES_A_BOOKING / 1_000_000
        rows.append([f"{technicians:,}", f"{books:,.1f}", f"{books * SEARCHES:,.1f}", f"{math.ceil(service)}",
                     f"{math.ceil(database)}", f"{math.ceil(gigabytes):,} GB"])  # fmt: skip
    head = ["technicians", "bookings a second", "searches a second", "cores, service", "cores, database", "disk a year"]
    return table(head, rows)


def section(name: str) -> str:
    """A part of the check list that the kit prints."""
    fill = partial(textwrap.fill, width=120, break_long_words=False, break_on_hyphens=False)
    items = checklist.SECTIONS[name]
    return "".join(fill(f"- [ ] {item.text}", subsequent_indent="  ") + "\n" for item in items)


TABLES = {
    "settings": settings,
    "commands": commands,
    "permissions": permissions,
    "scopes": scopes,
    "operations": operations,
    "codes": codes,
    "limits": limits,
    "scale": scale,
    **{f"check_list_{name}": partial(section, name) for name in checklist.SECTIONS},
}
MARK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]


def drawn(text: str) -> str:
    """The text of a page with its tables as they should be."""
    return MARK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n", text)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "bookjob_site.settings"
    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0)
    (ROOT / ".env.example").write_text(example())
    for page in PAGES:
        page.write_text(drawn(page.read_text()))
