"""A page that takes a file, says what it would change, and only then writes it: areas, workers, types of orders.

What a file means and what it comes to is bookings.supply; the page shows it, and its second button writes the same.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, cast

from django import db, forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bookings.access import kept
from bookings.admin.cells import message
from bookings.admin.forms import TEXT
from bookings.db.faults import raise_unless_away
from bookings.supply import csv_files
from bookings.supply.formulas import harmless
from bookings.supply.from_systems.upserts import Report, Wrote
from bookings.supply.from_systems.waiting_rows import RefusedRow

# The page sends the text once more with its second button, below the million bytes that a request may have.
LONGEST = 400 * 1024
# So many rows of each kind are shown, and so many codes of a row; the others are counted.
SHOWN, SHOWN_CODES = 200, 20
# So many refused rows are named once it is done; the page before has named them all.
SAID = 5


class Change(NamedTuple):
    """A record that is new or changed: what it is called, what becomes of it, and what to look at twice."""

    code: str
    is_new: bool
    lines: Sequence[str]
    warnings: Sequence[str] = ()


@dataclass
class Preview:
    changes: Sequence[Change]
    kept: int
    refused: Sequence[RefusedRow]
    notes: Sequence[str] = ()
    overlap_count: str = "0"
    overlaps: Sequence[str] = ()
    shown: int = SHOWN

    @property
    def new(self) -> list[Change]:
        return [change for change in self.changes if change.is_new]

    @property
    def changed(self) -> list[Change]:
        return [change for change in self.changes if not change.is_new]

    @property
    def digest(self) -> str:
        """Of all that a person was shown: where it is another by now, they look again."""
        said = repr([self.changes, self.refused, self.notes, self.overlap_count, self.overlaps])
        return hashlib.sha256(said.encode(errors="backslashreplace")).hexdigest()


@dataclass(frozen=True)
class Kind:
    """What is imported. `most` bounds its rows; `may` says who may, `look` and `write` what comes of a text."""

    model: type[Model]
    example: str
    hint: str
    most: int
    may: Callable[[HttpRequest], bool]
    look: Callable[[HttpRequest, str], Preview]
    write: Callable[[HttpRequest, str, Wrote], Report]
    file: Callable[[HttpRequest], Iterator[list[str]]]

    @property
    def names(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    def name_of(self, number: int) -> str:
        return str(self.model._meta.verbose_name) if number == 1 else self.names

    def address(self, page: str) -> str:
        return reverse(f"admin:bookings_{self.model._meta.model_name}_{page}")


def file_field(accept: str, help_text: str) -> forms.FileField:
    """`accept` is what a browser lets one choose."""
    return forms.FileField(
        label="File",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput({**TEXT, "accept": accept}),
        help_text=help_text,
    )


class FileForm(forms.Form):
    file = file_field(".csv,.txt,text/csv", "CSV as Excel saves it: commas, semicolons or tabs.")
    text = forms.CharField(
        label="Or type or paste it here",
        required=False,
        strip=False,
        widget=forms.Textarea({**TEXT, "rows": 10, "spellcheck": "false"}),
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        file, text = self.cleaned_data.get("file"), self.cleaned_data.get("text", "")
        if file is None and not text.strip():
            raise forms.ValidationError("Choose a file, or type the rows.")
        too_long = forms.ValidationError(f"This is longer than {LONGEST // 1024} KiB. Send it in parts.")
        # In UTF-16, which takes the most, with its mark.
        if file and file.size > 2 * LONGEST + 2:
            raise too_long
        try:
            self.cleaned_data["text"] = csv_files.decoded(file.read()) if file else text
        except csv_files.CsvError as fault:
            raise forms.ValidationError(str(fault)) from None
        if _length(self.cleaned_data["text"]) > LONGEST:
            raise too_long
        return self.cleaned_data


def _length(text: str) -> int:
    """The same in both steps: browsers send any break of a line as two characters."""
    return len("\r\n".join(text.splitlines()).encode(errors="replace"))


class TakesFiles:
    """For the ModelAdmin of what can be imported: the pages, and their links above the list."""

    kind: Kind
    file_form = FileForm

    @property
    def hint(self) -> str:
        return self.kind.hint

    def get_urls(self) -> list[URLPattern]:
        name = f"bookings_{self.kind.model._meta.model_name}"
        pages = [
            path("import/", admin.site.admin_view(self.import_view), name=f"{name}_import"),
            path("file/", admin.site.admin_view(self.file_view), name=f"{name}_file"),
        ]
        return [*pages, *super().get_urls()]  # type: ignore[misc]

    def links(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Above the list."""
        may = [(self.kind.address("import"), "Import from a file")] if self.kind.may(request) else []
        return [*may, (self.kind.address("file"), "Export as CSV")]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {**(extra_context or {}), "bar_links": self.links(request)}
        return super().changelist_view(request, context)  # type: ignore[misc,no-any-return]

    def file_view(self, request: HttpRequest) -> HttpResponse:
        """All there are, as the import reads them."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        text = io.StringIO("\ufeff", newline="")
        text.seek(0, io.SEEK_END)
        csv.writer(text).writerows([harmless(cell) for cell in row] for row in self.kind.file(request))
        headers = {"Content-Disposition": f'attachment; filename="{self.kind.names.replace(" ", "-")}.csv"'}
        return HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not self.kind.may(request):
            raise PermissionDenied
        kept.show_again(request, "list")
        do = request.POST.get("do")
        form = self.file_form(request.POST, request.FILES) if request.method == "POST" else self.file_form()
        if do not in ("look", "perform"):
            form = self.file_form(initial={"text": request.POST.get("text", "")})
        elif form.is_valid():
            try:
                return self._look_or_write(request, form, is_write=do == "perform")
            except csv_files.CsvError as fault:
                form.add_error(None, str(fault))
        return self._page(request, form=form)

    def _look_or_write(self, request: HttpRequest, form: FileForm, *, is_write: bool) -> HttpResponse:
        text = form.cleaned_data["text"]
        preview = self.kind.look(request, text)
        if not (preview.changes or preview.kept or preview.refused):
            raise csv_files.CsvError((1, "There are no rows below the head."))
        if is_write and not preview.changes:
            messages.info(request, "What can be written of this is written already. This click changed nothing.")
            return HttpResponseRedirect(self.kind.address("changelist"))
        if is_write and form.cleaned_data["seen"] != preview.digest:
            messages.warning(request, "This has changed since you looked at it. Nothing was written: look again.")
        elif is_write:
            return self._write(request, text)
        return self._page(request, form=form, text=text, preview=preview, codes=SHOWN_CODES)

    def _write(self, request: HttpRequest, text: str) -> HttpResponse:
        try:
            report = self.kind.write(request, text, partial(self._log, request))
        except db.Error as fault:
            raise_unless_away(fault)
            messages.error(request, "The database was busy. What was written stays: import the file once more.")
            return HttpResponseRedirect(self.kind.address("import"))
        made = f"{report.created:,} {self.kind.name_of(report.created)} made"
        messages.success(request, f"{made}, {report.changed:,} changed, {report.kept:,} as they were.")
        for row in report.refused[:SAID]:
            messages.warning(request, message("Line {}, {}: {}.", row.number, row.external_id or "?", row.message))
        if (more := report.refused_count - SAID) > 0:
            messages.warning(request, f"{more:,} more line{pluralize(more, ' was,s were')} refused.")
        return HttpResponseRedirect(self.kind.address("changelist"))

    def _log(self, request: HttpRequest, codes: Sequence[str]) -> None:
        """For the history of each record, as Django keeps it of those that are saved by hand: in one transaction."""
        rows: QuerySet[Any] = self.kind.model._default_manager.filter(code__in=codes)
        if codes:
            LogEntry.objects.log_actions(cast(int, request.user.pk), rows, CHANGE, "Imported from a file.")

    def _page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "title": f"Import {self.kind.names}",
            "kind": self.kind,
            "hint": self.hint,
            "back": self.kind.address("changelist"),
            **context,
        }
        return TemplateResponse(request, "admin/bookings/import.html", context)


def bounded(rows: Iterable[Any], most: int) -> list[Any]:
    """Raises CsvError where there are more."""
    some = list(islice(rows, most + 1))
    if len(some) > most:
        raise csv_files.CsvError((some[most].number, f"The file has more than {most:,} rows. Send it in parts."))
    return some


def listed(sign: str, texts: Sequence[str]) -> list[str]:
    """A line with the first of them; none where there are none."""
    more = f" and {len(texts) - SHOWN_CODES:,} more" if len(texts) > SHOWN_CODES else ""
    return [f"{sign} {', '.join(texts[:SHOWN_CODES])}{more}"] if texts else []
