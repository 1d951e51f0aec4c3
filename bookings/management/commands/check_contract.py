"""Play ServiceMobility against an implementation of its search and booking interfaces, and report what it keeps.

Example, against the service that `make run` started:

    python manage.py check_contract http://127.0.0.1:8000/api/v1 --token "$(python manage.py issue_token api)" \\
        --location location.json --report report.txt

location.json holds a Location object as ServiceMobility sends it, of a place with open slots:

    {"LocationNum": "L-1", "ServiceAreaID": "LEEDS"}

It speaks HTTP only and reads no database, so that it checks a customer's own implementation as well. It makes real
bookings, which are listed at the end, and fills one period: use a test system, or cancel them. Exit status 0: nothing
failed; 1: a check failed; 2: wrong arguments, or nobody answers at the URL.
"""

import json
import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from conformance import kit
from conformance.client import Implementation
from conformance.plan import Plan

MAX_CALLERS = 250  # each calls twice


class Command(BaseCommand):
    help = __doc__ or ""
    requires_system_checks = []  # the service of this project need not work here, nor its database be there

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.add_argument("url", metavar="URL", help="base of both addresses, such as https://host/api/v1")
        parser.add_argument(
            "--token",
            default=os.environ.get("CHECK_CONTRACT_TOKEN", ""),
            metavar="TOKEN",
            help="one that the implementation accepts; in CHECK_CONTRACT_TOKEN no list of processes shows it",
        )
        parser.add_argument("--order-type", default="", metavar="CODE", help="OrderType of all that is sent (none)")
        parser.add_argument("--location", type=Path, metavar="FILE", help="JSON, the Location of all that is sent")
        parser.add_argument("--account", default=Plan.account, metavar="NUM", help="AccountNum (%(default)s)")
        parser.add_argument(
            "--parts", default=",".join(Plan.parts), metavar="A,B,C", help="parts; the third replaces the second"
        )
        parser.add_argument("--report", type=Path, metavar="FILE", help="write it there too (JSON if it ends in .json)")
        parser.add_argument(
            "--callers", type=int, default=Plan.callers, metavar="N", help="orders in the race (%(default)s)"
        )
        parser.add_argument(
            "--places", type=int, metavar="N", help="free places of the last offered period, if you know: overbooking"
        )
        parser.add_argument("--expired-token", default="", metavar="TOKEN", help="well signed, but expired")
        parser.add_argument("--trust-upstream", action="store_true", help="signatures of tokens are not checked there")
        parser.add_argument(
            "--documented-statuses-only", action="store_true", help="it answers with 200, 401 and 500 only"
        )
        parser.add_argument("--skip", default="", metavar="a,b", help="checks to leave out, by name")
        parser.add_argument("--search-path", default=Implementation.search_path, metavar="PATH", help="(%(default)s)")
        parser.add_argument("--book-path", default=Implementation.book_path, metavar="PATH", help="(%(default)s)")
        parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS", help="for a whole call (30)")

    def handle(self, *args: Any, **options: Any) -> None:
        target, plan, report = read_target(options), read_plan(options), options["report"]
        try:
            target.connect().close()
        except (OSError, UnicodeError) as fault:
            wrong(f"Nobody answers at {target.url}: {fault}. Is the service running, and is the URL its base?")
        if report:
            try:
                report.touch()
            except OSError as fault:
                wrong(f"--report: {fault}")
        run = kit.Run(target, plan)
        try:
            for result in run.checks():
                self.stdout.write(str(result))
        finally:
            # Also after Ctrl-C: somebody has to cancel what was booked.
            self.stdout.write("\n".join(["", *closing_lines(run)]))
            if report:
                report.write_text(as_json(run) if report.suffix == ".json" else as_text(run), "utf-8")
        if any(result.outcome == kit.FAIL for result in run.results):
            raise SystemExit(1)


def wrong(message: str) -> NoReturn:
    raise CommandError(message, returncode=2)


