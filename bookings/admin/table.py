"""The rows of a list as HTML.

Unfold's own writes the two dozen classes of its style into each cell, other ones in each release. On the desk a day
with all its bookings is one page: here a row has the class `desk-tr`, and desk.css says once what its cells look like.
The desk's columns are functions (cells.py), those of other lists are fields; the head of the table is in
templates/admin/change_list_results.html.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import display_for_value, lookup_field
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

CHECKBOX = "action_checkbox"
BOX = (
    '<td class="action-checkbox" data-label="Select record"><input type="checkbox" name="_selected_action"'
    ' value="{}" class="action-select" aria-label="Select record"></td>'
)


def rows_of(changelist: Any, rows: Iterable[Any], headings: list[str]) -> SafeString:
    """The rows under these headings, each in a `tbody` of its own; the first column of links leads to its page."""
    filters = {"preserved_filters": changelist.preserved_filters, "opts": changelist.opts}
    text = query = ""
    for row in rows:
        address = changelist.url_for_result(row)
        if not text:
            query = add_preserved_filters(filters, address).removeprefix(address)  # the same for all rows
        cells = "".join(_cells(changelist, row, headings, f"{address}{query}"))
        text += f'<tbody class="desk-tbody"><tr class="data-row desk-tr">{cells}</tr></tbody>\n'
    return mark_safe(text)  # noqa: S308  of what _cells escaped


def _cells(changelist: Any, row: Any, headings: list[str], address: str) -> Iterator[str]:
    admin, links = changelist.model_admin, changelist.list_display_links or ()
    for name, heading in zip(changelist.list_display, headings, strict=True):
        if name == CHECKBOX:
            yield format_html(BOX, row.pk)
            continue
        value = lookup_field(name, row, admin)[2]
        text = ("no", "yes")[value] if isinstance(value, bool) else display_for_value(value, "-")
        shown = conditional_escape(text)
        tag = "th" if name in links else "td"
        if name in links:
            shown = format_html('<a href="{}">{}</a>', address, shown)
        of_the_column = name.__name__ if callable(name) else name
        yield f'<{tag} class="field-{of_the_column}" data-label="{conditional_escape(heading)}">{shown}</{tag}>'
