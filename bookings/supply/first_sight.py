"""Workers and types of orders get a record when a slot names them for the first time; nothing has to be entered before.

Inside of the transaction that writes the slots. What the previous release wrote, and the types that bookings alone
name, are found by `note_all`, nightly.
"""

from collections.abc import Collection, Iterable

from bookings.models import AppointmentSlot, OrderType, Worker, WorkOrder
from bookings.supply import turns

Record = type[Worker] | type[OrderType]

AT_ONCE = 500


def note(*, workers: Iterable[str], order_types: Iterable[str]) -> int:
    """Make the records that are not there; how many. Names are compared letter by letter."""
    return _note(Worker, set(workers) - {""}) + _note(OrderType, set(order_types) - {""})


def note_all() -> int:
    slots, orders = AppointmentSlot.objects.order_by(), WorkOrder.objects.order_by()
    types = slots.values_list("order_type", flat=True).union(orders.values_list("order_type", flat=True))
    return note(workers=slots.values_list("worker", flat=True).distinct(), order_types=types)


def same_but_for_case() -> list[list[str]]:
    """Codes of workers, and of types, that differ in nothing but small and capital letters, or blanks around."""
    found = []
    for record in (Worker, OrderType):
        codes: dict[str, list[str]] = {}
        for code in record.objects.order_by("code").values_list("code", flat=True):
            codes.setdefault(code.strip().casefold(), []).append(code)
        found += [same for same in codes.values() if len(same) > 1]
    return found


def _note(record: Record, codes: Collection[str]) -> int:
    made = 0
    for some in turns.in_batches(sorted(codes), AT_ONCE):
        there = set(record.objects.filter(code__in=some).values_list("code", flat=True))
        new = [record(code=code) for code in some if code not in there]
        # Another process may make the same one at this moment.
        record.objects.bulk_create(new, ignore_conflicts=True)  # type: ignore[arg-type]
        made += len(new)
    return made