def read_target(options: dict[str, Any]) -> Implementation:
    url, token = options["url"], options["token"].strip()
    try:
        parts = urlsplit(url)
        is_base = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_base = False
    if not is_base or parts.query or parts.fragment or not readable(url):
        wrong(f"{url!r} is no base URL. It looks like https://host/api/v1, without a question mark.")
    if parts.username is not None:
        wrong("The URL holds a user name, which the report would show. Leave it out; the token is the log-in.")
    for name in ("token", "expired_token"):
        if not readable(options[name].strip()):
            wrong(f"--{name.replace('_', '-')} holds characters that no header can hold. Is it the token alone?")
    if not token:
        wrong("--token is empty. Give it, or CHECK_CONTRACT_TOKEN. Did the command that should print it fail?")
    if "{0}" not in options["book_path"]:
        wrong(f"--book-path {options['book_path']!r} lacks {{0}}, which stands for the number of the work order.")
    for name in ("search_path", "book_path"):
        if not readable(options[name]):
            wrong(f"--{name.replace('_', '-')} holds a space or another character that must be percent-encoded.")
    if not 0 < options["timeout"] <= 600:
        wrong(f"--timeout {options['timeout']} is not between 0 and 600 seconds.")
    return Implementation(url, token, options["search_path"], options["book_path"], options["timeout"])


def read_plan(options: dict[str, Any]) -> Plan:
    if not 2 <= options["callers"] <= MAX_CALLERS:
        wrong(f"--callers {options['callers']} is not between 2 and {MAX_CALLERS}.")
    if options["places"] is not None and options["places"] < 1:
        wrong(f"--places {options['places']} is not at least 1: what is offered has a place.")
    parts = tuple(part.strip() for part in options["parts"].split(","))
    if len(set(parts)) != 3 or not all(parts):
        wrong(f"--parts {options['parts']!r} must be three different product numbers, such as PUMP-1,SEAL-2,SEAL-2B.")
    chosen = {
        name: options[name]
        for name in (
            "account",
            "order_type",
            "callers",
            "places",
            "expired_token",
            "trust_upstream",
            "documented_statuses_only",
        )
    }
    skip = frozenset(name.strip() for name in options["skip"].split(",") if name.strip())
    if not skip <= kit.CHECKS.keys():
        wrong(f"--skip: there is no check {min(skip - kit.CHECKS.keys())!r}. The report shows their names.")
    if options["location"]:
        chosen["location"] = read_location(options["location"])
    return Plan(parts=parts, skip=skip, **chosen)


def read_location(file: Path) -> dict[str, Any]:
    try:
        location = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        wrong(f"--location {file} cannot be read as JSON: {fault}")
    if not (isinstance(location, dict) and isinstance(location.get("Address", {}), dict)):
        wrong(f'--location {file} must hold a Location object, such as {{"ServiceAreaID": "LEEDS"}}.')
    return location


def readable(text: str) -> bool:
    """Whether a header or an address can hold the text as it is."""
    return text.isascii() and text.isprintable() and " " not in text


def closing_lines(run: kit.Run) -> list[str]:
    """The bookings that were made and the sum of it all."""
    lines = []
    if run.bookings:
        lines = ["Bookings that this run made; somebody must cancel them:"]
        lines += [f"  {number}  of order {order}, {period}" for (number, order), period in run.bookings.items()]
    counts = Counter(result.outcome for result in run.results)
    lines.append(f"{counts[kit.PASS]} passed, {counts[kit.FAIL]} failed, {counts[kit.SKIP]} skipped.")
    return lines


def as_text(run: kit.Run) -> str:
    lines = [f"{run.target.url}, {run.began_at:%Y-%m-%d %H:%M} UTC", "", *map(str, run.results), ""]
    return "\n".join([*lines, *closing_lines(run), ""])


def as_json(run: kit.Run) -> str:
    document = {
        "url": run.target.url,
        "began_at": run.began_at.isoformat(),
        "checks": [asdict(result) for result in run.results],
        "bookings": [
            {"OrderNum": number, "OriginalOrderNum": order, "Period": period}
            for (number, order), period in run.bookings.items()
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
