"""The command line of the kit: its options, what is wrong with them, and the report.

Run by `python -m conformance` where nothing but Python is, and by `python manage.py check_contract` where this service
is installed.
"""

import json
import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from conformance import checklist, cleaning, kit, push, reports
from conformance.client import Implementation
from conformance.plan import Plan

MAX_CALLERS = 250  # each calls twice
OBJECTS = {
    "--location": 'a Location object, such as {"ServiceAreaID": "LEEDS"}',
    "--template": 'a JSON object, such as {"Priority": "1001"}',
}


class Wrong(Exception):
    """The arguments are wrong, or nothing answers; the text says what to do. Exit status 2."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.add_argument("url", metavar="URL", nargs="?", default="", help="base of both addresses: https://host/api/v1")
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
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write it there too: .json, .xml (JUnit), .html, else text"
    )
    parser.add_argument(
        "--callers", type=int, default=Plan.callers, metavar="N", help="orders in the race (%(default)s)"
    )
    parser.add_argument(
        "--places", type=int, metavar="N", help="free places of the last offered period, if you know: overbooking"
    )
    parser.add_argument("--expired-token", default="", metavar="TOKEN", help="well signed, but expired")
    parser.add_argument("--trust-upstream", action="store_true", help="signatures of tokens are not checked there")
    parser.add_argument("--documented-statuses-only", action="store_true", help="it answers with 200, 401 and 500 only")
    parser.add_argument("--skip", default="", metavar="a,b", help="checks to leave out, by name")
    parser.add_argument("--search-path", default=Implementation.search_path, metavar="PATH", help="(%(default)s)")
    parser.add_argument("--book-path", default=Implementation.book_path, metavar="PATH", help="(%(default)s)")
    parser.add_argument("--clean", action="store_true", help="cancel what was booked, at the end")
    parser.add_argument("--clean-path", default="workorders/{0}/cancel", metavar="PATH", help="(%(default)s)")
    parser.add_argument(
        "--clean-key",
        default=os.environ.get("CHECK_CONTRACT_CLEAN_KEY", ""),
        metavar="KEY",
        help="Authorization: Bearer of that call; CHECK_CONTRACT_CLEAN_KEY does the same (the token)",
    )
    parser.add_argument(
        "--check-list",
        action="store_true",
        help="print what to set up, ticked where this run proves it; without a URL, the list alone",
    )
    parser.add_argument("--timeout", type=float, default=30, metavar="SECONDS", help="for a whole call (30)")
    _add_those_of_push(parser)


def _add_those_of_push(parser: ArgumentParser) -> None:
    there = parser.add_argument_group("a test tenant of ServiceMobility itself")
    there.add_argument("--push", action="store_true", help="put, dispatch, read and delete an order of its own there")
    there.add_argument("--url", dest="base", default="", metavar="URL", help="base of ServiceMobility's own API")
    there.add_argument("--username", default="", metavar="NAME", help="the log-in of createjwt")
    there.add_argument("--password-file", type=Path, metavar="FILE", help="its password")
    there.add_argument(
        "--worker", default="", metavar="NAME", help="a mobile worker there, whose device gets the order"
    )
    there.add_argument("--template", type=Path, metavar="FILE", help="JSON, the object that the order is merged over")


def run(options: dict[str, Any], write: Callable[[str], object]) -> int:
    """Run the kit as the options say and `write` its lines. The exit status: 0, or 1 where a check failed. Raises
    Wrong."""
    if options["check_list"] and not (options["url"] or options["base"]):
        write("\n".join(checklist.lines([])))
        return 0
    plan, report = read_plan(options), options["report"]
    tried = tenant_run(options, plan) if options["push"] else kit.Run(read_target(options), plan)
    try:
        tried.target.connect().close()
    except (OSError, UnicodeError) as fault:
        wrong(f"Nothing answers at {tried.target.url}: {fault}. Is it running, and is the URL its base?")
    if report:
        try:
            report.touch()
        except OSError as fault:
            wrong(f"--report: {fault}")
    if isinstance(tried, kit.Run):
        tried.afterwards = options.get("afterwards", tried.afterwards)
    if options["clean"] and isinstance(tried, kit.Run):
        tried.cancel = partial(cleaning.cancel, tried.target, options["clean_path"], options["clean_key"].strip())
    try:
        for result in tried.checks():
            write(str(result))
    finally:
        # Also after Ctrl-C: what was booked has to be cancelled.
        if options["clean"] and isinstance(tried, kit.Run):
            write("\n".join(["", *cleaning.cancel_all(tried, options["clean_path"], options["clean_key"].strip())]))
        write("\n".join(["", *reports.closing_lines(tried)]))
        if options["check_list"]:
            write("\n".join(["", *checklist.lines(tried.results, token=options["token"], is_push=options["push"])]))
        if report:
            reports.write(tried, report)
    return int(any(result.outcome == kit.FAIL for result in tried.results))


def tenant_run(options: dict[str, Any], plan: Plan) -> push.Run:
    url = options["base"] or options["url"]
    check_base(url)
    if not (options["username"].strip() and options["password_file"]):
        wrong("--push needs --username and --password-file, the log-in of ServiceMobility's createjwt.")
    try:
        password = options["password_file"].read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as fault:
        wrong(f"--password-file: {fault}")
    if not password:
        wrong(f"--password-file {options['password_file']} is empty.")
    template = read_object(options["template"], "--template") if options["template"] else {}
    tenant = push.Tenant(url, options["username"], password, options["timeout"])
    return push.Run(tenant, plan, options["worker"], template)


def wrong(message: str) -> NoReturn:
    raise Wrong(message)


def check_base(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_base = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_base = False
    if not is_base or parts.query or parts.fragment or not readable(url):
        wrong(f"{url!r} is no base URL. It looks like https://host/api/v1, without a question mark.")
    if parts.username is not None:
        wrong("The URL holds a user name, which the report would show. Leave it out; the token is the log-in.")


def read_target(options: dict[str, Any]) -> Implementation:
    url, token = options["url"] or options["base"], options["token"].strip()
    check_base(url)
    for name in ("token", "expired_token", "clean_key"):
        if not readable(options[name].strip()):
            wrong(f"--{name.replace('_', '-')} holds characters that no header can hold. Is it the token alone?")
    if not token:
        wrong("--token is empty. Give it, or CHECK_CONTRACT_TOKEN. Did the command that should print it fail?")
    if "{0}" not in options["book_path"]:
        wrong(f"--book-path {options['book_path']!r} lacks {{0}}, which stands for the number of the work order.")
    if "{0}" not in options["clean_path"]:
        wrong(f"--clean-path {options['clean_path']!r} lacks {{0}}, which stands for the number of the booking.")
    for name in ("search_path", "book_path", "clean_path"):
        if not readable(options[name]):
            wrong(f"--{name.replace('_', '-')} holds a space or another character that must be percent-encoded.")
    return Implementation(url, token, options["search_path"], options["book_path"], options["timeout"])


def read_plan(options: dict[str, Any]) -> Plan:
    if not 0 < options["timeout"] <= 600:
        wrong(f"--timeout {options['timeout']} is not between 0 and 600 seconds.")
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
    known = push.NAMES if options["push"] else kit.CHECKS.keys()
    if not skip <= known:
        wrong(f"--skip: there is no check {min(skip - known)!r}. The report shows their names.")
    if options["location"]:
        chosen["location"] = read_location(options["location"])
    return Plan(parts=parts, skip=skip, **chosen)


def read_location(file: Path) -> dict[str, Any]:
    location = read_object(file, "--location")
    if not isinstance(location.get("Address", {}), dict):
        wrong(f"--location {file} must hold {OBJECTS['--location']}.")
    return location


def read_object(file: Path, option: str) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        wrong(f"{option} {file} cannot be read as JSON: {fault}")
    if not isinstance(document, dict):
        wrong(f"{option} {file} must hold {OBJECTS[option]}.")
    return document


def readable(text: str) -> bool:
    """Whether a header or an address can hold the text as it is."""
    return text.isascii() and text.isprintable() and " " not in text
