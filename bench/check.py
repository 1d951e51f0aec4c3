"""Do all of them leave the same rows? `python -m bench.check`: silent where they do, else 1 and the first difference.

The same bodies go to each service over a database of its own, all made alike, one after the other. Then every table is
compared, but for times and request ids. pgbench makes up its own numbers and slots: the rest of its rows is compared.
"""

import http.client
import json
import sys
import tempfile
from pathlib import Path

import psycopg

from bench import floor, run, services, world
from tests.support import postgres

TABLES = ("workorder", "partorder", "requiredpart", "searchdocument", "historyentry", "appointmentslot", "refusal")
MOMENTS = {"at", "created_at", "changed_at", "request_id", "message"}
# What pgbench makes up.
MADE_UP = {"id", "order_num", "original_order", "claim", "slot_id", "area_id", "visit_start", "work_order_id", "body",
           "fingerprint", "details", "part_order_id", "part_order_num", "words"}  # fmt: skip
SLOTS = 2_000
BODIES = 12


def book(port: int, request: bytes) -> tuple[int, object]:
    """Status and answer; of a refusal only the word, for its sentences are each one's own."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", first.split()[1], body, dict(line.split(": ", 1) for line in lines))
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if not text.startswith(b"{"):
        raise SystemExit(f"{response.status} {text[:500]!r}")
    answer = json.loads(text)
    return response.status, answer if response.status == 200 else answer["detail"]["params"]["error"]


def rows(url: str, leave_out: set[str], order: str = "%") -> dict[str, list[str]]:
    found = {}
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        for table in TABLES:
            of_order = ""
            if table not in ("appointmentslot", "refusal"):
                key = "id" if table == "workorder" else "work_order_id"
                of_order = f"WHERE {key} IN (SELECT id FROM bookings_workorder WHERE original_order LIKE '{order}')"
            found[table] = sorted(
                str({name: value for name, value in row.items() if name not in leave_out})
                for row in connection.execute(f"SELECT * FROM bookings_{table} {of_order}")
            )
    return found


def differences(name: str, ours: object, theirs: object) -> list[str]:
    if isinstance(ours, dict):
        return [line for key in ours for line in differences(f"{name}, {key}", ours[key], theirs[key])]
    if isinstance(ours, list):
        if ours == theirs:
            return []
        pairs = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
        first = pairs[0] if pairs else ("", "")
        return [f"{name}: {len(ours)} and {len(theirs)}, such as\n  {first[0][:600]}\n  {first[1][:600]}"]
    return [] if ours == theirs else [f"{name}: {ours} and {theirs}"]


def main() -> int:
    found: list[str] = []
    with postgres.running() as server, tempfile.TemporaryDirectory() as folder:
        bench = run.Bench(server, Path(folder))
        template = bench.make_database("template_of_all", SLOTS, 50)
        with psycopg.connect(template) as connection:
            # One of the workers has the most room, so that nothing is left to the lot.
            connection.execute("UPDATE bookings_appointmentslot SET capacity = 2 * capacity WHERE worker LIKE '%-1'")
        source = world.Bookings(SLOTS)
        requests = source.take(BODIES, "WO")
        # A copy, and the same order with another body, neither of which may leave a row.
        extra = [requests[0], requests[1].replace(b"Hannah", b"Johann")]
        found_by: dict[str, tuple[list[object], dict[str, list[str]]]] = {}
        for name in ("ours", "FastAPI", "naive DRF"):
            with psycopg.connect(server.url, autocommit=True) as connection:
                database = name.lower().replace(" ", "_")
                connection.execute(f"CREATE DATABASE {database} TEMPLATE template_of_all")
            url = template.replace("template_of_all", database)
            with services.running(name, url, Path(folder) / f"{database}.log") as service:
                sent = requests if name == "naive DRF" else requests + extra
                answers = [book(service.port, request) for request in sent]
            found_by[name] = answers, rows(url, MOMENTS | ({"fingerprint"} if name == "naive DRF" else set()))
            if name == "ours":
                ours_url = url
                without_fingerprint = rows(url, MOMENTS | {"fingerprint"})
        answers, left = found_by["ours"]
        if [status for status, _ in answers] != [200] * (BODIES + 1) + [409] or answers[0] != answers[-2]:
            found.append(f"ours answers {answers}")
        found += differences("ours and FastAPI: answers", answers, found_by["FastAPI"][0])
        found += differences("ours and FastAPI", left, found_by["FastAPI"][1])
        found += differences("ours and naive DRF: answers", answers[:BODIES], found_by["naive DRF"][0])
        without_fingerprint["refusal"] = []
        found += differences("ours and naive DRF", without_fingerprint, found_by["naive DRF"][1])

        captured = bench.make_database("captured", 0)
        booking, _ = floor.make_scripts(captured, services.environment(""), source.areas)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE pgbench TEMPLATE template_of_all")
        url = template.replace("template_of_all", "pgbench")
        bench.pgbench(url, booking, 8, 1)
        theirs = rows(url, MOMENTS | MADE_UP, "WO-%")
        one = rows(ours_url, MOMENTS | MADE_UP, "WO-000000")
        for table in ("workorder", "partorder", "requiredpart", "searchdocument", "historyentry"):
            found += differences(f"ours and pgbench, {table}", sorted(one[table] * 8), theirs[table])
        with psycopg.connect(url) as connection:
            (taken,) = connection.execute("SELECT sum(booked) - 50 FROM bookings_appointmentslot").fetchone()
        found += differences("places that pgbench took", 8, taken)
    print("\n".join(found) or "Every one of them left the same rows.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
