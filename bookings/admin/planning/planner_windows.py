"""The windows of the planner as HTML.

A page has up to two thousand of them. As nodes of a template they took three quarters of its time, so a window is one
format here, and what all of them have in common is worked out once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.utils.formats import date_format
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from bookings.admin import addresses
from bookings.admin.planning.planner_grid import Grid, Window
from bookings.models import WorkOrder

WINDOW = (
    '<div class="planner-window planner-is-{}" style="grid-column: {} / {}"'
    ' data-slot="{}" data-type="{}" data-why="{}">'
    '<a class="planner-go" href="{}" aria-label="{}">{}</a> '
    '<span class="planner-count">{}/{}{}</span> {}</div>'
)
VISIT = '<span class="planner-visit{}"{}><a class="desk-link" href="{}"><bdi>{}</bdi> <bdi>{}</bdi></a>{}{}</span>'
MOVABLE = ' data-visit="{}:{}" data-type="{}"'
PICK = ' <a class="planner-pick planner-noprint" href="{}" aria-label="Move {}">move</a>'
CLOSED = '<span class="planner-note">closed: <bdi>{}</bdi></span>'
NOTE = '<span class="planner-note">{}</span>'
LATE = SafeString(' <span class="desk-warn">parts late</span>')
LATE_MARK = SafeString(' <b class="desk-warn" title="parts late">!<span class="sr-only"> parts late</span></b>')
BEFORE_PARTS = SafeString('<span class="desk-warn">before the parts</span>')


@dataclass(frozen=True)
class Pen:
    """`order` is to be moved: its windows lead to `move_address`, and the others say why they will not do."""

    has_names: bool
    order: WorkOrder | None
    move_address: str
    # Where another booking is selected, or empty for a person who may not.
    pick_address: str
    slot_page: str = field(default_factory=lambda: addresses.of_rows("appointmentslot"))
    order_page: str = field(default_factory=lambda: addresses.of_rows("workorder"))

    def draw(self, grid: Grid) -> None:
        for row in (row for area in grid.areas for row in area.rows):
            for cell in row.cells:
                where = f"{row.name}, {date_format(cell.day, 'D j M')}"
                cell.drawn = _joined(self._window(window, where) for window in cell.windows)

    def _window(self, window: Window, where: str) -> SafeString:
        slot = window.slot
        address, label = self._way(window, where)
        # Numbers and our own words are escaped by nothing: there are thousands.
        text = WINDOW.format(
            window.state + self._fit(window),
            window.first,
            window.last,
            slot.pk,
            escape(slot.order_type),
            escape(window.why),
            escape(address),
            escape(label),
            window.hours if self.has_names else window.begins,
            slot.booked,
            slot.capacity,
            LATE_MARK if window.late else "",
            _joined(self._inside(window)),
        )
        return SafeString(text)

    def _fit(self, window: Window) -> str:
        if not self.order:
            return ""
        return " planner-no" if window.why_not else " planner-yes"

    def _way(self, window: Window, where: str) -> tuple[str, str]:
        """Where a window leads to, and what that is called."""
        slot = window.slot
        if self.order and not window.why_not:
            parts = ", before the parts" if window.is_before_parts else ""
            address = addresses.with_one_more(self.move_address, "slot", slot.pk)
            return address, f"Move to {window.hours}, {where}{parts}"
        closed = ", closed" if window.state == "closed" else ""
        label = f"{window.hours}, {where}: {slot.booked} of {slot.capacity} booked{closed}"
        return self.slot_page.format(slot.pk), label

    def _inside(self, window: Window) -> Iterator[SafeString]:
        if self.has_names:
            yield from self._names(window)
        if self.order and window.why_not:
            yield format_html(NOTE, window.why_not)
        elif self.order and window.is_before_parts:
            yield BEFORE_PARTS

    def _names(self, window: Window) -> Iterator[SafeString]:
        slot = window.slot
        if window.state == "closed":
            yield format_html(CLOSED, slot.hidden_reason) if slot.hidden_reason else format_html(NOTE, "closed")
        elif slot.order_type:
            yield format_html(NOTE, format_html("<bdi>{}</bdi>", slot.order_type))
        yield from map(self._visit, window.named)
        if window.more:
            address = addresses.list_of("workorder", view="all", status="booked", window=slot.pk)
            yield format_html('<a class="desk-link" href="{}">{} more</a>', address, window.more)

    def _visit(self, visit: WorkOrder) -> SafeString:
        pick = addresses.with_one_more(self.pick_address, "move", visit.pk)
        return format_html(
            VISIT,
            " planner-picked" if self.order and visit.pk == self.order.pk else "",
            format_html(MOVABLE, visit.pk, visit.version, visit.order_type) if self.pick_address else "",
            self.order_page.format(visit.pk),
            visit.account_name or visit.account_num or visit.order_num,
            visit.postcode,
            LATE if visit.has_late_parts else "",
            format_html(PICK, pick, visit.order_num) if self.pick_address else "",
        )


def _joined(parts: Iterable[SafeString]) -> SafeString:
    return SafeString(" ".join(parts))
