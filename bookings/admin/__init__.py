"""The dispatch desk: what staff see and may do. Imported by Django, and by no other code of ours.

Each subject has a room: overview, orders, planning, supply, records, systems; beside them stands what all pages share.
Nothing here writes a booking or a slot: that is `services` and `supply`, called by the actions. Rows are looked at,
never typed into and never deleted. What is new is a file in its room; its ModelAdmin is imported here, so that Django
finds it.
"""

from bookings.admin.orders import refusals, work_orders
from bookings.admin.records import areas, people, workers
from bookings.admin.supply import blackouts, schedules, slots
from bookings.admin.systems import calendars, keys, receivers

__all__ = [
    "areas",
    "blackouts",
    "calendars",
    "keys",
    "people",
    "receivers",
    "refusals",
    "schedules",
    "slots",
    "work_orders",
    "workers",
]
