"""The check list of the first day, on the board of those who set a company up: it ticks itself and then is gone."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from bookings.admin.records import area_files
from bookings.models import visible_areas
from bookings.services import first_day
from bookings.services.first_day import Step

# What is done, where (an address or a document of the help), and all permissions for that address.
STEPS: dict[Step, tuple[str, str, list[str]]] = {
    Step.AREAS: ("Areas with their time zones", "admin:bookings_servicearea_import", area_files.NEEDED),
    Step.POSTCODES: ("The postcodes of the areas", "admin:bookings_servicearea_import", area_files.NEEDED),
    Step.SLOTS: ("Slots that can be booked", "admin:bookings_schedule_add", ["bookings.add_schedule"]),
    Step.SCHEDULE: ("A schedule that goes on by itself", "admin:bookings_schedule_add", ["bookings.add_schedule"]),
    Step.PEOPLE: ("A user with a role", "admin:auth_user_changelist", ["auth.view_user"]),
    Step.CONNECTED: ("Connect ServiceMobility: its first search", "connect.md", []),
    Step.DELIVERY: (
        "Delivery of bookings to ServiceMobility",
        "admin:bookings_receiver_changelist",
        ["bookings.view_receiver"],
    ),
    Step.BACKUP: ("A backup of the database", "operations.md", []),
}
WHO_ELSE = {Step.PEOPLE: "your administrator makes users"}


def urls() -> list[URLPattern]:
    return [path("first-day/hide/", admin.site.admin_view(hide), name="first-day-hide")]


def on_board(request: HttpRequest) -> dict[str, Any]:
    """Nothing once all was done, or for those whose matter it is not."""
    if not request.user.has_perm("bookings.change_servicearea") or first_day.is_over():
        return {}
    if visible_areas(request.user) is not None:
        return {}
    found = first_day.steps()
    if all(found.values()):
        first_day.end()
        return {}
    steps = [{"is_done": is_done, **_told(request, step)} for step, is_done in found.items()]
    return {"first_day": steps, "may_hide": request.user.is_superuser}


def _told(request: HttpRequest, step: Step) -> dict[str, str]:
    title, place, needed = STEPS[step]
    if place.endswith(".md"):
        return {"title": title, "link": reverse("document", args=[place])}
    may = request.user.has_perms(needed)
    return {"title": title, "link": reverse(place) if may else "", "else": WHO_ELSE.get(step, "")}


def hide(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.is_superuser:
        raise PermissionDenied
    first_day.end()
    return HttpResponseRedirect(reverse("admin:index"))
