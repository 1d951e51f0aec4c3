"""The look of the desk (django-unfold): its menu, style and colours."""

from functools import lru_cache
from typing import Any

from django.templatetags.static import static
from django.urls import get_script_prefix, reverse, reverse_lazy


def _item(title: str, icon: str, name: str, *permissions: str) -> dict[str, Any]:
    """A page in the menu, for those who have all of these permissions. It is marked on the pages below it, too."""
    NAMES.append(name)
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(name),
        "permission": lambda request: request.user.has_perms(permissions),
        "active": lambda request: _nearest(request.path) == name,
    }


def _entry(title: str, icon: str, model: str) -> dict[str, Any]:
    """The list of a model in the menu, for those who may view it."""
    app, _, name = model.partition(".")
    return _item(title, icon, f"admin:{app}_{name}_changelist", f"{app}.view_{name}")


NAMES: list[str] = []


@lru_cache(8)
def _entries(prefix: str) -> dict[str, str]:
    """The name of each entry of the menu by its address, in a service whose addresses begin with this."""
    return {reverse(name): name for name in NAMES}


def _nearest(path: str) -> str:
    """The one entry of the menu that a page belongs to: the planner is no list of slots, though its address goes on
    from there. All addresses go on from the board's."""
    entries = _entries(get_script_prefix())
    board, *others = entries
    nearest = max((link for link in others if path.startswith(link)), key=len, default=board if path == board else "")
    return entries.get(nearest, "")


UNFOLD = {
    "SITE_TITLE": "bookjob",
    "SITE_HEADER": "bookjob",
    "SITE_SYMBOL": "event_available",
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"form": "bookings.access.sessions.LogInForm"},
    "DASHBOARD_CALLBACK": "bookings.admin.overview.board.dashboard",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("bookings/favicon.svg")}],
    "STYLES": [lambda request: static("bookings/desk.css")],
    "SCRIPTS": [lambda request: static("bookings/desk.js"), lambda request: static("bookings/news.js")],
    "SIDEBAR": {
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Dispatch",
                "items": [
                    _item("Board", "dashboard", "admin:index"),
                    _item(
                        "Planner",
                        "view_timeline",
                        "admin:bookings_appointmentslot_planner",
                        "bookings.view_appointmentslot",
                        "bookings.view_workorder",
                    ),
                    _item(
                        "Capacity",
                        "grid_on",
                        "admin:bookings_appointmentslot_capacity",
                        "bookings.view_appointmentslot",
                    ),
                    _item("Numbers", "monitoring", "numbers", "bookings.view_dailysum"),
                    _entry("Work orders", "assignment", "bookings.workorder"),
                    _item("Ill or snow", "sick", "admin:bookings_blackout_clear", "bookings.clear_blackout"),
                    _entry("Slots", "calendar_month", "bookings.appointmentslot"),
                    _item(
                        "Ask the rules", "rule", "admin:bookings_appointmentslot_rules", "bookings.view_appointmentslot"
                    ),
                    _entry("Schedules", "event_repeat", "bookings.schedule"),
                    _entry("Blackouts", "event_busy", "bookings.blackout"),
                    _entry("Refusals", "block", "bookings.refusal"),
                    _entry("Empty searches", "search_off", "bookings.emptysearch"),
                    _entry("Receivers", "sync", "bookings.receiver"),
                    _entry("Areas", "map", "bookings.servicearea"),
                    _entry("Workers", "engineering", "bookings.worker"),
                    _entry("Order types", "label", "bookings.ordertype"),
                ],
            },
            {
                "title": "People",
                "separator": True,
                "items": [
                    _entry("Users", "person", "auth.user"),
                    _entry("Roles", "group", "auth.group"),
                    _entry("API keys", "key", "bookings.apikey"),
                    _entry("Calendars", "calendar_today", "bookings.calendaraddress"),
                ],
            },
            {
                "title": "About",
                "separator": True,
                "items": [
                    _item("Help", "help", "help"),
                    _item("Proof", "verified", "proof", "bookings.view_workorder"),
                ],
            },
        ],
    },
    # Blues that are read on white and on black alike (4.5:1 at least with the text that stands on them).
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254)",
            "100": "oklch(93% .032 255)",
            "200": "oklch(88% .059 254)",
            "300": "oklch(81% .105 252)",
            "400": "oklch(76% .12 252)",
            "500": "oklch(70% .14 254)",
            "600": "oklch(50% .19 259)",
            "700": "oklch(45% .19 261)",
            "800": "oklch(40% .17 264)",
            "900": "oklch(36% .14 265)",
            "950": "oklch(28% .09 267)",
        },
    },
}
