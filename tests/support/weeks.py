"""Made-up weeks of a desk, and what each number of its page comes to, counted in the plainest way."""

import math
from collections import defaultdict
from datetime import UTC, timedelta

from bookings.clock import utc_offset
from bookings.models import AppointmentSlot, EmptySearch, Refusal, WorkOrder
from bookings.services.weekly_sums import monday_of
from tests.support import helpers

ZONES = ["Europe/London", "Asia/Tokyo", "America/New_York", "Pacific/Auckland", "Pacific/Honolulu", "UTC"]
TYPES = ["", "GAS", "OIL"]
REASONS = {
    "Customer cancelled": "Customer cancelled",
    "Other: the dog is ill": "Other",
    "Booked by mistake": "Booked by mistake",
    "the erp said so": "in other words",
    "Others": "in other words",
    "": "in other words",
}
DAYS = 23  # back from now; the clock is put forward within them


def make_world(chance, days=DAYS, zones=()):
    """Areas on both sides of the line of dates and, in the days behind now, slots, bookings, refusals and searches."""
    zones = zones or chance.sample(ZONES, 2)  # each is counted by itself, and UTC
    areas = [helpers.make_area(f"A{number}", zones[number % 2]) for number in range(4)]
    areas.append(helpers.make_area("PRACTICE", is_practice=True))

    def moment():
        return helpers.NOW - timedelta(minutes=chance.randint(0, days * 1440))

    slots, orders, refusals, searches = [], [], [], []
    for number in range(80):
        area, start = chance.choice(areas), moment()
        capacity = chance.randint(1, 5)
        booked = chance.randint(0, capacity)
        slot = AppointmentSlot(
            area=area, start=start, worker=f"w{number % 7}" if number % 3 else "", capacity=capacity, booked=booked,
            order_type=chance.choice(TYPES), is_open=chance.random() > 0.2, is_withdrawn=chance.random() < 0.1,
            end=start + timedelta(minutes=number + 1), utc_offset=utc_offset(start, area.zone),
        )  # fmt: skip
        slots.append(slot)
        for place in range(chance.randint(0, 3)):
            orders.append(an_order(chance, slot, f"{number}-{place}", earliest=20_000 * days // DAYS))
    for number in range(60):
        error = chance.choice(["slot_unavailable", "already_booked"])
        area = chance.choice([*areas[:4], None])
        refusals.append(
            Refusal(at=moment(), error=error, original_order=f"R-{number}", area=area, order_type=chance.choice(TYPES))
        )
        searches.append(EmptySearch(
            day=moment().date(), area=chance.choice([*areas[:4], None]), order_type=chance.choice(TYPES),
            reason=chance.choice(["full", "closed", "area"]), number=chance.randint(1, 9),
        ))  # fmt: skip
    for rows in (slots, orders, refusals, searches):
        type(rows[0]).objects.bulk_create(rows)
    return areas


def make_order(*arguments, **more):
    order = an_order(*arguments, **more)
    order.save()
    return order


def an_order(chance, slot, number, earliest=20_000):
    made = slot.start - timedelta(minutes=chance.randint(0, earliest))
    cancelled = chance.random() < 0.4
    reviewed = made + timedelta(minutes=chance.choice([0, 3, 59, 60, 400, 3000, 20_000])) if number[-1] != "1" else None
    return WorkOrder(
        order_num=f"FU-{number}", original_order=number, claim=number, slot=slot, area=slot.area,
        visit_start=slot.start, order_type=chance.choice(TYPES), status="cancelled" if cancelled else "booked",
        cancelled_at=min(helpers.NOW, made + timedelta(minutes=chance.randint(0, 9000))) if cancelled else None,
        cancelled_by=chance.choice(["anna", "ben", ""]) if cancelled else "",
        cancel_reason=chance.choice(list(REASONS)) if cancelled else "",
        reviewed_at=reviewed, reviewed_by="anna" if reviewed else "", body="{}", created_at=made, changed_at=made,
    )  # fmt: skip


class Facts:
    """All that happened, one by one, read from the tables in the plainest way."""

    def __init__(self, areas, order_type=None):
        self.areas, self.order_type, self.found = areas, order_type, []
        for slot in AppointmentSlot.objects.select_related("area"):
            places = slot.booked if slot.is_hidden else slot.capacity
            self.add(
                "utilisation", slot.start, slot.area, slot.order_type, (slot.booked, places), slot.worker or "pool"
            )
        for order in WorkOrder.objects.select_related("area"):
            area, kind = order.area, order.order_type
            if order.cancelled_at:
                words = REASONS[order.cancel_reason]
                by = order.cancelled_by or "not known"
                self.add("cancellations", order.cancelled_at, area, kind, 1, words, by)
            else:
                days = (
                    order.visit_start.astimezone(area.zone).date() - order.created_at.astimezone(area.zone).date()
                ).days
                self.add("lead", order.created_at, area, kind, days)
            if order.reviewed_at:
                self.add("review", order.created_at, area, kind, order.reviewed_at - order.created_at)
        for refusal in Refusal.objects.select_related("area"):
            self.add("refusals", refusal.at, refusal.area, refusal.order_type, 1, refusal.error)
        for search in EmptySearch.objects.select_related("area"):
            self.add("nothing", search.day, search.area, search.order_type, search.number, search.reason)

    def add(self, number, at, area, order_type, value, *keys):
        day = at.astimezone(area.zone if area else UTC).date() if hasattr(at, "hour") else at
        is_seen = area is None if area is None else not area.is_practice
        if self.areas is not None:
            is_seen = area in self.areas
        if is_seen and self.order_type in (None, order_type):
            self.found.append((number, day, area, order_type, value, keys))

    def by(self, number, group, first=None, last=None):
        """The rows of a number, as its table has them; of these days."""
        values = defaultdict(list)
        for name, day, area, order_type, value, keys in self.found:
            if name != number or (first and not first <= day <= last):
                continue
            empty = "any" if number == "utilisation" else "none"
            label = {
                "week": str(monday_of(day)),
                "area": str(area) if area else "no area",
                "type": order_type or empty,
                "person": keys[-1] if keys else "",
            }.get(group, keys[0] if keys else "")
            values[label].append(value)
        return {label: SHOWN.get(number, counted)(found, values) for label, found in values.items()}


def utilised(found, all_values):
    booked, places = (sum(column) for column in zip(*found, strict=True))
    return [str(booked), str(places), str(100 * booked // places) if places else ""]


def counted(found, all_values):
    return [str(sum(found)), str(round(100 * sum(found) / sum(map(sum, all_values.values()))))]


def spread(found, all_values):
    return [f"{value:g}" for value in (ranked(found, 0.5), ranked(found, 0.9), len(found))]


def ranked(values, share):
    return sorted(values)[math.ceil(round(share * len(values), 6)) - 1]


def hours(found, all_values):
    minutes = [int(taken.total_seconds() // 60) for taken in found]
    steps = [
        m - m % (10 if m < 60 else 30 if m < 360 else 60 if m < 2880 else 360 if m < 14_400 else 1440) for m in minutes
    ]
    return [f"{round(ranked(steps, share) / 60, 1):g}" for share in (0.5, 0.9)] + [str(len(found))]


SHOWN = {"utilisation": utilised, "lead": spread, "review": hours}
