"""Areas out of a file, and the page of where their postcodes overlap."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from bookings.admin import lists
from bookings.admin.records import imports
from bookings.models import AreaCode, PostcodePrefix, ServiceArea, visible_areas
from bookings.supply import overlaps
from bookings.supply.from_systems import area_rows, area_upserts
from bookings.supply.from_systems.area_upserts import Target
from bookings.supply.from_systems.upserts import Report, Wrote

ELSEWHERE = "another area"
# All that a file may do.
NEEDED = [
    *(f"bookings.{action}_servicearea" for action in ("add", "change")),
    *(f"bookings.{action}_{model}" for model in ("areacode", "postcodeprefix") for action in ("add", "delete")),
]
EXAMPLE = """area,name,time_zone,aliases,postcodes
LEEDS,Leeds,Europe/London,"WC 7,WC 8","GB LS,GB WF1"
YORK,York,Europe/London,,GB YO
YORK,,,,GB HG"""
HINT = (
    "A line for each area, or one for each of its postcodes. A new area needs a name and a time zone. Lists are whole:"
    " what the lines of an area name no longer is taken away. Columns and areas that the file does not name stay."
)


def may_import(request: HttpRequest) -> bool:
    return request.user.has_perms(NEEDED)


def look(request: HttpRequest, text: str) -> imports.Preview:
    targets, refused = area_upserts.plan_areas(_rows(text), areas=visible_areas(request.user), called="line")
    held, new = overlaps.planned(targets)
    found = overlaps.report(held, new.__contains__)
    names = _names(request, (target.area for target in targets))
    return imports.Preview(
        changes=[_change(target) for target in targets if target.outcome != "kept"],
        kept=sum(target.outcome == "kept" for target in targets),
        refused=refused,
        overlap_count=found.counted,
        overlaps=[overlap.says(lambda area: names.get(area, ELSEWHERE)) for overlap in found.first],
    )


def write(request: HttpRequest, text: str, wrote: Wrote) -> Report:
    by, seen = request.user.get_username(), visible_areas(request.user)
    return area_upserts.upsert_areas(_rows(text), by=by, areas=seen, called="line", wrote=wrote)


def file(request: HttpRequest) -> Iterator[list[str]]:
    areas = ServiceArea.objects.visible_to(request.user).order_by("code")
    return area_rows.file_of(areas.prefetch_related("codes", "postcode_prefixes"))


# Each is a row to be written while a person waits: so many take some seconds.
MOST_POSTCODES = 20_000
KIND = imports.Kind(ServiceArea, EXAMPLE, HINT, 1_000, may_import, look, write, file)


def _rows(text: str) -> Collection[Any]:
    return imports.bounded(area_rows.read_file(text, MOST_POSTCODES), KIND.most)


def _change(target: Target) -> imports.Change:
    area, lines = target.area, []
    for name in target.changed:
        value, field = getattr(area, name), area_upserts.FIELDS[name]
        lines.append(f"{field.verbose_name}: {'none' if value is None else value}")
    for sign, things in (("added:", target.added), ("taken away:", target.gone)):
        for what, model in (("code", AreaCode), ("postcode", PostcodePrefix)):
            lines += imports.listed(f"{what}s {sign}", [str(thing) for thing in things if isinstance(thing, model)])
    has_place = target.row.postcodes or target.outcome != "created"
    warnings = [] if has_place else ["It has no postcode: it is found by its code alone."]
    return imports.Change(area.code, target.outcome == "created", lines, warnings)


# --- Overlaps ----------------------------------------------------------------------------------------------


def urls() -> list[URLPattern]:
    """For the ModelAdmin of areas."""
    view = admin.site.admin_view(overlaps_view)
    return [path("overlaps/", view, name="bookings_servicearea_overlaps")]


def overlaps_link() -> tuple[str, str]:
    return reverse("admin:bookings_servicearea_overlaps"), "Overlapping postcodes"


def overlaps_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("bookings.view_servicearea"):
        raise PermissionDenied
    visible = ServiceArea.objects.visible_to(request.user).order_by("name")
    names, without = _names(request, visible), _without_postcodes(visible)
    found = overlaps.report(overlaps.stored(), lambda one: one.area in names)
    context = {
        **admin.site.each_context(request),
        "title": "Overlapping postcodes",
        "found": found,
        "rows": [_row(overlap, names) for overlap in found.first],
        "without": without[: imports.SHOWN],
        "without_count": without.count(),
        "no_areas": lists.no_areas_text(request.user),
        "back": reverse("admin:bookings_servicearea_changelist"),
    }
    return TemplateResponse(request, "admin/bookings/overlaps.html", context)


def _without_postcodes(visible: QuerySet[ServiceArea]) -> QuerySet[ServiceArea]:
    return visible.filter(postcode_prefixes=None, is_practice=False)


def _areas_of(overlap: overlaps.Overlap) -> Iterable[overlaps.Area]:
    return overlap.inner.area, overlap.outer.area


def _row(overlap: overlaps.Overlap, names: dict[overlaps.Area, str]) -> dict[str, Any]:
    return {
        "text": overlap.says(lambda area: names.get(area, ELSEWHERE)),
        "areas": [(key, names[key]) for key in _areas_of(overlap) if key in names],
    }


def _names(request: HttpRequest, areas: Iterable[ServiceArea]) -> dict[overlaps.Area, str]:
    """Of the areas that may be named: those that the viewer sees, and new ones."""
    visible = ServiceArea.objects.visible_to(request.user).values_list("pk", "name", "code")
    named: dict[overlaps.Area, str] = {key: f"{name} ({code})" for key, name, code in visible}
    return named | {area.pk or area.code: str(area) for area in areas}
