"""Templates become schedules on the desk, and schedules a template, as import_schedules and export_schedules do it.

The areas are there already, and are those that the person may see.
"""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.utils.html import format_html

from bookings.admin.records import imports
from bookings.admin.supply.schedule_forms import template_help
from bookings.models import Schedule, visible_areas
from bookings.refusals import Refused
from bookings.supply import areas, csv_files
from bookings.supply.from_plans import plan_files, schedule_files, schedules
from bookings.supply.from_plans.schedule_files import Wanted
from bookings.supply.from_systems.upserts import Report, Wrote
from bookings.supply.from_systems.waiting_rows import RefusedRow

EXAMPLE = '[[slots]]\narea = "LEEDS"\nfrom = 2026-12-01\nhours = "08:00-12:00"\nlength = 120\ndays_ahead = 60'
HINT = "A template in TOML or CSV ({}). The schedules of its areas get its rules. Areas are made before."
NO_AREA = "Make it first. It may also be one that you may not see."
# Of areas, since each takes a second or two; and of slots that a template comes to.
MOST, MOST_SLOTS = 20, 200_000


class TemplateForm(imports.FileForm):
    file = imports.file_field(".toml,.csv,.txt,text/csv", "TOML, or CSV as Excel saves it.")


def may_import(request: HttpRequest) -> bool:
    return bool(request.user.has_perms(["bookings.add_schedule", "bookings.change_schedule"]))


def look(request: HttpRequest, text: str) -> imports.Preview:
    try:
        found = _wanted(request, text)
    except _RefusedTemplateError as error:
        return imports.Preview([], 0, error.rows)
    changes = [_change(request, each.schedule) for each in found if not each.is_same]
    return imports.Preview(changes, len(found) - len(changes), [])


def write(request: HttpRequest, text: str, wrote: Wrote) -> Report:
    """Raises OperationalError where the database did not give its locks. Each schedule keeps its own history."""
    report, by, seen = Report(is_written=True), request.user.get_username(), visible_areas(request.user)
    for schedule, is_same in _wanted(request, text):
        if is_same:
            report.kept += 1
            continue
        is_new = schedule._state.adding
        try:
            schedules.save(schedule, by=by)
            schedules.extend_latest(schedule, by=by, seen=seen)
        except (Refused, schedules.OutdatedError) as error:
            why = str(error) or "it was changed meanwhile; its slots follow tonight"
            report.refused.append(RefusedRow(0, schedule.area.code, why.rstrip(".")))
        else:
            report.created, report.changed = report.created + is_new, report.changed + (not is_new)
    report.refused_count = len(report.refused)
    return report


KIND = imports.Kind(Schedule, EXAMPLE, HINT, MOST, may_import, look, write, lambda request: iter([]))


class TakesTemplates(imports.TakesFiles):
    kind = KIND
    file_form = TemplateForm

    @property
    def hint(self) -> str:
        return format_html(self.kind.hint, template_help())

    def links(self, request: HttpRequest) -> list[tuple[str, str]]:
        return [(address, text.replace("CSV", "a template")) for address, text in super().links(request)]

    def file_view(self, request: HttpRequest) -> HttpResponse:
        """Those that are followed."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        there = self.get_queryset(request).filter(is_active=True).order_by("area__code")  # type: ignore[attr-defined]
        text = schedule_files.template_of(row for row in there if not schedules.unreadable(row))
        headers = {"Content-Disposition": 'attachment; filename="schedules.toml"'}
        return HttpResponse(text, content_type="application/toml; charset=utf-8", headers=headers)


class _RefusedTemplateError(Exception):
    def __init__(self, rows: list[RefusedRow]) -> None:
        super().__init__()
        self.rows = rows


def _wanted(request: HttpRequest, text: str) -> list[Wanted]:
    """Raises _RefusedTemplateError, and CsvError for one of too many areas."""
    is_toml, seen = "[[" in text, visible_areas(request.user)
    known = {
        code: area
        for code, area in areas.by_code().items()
        if not area.is_practice and (seen is None or area.pk in seen)
    }
    template = plan_files.read_template(text, is_toml=is_toml, known=known, most=MOST_SLOTS, no_area=NO_AREA)
    if isinstance(template, list):
        raise _RefusedTemplateError([RefusedRow(fault.line, "", fault.text.rstrip(".")) for fault in template])
    if new := [area.code for area in template.areas.values() if area.pk is None]:
        raise _RefusedTemplateError([RefusedRow(1, code, "there is no such area; make it first") for code in new])
    if len(template.areas) > MOST:
        raise csv_files.CsvError((1, f"This is about more than {MOST} areas. Send it in parts."))
    try:
        return schedule_files.wanted(text, template, is_toml=is_toml)
    except schedule_files.FileError as error:
        raise _RefusedTemplateError([RefusedRow(1, "", str(error).rstrip("."))]) from None


def _change(request: HttpRequest, schedule: Schedule) -> imports.Change:
    report = schedules.extend(schedule, by="", dry_run=True, seen=visible_areas(request.user))
    is_new = schedule._state.adding
    lines = [f"Always {schedule.days_ahead} day{pluralize(schedule.days_ahead)} ahead.", *report.lines()]
    if not is_new:
        lines.insert(0, f"Its rules of version {schedule.version} are replaced, and stay in its history.")
    warnings = []
    if report.hidden * 10 > report.free:
        warnings = [f"{report.hidden:,} of {report.free:,} free slots are closed: more than a tenth."]
    return imports.Change(schedule.area.code, is_new, lines, warnings)
