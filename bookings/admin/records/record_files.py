"""Workers and types of orders out of a file."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest

from bookings.admin.records import imports
from bookings.models import OrderType, Worker, visible_areas
from bookings.supply.from_systems import record_files
from bookings.supply.from_systems.record_files import Record, Target
from bookings.supply.from_systems.upserts import Report, Wrote

MOST = 5_000
HINT = (
    "The code is the one that slots and ServiceMobility name; it never changes. What is left empty stays as it is, but"
    " a list of order types is whole: empty, the worker can do all. Types that are new are made."
)
TYPE_HINT = "The code is the one that ServiceMobility sends; it never changes. What is left empty stays as it is."
EXAMPLE = """worker,name,active,order_types
anna,Anna Hill,yes,"REPAIR,INSTALL"
ben,Ben Shaw,yes,"""
TYPE_EXAMPLE = """order_type,name,active
REPAIR,Repair,yes
INSTALL,Installation,yes"""
NEEDED = {
    Worker: [
        "bookings.add_worker", "bookings.change_worker", "bookings.add_ability", "bookings.delete_ability",
        "bookings.add_ordertype",
    ],
    OrderType: ["bookings.add_ordertype", "bookings.change_ordertype"],
}  # fmt: skip


def kind(record: Record, example: str, hint: str) -> imports.Kind:
    def may(request: HttpRequest) -> bool:
        """They count in all areas: a person who is restricted to some only looks at them."""
        return request.user.has_perms(NEEDED[record]) and visible_areas(request.user) is None

    def rows(text: str) -> list[Any]:
        return imports.bounded(record_files.read_file(record, text), MOST)

    def look(request: HttpRequest, text: str) -> imports.Preview:
        targets, refused = record_files.plan(record, rows(text))
        new = record_files.new_types(targets)
        return imports.Preview(
            changes=[_change(record, target) for target in targets if target.outcome != "kept"],
            kept=sum(target.outcome == "kept" for target in targets),
            refused=refused,
            notes=imports.listed("New order types:", new),
        )

    def write(request: HttpRequest, text: str, wrote: Wrote) -> Report:
        return record_files.upsert(record, rows(text), by=request.user.get_username(), wrote=wrote)

    def file(request: HttpRequest) -> Iterator[list[str]]:
        return record_files.file_of(record)

    return imports.Kind(record, example, hint, MOST, may, look, write, file)


WORKERS = kind(Worker, EXAMPLE, HINT)
ORDER_TYPES = kind(OrderType, TYPE_EXAMPLE, TYPE_HINT)


def _change(record: Record, target: Target) -> imports.Change:
    words = {"name": "name", "is_active": "active"}
    shown = {True: "yes", False: "no"}
    lines = [f"{words[name]}: {shown.get(value, value)}" for name, value in target.changed.items()]
    lines += imports.listed("can do:", target.added)
    lines += imports.listed("no longer:", target.gone)
    warnings = [f"{code} is there, too, and differs in case alone." for code in target.alike[: imports.SHOWN_CODES]]
    if target.changed.get("is_active") is False and record is Worker:
        warnings.append("Their slots are not offered. Bookings stay until staff move them.")
    return imports.Change(target.row.code, target.is_new, lines, warnings)
