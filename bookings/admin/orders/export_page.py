"""The page of an export: which columns the file has. It posts what was ticked in the list to the list again."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from bookings.admin import lists
from bookings.admin.orders import exports
from bookings.models import WorkOrder

Respond = Callable[[QuerySet[WorkOrder], Sequence[str]], HttpResponseBase]
# By the name of the action.
KINDS: dict[str, tuple[str, Respond]] = {
    "csv": ("Export as CSV", exports.csv_response),
    "xlsx": ("Export as XLSX", exports.xlsx_response),
}


class ColumnsForm(forms.Form):
    columns = forms.MultipleChoiceField(
        choices=[(name, name) for name in exports.COLUMNS],
        initial=exports.COLUMN_NAMES,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Tick one column at least."},
    )

    def clean_columns(self) -> list[str]:
        """In the order of the file, however they were sent."""
        return [name for name in exports.COLUMNS if name in self.cleaned_data["columns"]]


def actions() -> dict[str, tuple[Any, str, str]]:
    """For the list, as Django has them."""
    return {name: (_export, name, title) for name, (title, _) in KINDS.items()}


def _export(model_admin: Any, request: HttpRequest, rows: QuerySet[WorkOrder]) -> HttpResponse:
    name, given = request.POST["action"], request.POST
    title, respond = KINDS[name]
    form = ColumnsForm(given if given.get("do") == "export" else None)
    if form.is_valid():
        return respond(rows, form.cleaned_data["columns"])  # type: ignore[return-value]
    is_all = given.get("select_across") == "1"
    ticked = given.getlist(ACTION_CHECKBOX_NAME)
    context = {
        "title": title,
        "form": form,
        "action": name,
        "select_across": int(is_all),
        # Django asks for one where all that the filters find is meant.
        "ticked": ticked[:1] if is_all else ticked,
        "number": lists.count_text(lists.bounded_count(rows)),
        "address": request.get_full_path(),
    }
    page: HttpResponse = model_admin.form_page(request, context, "admin/bookings/export.html")
    return page
