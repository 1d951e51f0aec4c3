"""Blackouts and absences as other systems say them: many at once, each by its external id or by its very time.

The same functions as the desk's. What was interrupted is simply sent again.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from django.db.models import QuerySet

from bookings.models import AppointmentSlot, Blackout
from bookings.sentences import say
from bookings.services import BookingError
from bookings.supply import first_sight, turns
from bookings.supply.closing import blackouts
from bookings.supply.from_systems.upserts import NAMED, Report
from bookings.supply.from_systems.waiting_rows import RefusedRow

Wanted = Blackout | str  # not written yet; or why its row is refused


def upsert(
    rows: Sequence[tuple[str, Wanted]],
    *,
    by: str,
    areas: Collection[int] | None = None,
    strict: bool = False,
    dry_run: bool = False,
) -> Report:
    """Bring blackouts, or absences, to what the rows say; each row is an external id and what is wanted.

    Not inside of a transaction. `areas` are the keys of the only ones that may be changed; None: all.
    """
    refused = {row.number: row for row in _refused(rows, areas)}
    wanted = [(n, row) for n, (_, row) in enumerate(rows, 1) if isinstance(row, Blackout) and n not in refused]
    is_written = not dry_run and not (strict and refused)
    report = Report(is_written=is_written, remark=_unknown([blackout for _, blackout in wanted]))
    for number, blackout in wanted:
        outcome = _outcome(blackout)
        if is_written and (outcome != "kept" or blackouts.would_close(blackout)):
            try:
                _write(blackout, by, areas)
            except BookingError as meanwhile:
                refused[number] = RefusedRow(number, blackout.external_id, meanwhile.message)
                continue
        setattr(report, outcome, getattr(report, outcome) + 1)
    report.refused_count, report.refused = len(refused), sorted(refused.values())[:NAMED]
    return report


def lift(named: QuerySet[Blackout], *, by: str) -> int:
    """End those of some blackouts that are in force; says how many slots that opened."""
    opened = 0
    for blackout in named.in_force().order_by("pk"):  # type: ignore[attr-defined]
        # Another call may have been faster.
        with suppress(BookingError):
            opened += blackouts.reopen(blackout=blackout, by=by)
    return opened


def _refused(rows: Sequence[tuple[str, Wanted]], areas: Collection[int] | None) -> Iterator[RefusedRow]:
    first: dict[object, int] = {}
    for number, (external_id, row) in enumerate(rows, 1):
        is_elsewhere = isinstance(row, Blackout) and blackouts.is_said_elsewhere(row, areas)
        reason = row if isinstance(row, str) else blackouts.SAID_ELSEWHERE if is_elsewhere else ""
        if not reason and isinstance(row, Blackout):
            same = first.setdefault(external_id or blackouts.extent(row), number)
            reason = "" if same == number else f"row {same} has the same {'external id' if external_id else 'time'}"
        if reason:
            yield RefusedRow(number, external_id, reason)


def _unknown(wanted: Sequence[Blackout]) -> str:
    """The workers that no slot names yet: one may be misspelt."""
    named = {blackout.worker for blackout in wanted} - {""}
    there = set(AppointmentSlot.objects.filter(worker__in=named).order_by().values_list("worker", flat=True).distinct())
    unknown = ", ".join(sorted(named - there)[:NAMED])
    return say("No slot names these workers yet: {workers}.", workers=unknown) if unknown else ""


def _outcome(new: Blackout) -> str:
    same = blackouts.in_force_as(new)
    if same is None:
        return "changed" if blackouts.said(new).exists() else "created"
    is_kept = not new.external_id or (
        same.reason == new.reason and not blackouts.said(new).exclude(pk=same.pk).exists()
    )
    return "kept" if is_kept else "changed"


def _write(new: Blackout, by: str, areas: Collection[int] | None) -> None:
    """Raises BookingError where another one took its external id meanwhile."""
    if new.worker:
        turns.write(lambda: first_sight.note(workers=[new.worker], order_types=[]))
    blackouts.close_slots(
        area=new.area,
        start=new.start,
        end=new.end,
        reason=new.reason,
        by=by,
        worker=new.worker,
        external_id=new.external_id,
        areas=areas,
    )
