"""Recount the committed rows and name everything that breaks a promise. Silent, with exit status 0, if all is well.

Example, every hour from cron, which mails what is printed:

    python manage.py verify_bookings

The constraints of the database make nearly all of these faults impossible; this command proves it, also after a
restore or after something wrote past the service. It reads one state of the database and can run while bookings come
in. When it ran and whether it found something is noted for the page Proof of the desk.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from bookings import clock
from bookings.db import conditions, triggers
from bookings.models import AppointmentSlot, ServiceArea
from bookings.services import proof
from bookings.supply import zones

# Each query finds the rows that break a promise; the sentence is filled with what it selects.
CHECKS = [
    (
        "Slot {} has {} active bookings, but counts {} as booked.",
        """SELECT s.id, COUNT(w.id), s.booked FROM bookings_appointmentslot s
           LEFT JOIN bookings_workorder w ON w.slot_id = s.id AND w.status = 'booked'
           GROUP BY s.id, s.booked HAVING COUNT(w.id) <> s.booked""",
    ),
    (
        "Slot {} has {} active bookings, but places for {}.",
        """SELECT s.id, COUNT(w.id), s.capacity FROM bookings_appointmentslot s
           JOIN bookings_workorder w ON w.slot_id = s.id AND w.status = 'booked'
           GROUP BY s.id, s.capacity HAVING COUNT(w.id) > s.capacity""",
    ),
    (
        "Slot {} ends before it starts.",
        'SELECT id FROM bookings_appointmentslot WHERE "end" <= start',
    ),
    (
        "Work order {} has no slot.",
        """SELECT w.order_num FROM bookings_workorder w
           LEFT JOIN bookings_appointmentslot s ON s.id = w.slot_id WHERE s.id IS NULL""",
    ),
    (
        "The number {} is held by {} work orders.",
        "SELECT order_num, COUNT(*) FROM bookings_workorder GROUP BY order_num HAVING COUNT(*) > 1",
    ),
    (
        "The part order number {} was issued {} times.",
        """SELECT part_order_num, COUNT(*) FROM bookings_partorder
           WHERE is_issued_here GROUP BY part_order_num HAVING COUNT(*) > 1""",
    ),
    (
        "Order {} has {} active bookings in slot {}.",
        """SELECT original_order, COUNT(*), slot_id FROM bookings_workorder WHERE status = 'booked'
           GROUP BY original_order, slot_id HAVING COUNT(*) > 1""",
    ),
    (
        "{} active bookings hold the claim {!r}.",
        """SELECT COUNT(*), claim FROM bookings_workorder WHERE status = 'booked'
           GROUP BY claim HAVING COUNT(*) > 1""",
    ),
    (
        "Work order {} is {}, which does not go with its time of cancelling.",
        """SELECT order_num, status FROM bookings_workorder
           WHERE (status = 'cancelled') <> (cancelled_at IS NOT NULL)""",
    ),
    (
        "Part {} of work order {} stands in a part order that is not of this work order.",
        """SELECT p.prod_num, w.order_num FROM bookings_requiredpart p
           JOIN bookings_workorder w ON w.id = p.work_order_id
           LEFT JOIN bookings_partorder o ON o.id = p.part_order_id AND o.work_order_id = p.work_order_id
           WHERE p.part_order_id IS NOT NULL AND o.id IS NULL""",
    ),
    (
        "Part {} of a work order that does not exist ({}).",
        """SELECT p.prod_num, p.work_order_id FROM bookings_requiredpart p
           LEFT JOIN bookings_workorder w ON w.id = p.work_order_id WHERE w.id IS NULL""",
    ),
    (
        "Part order {} of a work order that does not exist ({}).",
        """SELECT o.part_order_num, o.work_order_id FROM bookings_partorder o
           LEFT JOIN bookings_workorder w ON w.id = o.work_order_id WHERE w.id IS NULL""",
    ),
    (
        "Words to search by of a work order that does not exist ({}).",
        """SELECT d.work_order_id FROM bookings_searchdocument d
           LEFT JOIN bookings_workorder w ON w.id = d.work_order_id WHERE w.id IS NULL""",
    ),
    (
        "Work order {} stands in the lists under another area or time than its slot's.",
        """SELECT w.order_num FROM bookings_workorder w JOIN bookings_appointmentslot s ON s.id = w.slot_id
           WHERE w.area_id <> s.area_id OR w.visit_start <> s.start""",
    ),
    (
        "Work order {} has {} parts, but stands in the lists with {}.",
        """SELECT w.order_num, COUNT(p.id), w.part_count FROM bookings_workorder w
           LEFT JOIN bookings_requiredpart p ON p.work_order_id = w.id
           GROUP BY w.id, w.order_num, w.part_count HAVING COUNT(p.id) <> w.part_count""",
    ),
    (
        "Work order {} stands in the lists with another delivery than the last one of its parts.",
        """SELECT w.order_num FROM bookings_workorder w
           LEFT JOIN bookings_requiredpart p ON p.work_order_id = w.id
           GROUP BY w.id, w.order_num, w.parts_due_at
           HAVING COALESCE(MAX(p.estimated_delivery) <> w.parts_due_at,
                           (MAX(p.estimated_delivery) IS NULL) <> (w.parts_due_at IS NULL))""",
    ),
    (
        "Work order {} cannot be found: it has no words to search by. Run: manage.py index_work_orders",
        """SELECT w.order_num FROM bookings_workorder w WHERE NOT EXISTS
           (SELECT 1 FROM bookings_searchdocument t WHERE t.work_order_id = w.id)""",
    ),
    (
        "Work order {} has no entry in its history that says how it came to be.",
        """SELECT w.order_num FROM bookings_workorder w WHERE NOT EXISTS
           (SELECT 1 FROM bookings_historyentry h WHERE h.work_order_id = w.id AND h.event = 'booked')""",
    ),
    (
        "{} is at two places: slot {} begins before an earlier one ends.",
        """SELECT worker, id FROM (
               SELECT worker, id, start, MAX("end") OVER (
                   PARTITION BY worker ORDER BY start, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ) AS busy_until FROM bookings_appointmentslot
               WHERE worker <> '' AND (booked > 0 OR NOT is_withdrawn)
           ) AS diary WHERE busy_until > start ORDER BY worker, start""",
    ),
    (
        "Slot {} is closed by the blackout {}, which was opened.",
        """SELECT s.id, b.id FROM bookings_appointmentslot s JOIN bookings_blackout b ON b.id = s.blackout_id
           WHERE b.opened_at IS NOT NULL""",
    ),
    (
        "Slot {} is closed by the blackout {}, which is for another area, worker or time.",
        """SELECT s.id, b.id FROM bookings_appointmentslot s JOIN bookings_blackout b ON b.id = s.blackout_id
           WHERE b.area_id <> s.area_id OR (b.worker <> '' AND b.worker <> s.worker)
              OR (b.area_id IS NOT NULL AND (b.start >= s."end" OR b."end" <= s.start))""",
    ),
    # The board adds up the slots; the list shows the work orders.
    (
        "Area {} has {} bookings on the board, but {} in the list.",
        """SELECT a.code, board.number, COALESCE(list.number, 0) FROM bookings_servicearea a
           JOIN (SELECT area_id, SUM(booked) AS number FROM bookings_appointmentslot GROUP BY area_id) AS board
             ON board.area_id = a.id
           LEFT JOIN (SELECT area_id, COUNT(*) AS number FROM bookings_workorder WHERE status = 'booked'
                      GROUP BY area_id) AS list ON list.area_id = a.id
           WHERE board.number <> COALESCE(list.number, 0)""",
    ),
]


def beyond_sql() -> Iterator[str]:
    """What SQL cannot say alike on both databases, or not at all."""
    for area in ServiceArea.objects.order_by("code"):
        if clock.time_zone_problem(area.time_zone):
            yield f"Area {area.code} is in the time zone {area.time_zone!r}, which does not exist."
    for pk in AppointmentSlot.objects.exclude(conditions.EndsWithinADay()).order_by("pk").values_list("pk", flat=True):
        yield f"Slot {pk} is longer than 24 hours."
    for slot, _ in zones.moved():
        offset = clock.utc_offset(slot.start, slot.area.zone)
        yield (
            f"Slot {slot.pk} was promised at {slot.utc_offset} minutes from UTC, but {slot.area.time_zone} has {offset}"
            " then. See check_time_zones."
        )


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = RawDescriptionHelpFormatter

    def handle(self, *args: Any, **options: Any) -> None:
        faults, begun = 0, proof.begin()
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # One snapshot for all queries; unless a caller has begun a transaction.
                if len(connection.atomic_blocks) == 1:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute("SET LOCAL statement_timeout = 0")
            for name in triggers.missing():
                faults += 1
                self.stdout.write(f"The trigger {name} is missing: what it guards can be changed by anybody.")
            for sentence, query in CHECKS:
                cursor.execute(query)
                for row in cursor.fetchall():
                    faults += 1
                    self.stdout.write(sentence.format(*row))
            for sentence in beyond_sql():
                faults += 1
                self.stdout.write(sentence)
        proof.remember(proof.Check.BOOKINGS, begun, is_well=not faults)
        if faults:
            raise SystemExit(1)
