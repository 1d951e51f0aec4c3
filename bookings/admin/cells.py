"""What the cells of the lists and pages are made of: two lines, a state with its colour, times, links."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString

from bookings import clock
from bookings.admin import days
from bookings.models import AppointmentSlot, ServiceArea, WorkOrder

WARN = ' class="desk-warn"'


def two_lines(first: Any, second: Any = "", *, warn: bool = False) -> str:
    """One text, not put together of others by `format_html`: a list has thousands."""
    above = f"<bdi{WARN if warn else ''}>{conditional_escape(first or '-')}</bdi>"
    below = f'<bdi class="desk-sub">{conditional_escape(second)}</bdi>' if second else ""
    return SafeString(f'<span class="desk-cell">{above}{below}</span>')


@admin.display(description="Area")
def area_name(row: Any) -> str:
    """A column of the lists whose rows belong to an area each."""
    return two_lines(row.area.name if row.area else "all areas")


def state_label(work_order: WorkOrder) -> str:
    """Booked and not yet looked at, looked at, or cancelled: a word, and a colour for the quick eye."""
    if work_order.status == WorkOrder.Status.CANCELLED:
        word, colour = "cancelled", "off"
    elif work_order.reviewed_at is None:
        word, colour = "to review", "new"
    else:
        word, colour = "reviewed", "done"
    return format_html('<span class="desk-label desk-label-{}">{}</span>', colour, word)


def period_lines(area: ServiceArea, slot: AppointmentSlot) -> str:
    """`Fri 4 Dec, 13:00-15:00` above the zone that it is read in; the year where it is not this one."""
    return time_lines(area.period_text(slot.start, slot.end), area.zone)


def instant_lines(area: ServiceArea | None, instant: datetime) -> str:
    if area is None:  # a day of an absence, on the clock of each area
        return two_lines(clock.day_text(instant))
    return time_lines(area.instant_text(instant), area.zone)


def time_lines(text: str, zone: ZoneInfo) -> str:
    text, _, name = text.rpartition(" (")
    return two_lines(text.replace(f" {days.today(zone).year}", ""), name.rstrip(")"))


def link(address: str, text: str) -> str:
    return format_html('<a class="desk-link desk-line" dir="auto" href="{}">{}</a>', address, text)


def message(text: str, *values: Any) -> str:
    """A message with stored texts in it: none of them can turn round the words beside it."""
    return format_html(text, *(format_html("<bdi>{}</bdi>", value) for value in values))


def blackout_link(text: str, key: int | None) -> str:
    return format_html(
        '<a class="desk-link" href="{}"><bdi>{}</bdi></a>', reverse("admin:bookings_blackout_change", args=[key]), text
    )
