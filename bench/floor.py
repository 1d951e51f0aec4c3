"""Rival (c): what the database itself can do, from pgbench with our very statements.

The product makes one booking and one search in a small database, where area, slot, order and numbers have keys that
occur nowhere else. Its statements are written down and become a pgbench script: those keys become variables, every
other value stays a parameter, sent as the product sends it.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import world

# None of them begins like a number that is made up for a transaction.
AREA, SLOT, NUMBER, PART = 9_100_000_001, 9_200_000_001, 6_300_000_001, 9_400_000_001
ORDER, CODE = "WO-CAPTURED", "AREA-CAPTURED"
START = world.TODAY + timedelta(days=3, hours=8, minutes=7)
END = START + timedelta(hours=2)
AT = f"(TIMESTAMPTZ '{world.TODAY.isoformat()}' + %s * interval '1 minute')"

# What is drawn for each booking: the same slots as in world.Bookings.
DRAW_AREA = "\\set area random(1, {areas})"
DRAW = f"""
\\set n :n + 1
\\set number {NUMBER} + :client_id * 100000000 + :n
\\set day random({world.FIRST_BOOKABLE}, {world.FIRST_BOOKABLE + world.BOOKABLE_DAYS - 1})
\\set period random(0, {world.PERIODS - 1})
\\set slot (:area - 1) * {world.SLOTS_OF_AN_AREA} + ((:day + {world.DAYS // 2}) * {world.PERIODS} + :period) * {
    world.WORKERS
} + random(1, {world.WORKERS})
\\set start :day * 1440 + 480 + 120 * :period
\\set end :start + 120
"""


@dataclass
class Script:
    """A pgbench script and the values of its parameters."""

    text: str
    values: dict[str, str]


def find_pgbench(postgres: str) -> str:
    """Beside the server's own binary."""
    return str(Path(postgres).with_name("pgbench"))


def run(pgbench: str, url: str, script: Script, file: Path, *, transactions: int, clients: int, first: int) -> float:
    """Transactions a second. `first` keeps the numbers of one run apart from another's."""
    file.write_text(script.text)
    values = [f"--define={name}={value}" for name, value in (script.values | {"n": str(first)}).items()]
    command = [pgbench, "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=1"]
    command += [f"--transactions={transactions // clients}", f"--file={file}", *values, url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not rate or f" {transactions}/{transactions}" not in done.stdout:
        raise SystemExit(f"pgbench failed:\n{done.stdout}\n{done.stderr[-3000:]}")
    return float(rate[1])


# --- From the product's statements to a script ---------------------------------------------------------------


def make_scripts(url: str, environment: dict[str, str], areas: int) -> tuple[Script, Script]:
    """For a booking and for a search; `url` is of an empty database that was migrated."""
    command = [sys.executable, "-m", "bench.floor"]
    done = subprocess.run(command, env=environment | {"DATABASE_URL": url}, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"The statements could not be written down:\n{done.stderr[-3000:]}")
    captured = json.loads(done.stdout)
    draw = DRAW_AREA.format(areas=areas)
    return make_script(captured["booking"], draw + DRAW), make_script(captured["search"], draw)


def make_script(statements: list[tuple[str, list[Any]]], draw: str) -> Script:
    values = dict[str, str]()
    lines = [draw, *(_statement(text, parameters, values) + ";" for text, parameters in statements)]
    return Script("\n".join(lines) + "\n", values)


def _statement(text: str, parameters: list[Any], values: dict[str, str]) -> str:
    pieces = text.split("%s")
    written = [_parameter(value, values) for value in parameters]
    return "".join(piece + value for piece, value in zip(pieces, [*written, ""], strict=True)).replace("%%", "%")


def _parameter(value: Any, values: dict[str, str]) -> str:
    if value is None:
        return "NULL"
    if not (text := str(value)):
        return "''"  # pgbench takes no empty value
    known = {
        str(AREA): ":area",
        str(SLOT): ":slot",
        str(NUMBER): ":number",
        CODE: "('AREA-' || :area)",
        CODE.casefold(): "('area-' || :area)",
        ORDER: "('WO-' || :number)",
        START.isoformat(): AT % ":start",
        END.isoformat(): AT % ":end",
    }
    if text in known:
        return known[text]
    if text.casefold() in (CODE.casefold(), ORDER.casefold()):
        raise SystemExit(f"The measured database has no {text!r}: `known` lacks this spelling.")
    if match := re.fullmatch(f"([A-Z]+-)({NUMBER})", text):
        return f"('{match[1]}' || :number)"
    name = f"v{len(values)}"
    # Rows in a JSON text: their keys are put in while the database reads it. A part order's is one digit longer.
    inside = {
        str(NUMBER): ":number::text",
        str(PART // 10): ":number::text",
        str(SLOT): ":slot::text",
        str(AREA): ":area::text",
        ORDER: "'WO-' || :number",
        START.isoformat(): f"({AT % ':start'})::text",
    }
    if not any(mark in text for mark in inside):
        values[name] = text
        return f":{name}"
    values[name] = text.replace("%", "%%")
    for place, mark in enumerate(inside, 1):
        values[name] = values[name].replace(mark, f"%{place}$s")
    return f"format(:{name}, {', '.join(inside.values())})::json"


# --- The product's statements, written down in a process of its own --------------------------------------------


def _capture() -> dict[str, Any]:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")
    django.setup()
    from django.db import connection
    from django.test import Client

    from bookings.models import AppointmentSlot, ServiceArea

    area = ServiceArea.objects.create(pk=AREA, code=CODE, name="Captured", time_zone="Europe/London")
    with connection.cursor() as cursor:
        for table, key in (("workorder", NUMBER), ("partorder", PART)):
            cursor.execute(f"SELECT setval('bookings_{table}_id_seq', %s, false)", [key])
    headers = {"x-access-token": world.token(), "Host": "bookjob.example.org", "X-Forwarded-Proto": "https"}
    found = {}
    # The search first: in an area that it has seen, the product books with two statements.
    for name, source, path in (
        ("search", "search.json", "/api/v1/appointments/search"),
        ("booking", "booking.json", f"/api/v1/workorders/{ORDER}/followup"),
    ):
        AppointmentSlot.objects.get_or_create(pk=SLOT, area=area, start=START, end=END, capacity=1000)
        body = (world.HERE / source).read_text()
        marks = {"@ORDER@": ORDER, "@AREA@": CODE, "@START@": START.isoformat(), "@END@": END.isoformat()}
        for mark, value in marks.items():
            body = body.replace(mark, value)
        compact = json.dumps(json.loads(body), ensure_ascii=False)
        with _written_down() as statements:
            answer = Client().generic("POST", path, compact, content_type="application/json", headers=headers)
        if answer.status_code != 200:
            raise SystemExit(f"{name}: {answer.status_code} {answer.content!r}")
        found[name] = statements
    return found


@contextlib.contextmanager
def _written_down() -> Iterator[list[tuple[str, list[Any]]]]:
    """The statements that are sent meanwhile."""
    from django.db import connection

    statements: list[tuple[str, list[Any]]] = []

    def note(execute: Any, text: str, parameters: Any, many: bool, context: Any) -> Any:
        statements.append((text, [_plain(value) for value in parameters or []]))
        return execute(text, parameters, many, context)

    with connection.execute_wrapper(note):
        yield statements


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


if __name__ == "__main__":
    json.dump(_capture(), sys.stdout, default=str)
