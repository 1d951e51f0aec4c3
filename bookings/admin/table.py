"""The rows of a list as HTML.

Unfold's own writes the two dozen classes of its style into each cell, other ones in each release. On the desk a day
with all its bookings is one page: here a row has the class `desk-tr`, and desk.css says once what its cells look like.
The desk's columns are functions (cells.py), those of other lists are fields; the head of the table is in
templates/admin/change_list_results.html.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_value, lookup_field, quote
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

CHECKBOX = "action_checkbox"
BOX = (
    '<td class="action-checkbox" data-label="Select record"><input type="checkbox" name="_selected_action"'
    ' value="{}" class="action-select" aria-label="Select record"></td>'
)


@dataclass(frozen=True)
class Column:
    """What is the same for all rows: how a cell begins and ends, and where its value comes from."""

    begin: str
    end: str
    value: Callable[[Any], Any]
    is_link: bool

    def cell(self, row: Any, address: str) -> str:
        value = self.value(row)
        text = ("no", "yes")[value] if isinstance(value, bool) else display_for_value(value, "-")
        shown = conditional_escape(text)
        return f"{self.begin}{_linked(shown, address) if self.is_link else shown}{self.end}"


def rows_of(changelist: Any, rows: Iterable[Any], headings: list[str]) -> SafeString:
    """The rows under these headings, each in a `tbody` of its own; the first column of links leads to its page."""
    filters = {"preserved_filters": changelist.preserved_filters, "opts": changelist.opts}
    columns = _columns(changelist, headings)
    page = changelist.url_for_result(SimpleNamespace(**{changelist.pk_attname: "KEY"}))
    query = add_preserved_filters(filters, page).removeprefix(page)
    begin, end = page.split("KEY")
    found = []
    for row in rows:
        address = f"{begin}{quote(row.pk)}{end}{query}"
        cells = "".join(column.cell(row, address) for column in columns)
        found.append(f'<tbody class="desk-tbody"><tr class="data-row desk-tr">{cells}</tr></tbody>\n')
    return SafeString("".join(found))


def _columns(changelist: Any, headings: Sequence[str]) -> list[Column]:
    return [_column(changelist, *pair) for pair in zip(changelist.list_display, headings, strict=True)]


def _column(changelist: Any, name: Any, heading: str) -> Column:
    if name == CHECKBOX:
        before, behind = BOX.split("{}")
        return Column(before, behind, lambda row: str(row.pk), is_link=False)
    is_link = name in (changelist.list_display_links or ())
    tag = "th" if is_link else "td"
    of_the_column = name.__name__ if callable(name) else name
    begin = f'<{tag} class="field-{of_the_column}" data-label="{conditional_escape(heading)}">'
    return Column(begin, f"</{tag}>", _value(changelist, name), is_link)


def _value(changelist: Any, name: Any) -> Callable[[Any], Any]:
    """As Django's lookup_field finds it; for each cell of the desk's own columns it would look for a field first."""
    admin = changelist.model_admin
    if callable(name):
        return name  # type: ignore[no-any-return]
    is_field = name in {field.name for field in changelist.opts.get_fields()}
    if not is_field and name != "__str__" and hasattr(admin, name):
        return getattr(admin, name)  # type: ignore[no-any-return]
    return partial(_looked_up, name, admin)


def _looked_up(name: str, admin: Any, row: Any) -> Any:
    return lookup_field(name, row, admin)[2]


def _linked(shown: str, address: str) -> str:
    return f'<a href="{conditional_escape(address)}">{shown}</a>'
