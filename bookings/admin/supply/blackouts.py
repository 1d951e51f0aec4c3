"""Blackouts: the list, the page, and the form that closes for a time. What closes and opens is `bookings.supply`."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import pluralize
from django.urls import URLPattern, reverse
from django.utils.html import format_html

from bookings import clock, sentences
from bookings.access import kept
from bookings.admin import addresses, filters
from bookings.admin.actions import SHOWN_ROWS, Action
from bookings.admin.cells import area_name, instant_lines, message, two_lines
from bookings.admin.desk import DeskAdmin, close_links
from bookings.admin.forms import MAX_NOTE, TEXT, ActionForm, AreaForm, clock_field, day_field
from bookings.admin.planning import planner_closing
from bookings.admin.supply import closing_days
from bookings.models import ID_LENGTH, AppointmentSlot, Blackout, WorkOrder, visible_areas
from bookings.refusals import Code, Refused
from bookings.supply import workers
from bookings.supply.closing import blackouts

CLOSE_HINT = "On the clock of the area. The next page shows which slots and bookings are affected."


class BlackoutStateFilter(filters.BarFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("closed", "closed"), ("open", "opened again")]

    def condition(self, request: HttpRequest) -> Q:
        return {"closed": Q(opened_at__isnull=True), "open": Q(opened_at__isnull=False)}.get(self.value(), Q(pk__in=[]))


class BlackoutTimeFilter(filters.BarFilter):
    title, parameter_name = "time", "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("now", "now"), ("coming", "coming"), ("past", "past")]

    def condition(self, request: HttpRequest) -> Q:
        now = clock.now()
        return {"now": Q(start__lte=now, end__gt=now), "coming": Q(start__gt=now), "past": Q(end__lte=now)}.get(
            self.value(), Q(pk__in=[])
        )


class BlackoutForm(AreaForm):
    """A time in which an area, or one worker there, takes no bookings, on the area's own clock."""

    worker = forms.CharField(
        max_length=ID_LENGTH, required=False, widget=forms.TextInput(TEXT), help_text="Empty: all workers of the area."
    )
    day = day_field("First day")
    begins = clock_field("From", required=False, help_text="Empty: from the beginning of the day.")
    until = day_field("Last day")
    ends = clock_field("Until", required=False, help_text="Empty: until the end of the day.")
    reason = forms.CharField(
        max_length=MAX_NOTE, widget=forms.TextInput(TEXT), help_text="For staff. Callers only hear that it is closed."
    )

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not self.errors:
            start, end = self._moment("day", cleaned["begins"] or time.min), self._moment("until", cleaned["ends"])
            if end <= start:
                self.add_error("until", "This is not after the beginning.")
            elif end <= clock.now():
                self.add_error("until", "This time is over. Choose one that is to come.")
            cleaned |= {"start": start, "end": end}
        worker = cleaned.get("worker")
        if worker and not workers.is_known(worker):
            # A blackout for a misspelt name closes nothing. Only workers that the viewer may see are named.
            visible = AppointmentSlot.objects.visible_to(self.request.user)
            self.add_error("worker", workers.unknown("worker", worker, workers.names(visible)))
        return cleaned

    def _moment(self, name: str, at: time | None) -> datetime:
        minute = 24 * 60 if at is None else at.hour * 60 + at.minute
        return clock.moment_of(self.cleaned_data[name], minute, self.cleaned_data["area"].zone)


class Open(Action):
    name, icon, title, done = "open", "lock_open", "Open", "opened"
    consequence = (
        "The slots that it closes are offered again, but for those that another blackout, a person or"
        " their plan closes. The bookings in its time stay as they are."
    )
    permission = "bookings.close_appointmentslot"

    def unfit(self, row: Blackout) -> str:
        if row.is_seen_in_part:
            return "counts in areas that you do not see. Ask a supervisor of all areas."
        return sentences.say("was opened already, by {who}", who=row.opened_by) if row.opened_at else ""

    def run(self, row: Blackout, form: ActionForm, by: str, seen: int) -> None:
        if row.is_seen_in_part:
            raise Refused(Code.FORBIDDEN, sentences.say("{name} {reason}", name=row, reason=self.unfit(row)))
        blackouts.reopen(blackout=row, by=by)


def _closed_text(closed: blackouts.Closed) -> str:
    if not closed.slots and not blackouts.touched_by(closed.blackout).exists():
        return "0 slots yet; later ones will be closed."
    return f"{closed.slots:,} slot{pluralize(closed.slots)} closed."


def _moment_text(blackout: Blackout, moment: datetime) -> str:
    return blackout.area.instant_text(moment) if blackout.area else f"{moment:%Y-%m-%d %H:%M} UTC"


@admin.register(Blackout)
class BlackoutAdmin(DeskAdmin):
    list_display = ["begins", "ends", area_name, "who", "why", "closed", "state", "hides", "hits"]
    list_display_links = ["begins"]
    list_select_related = ["area"]
    list_filter = [BlackoutStateFilter, BlackoutTimeFilter, filters.AreaFilter]
    ordering = ["-start", "-pk"]
    search_fields = ["reason", "worker"]
    search_help_text = "Reason, worker"
    desk_actions = [Open()]
    page_template = "admin/bookings/blackout.html"
    rows_template = "admin/bookings/blackout_rows.html"

    def get_urls(self) -> list[URLPattern]:
        return [*closing_days.urls(), *planner_closing.urls(), *super().get_urls()]

    def version_of(self, row: Blackout) -> int:
        """A blackout changes once: when it is opened."""
        return int(row.opened_at is not None)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Blackout]:
        return super().get_queryset(request).as_seen_in(visible_areas(request.user))  # type: ignore[attr-defined,no-any-return]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("bookings.close_appointmentslot"))

    def list_context(self, request: HttpRequest) -> dict[str, Any]:
        days = [(reverse("admin:bookings_blackout_days"), "Close many days")] if closing_days.may_close(request) else []
        return {"bar_links": [*close_links(request), *days]}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The form, then what closing would hit, and only then it is done."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        kept.show_again(request, "blackout")
        form = BlackoutForm(request, request.POST if request.method == "POST" else None)
        if form.is_valid() and request.POST.get("do") != "edit":
            given = {name: form.cleaned_data[name] for name in ("area", "worker", "start", "end", "reason")}
            if request.POST.get("do") == "perform":
                return self._close(request, given)
            return self._ask_about_closing(request, form, Blackout(**given))
        context = {"title": "Close for a time", "form": form, "button": "Show affected bookings", "hint": CLOSE_HINT}
        return self.form_page(request, context)

    def _ask_about_closing(self, request: HttpRequest, form: BlackoutForm, blackout: Blackout) -> HttpResponse:
        hit = blackouts.bookings_in(blackout)
        context = {
            "title": f"Close {form.cleaned_data['area'].name}",
            "form": form,
            "row": blackout,
            "slot_count": blackouts.touched_by(blackout).filter(blackout__isnull=True).count(),
            "hit_count": hit.count(),
            "hit": hit.select_related("area", "slot").defer("body").order_by("visit_start", "pk")[:SHOWN_ROWS],
        }
        return self.form_page(request, context, "admin/bookings/close.html")

    def _close(self, request: HttpRequest, given: dict[str, Any]) -> HttpResponse:
        closed = blackouts.close_slots(by=request.user.get_username(), **given)
        found = closed.blackout
        if closed.is_new:
            messages.success(request, _closed_text(closed))
        else:
            messages.warning(
                request, message("This time was closed already, by {}: {}", found.closed_by or "unknown", found.reason)
            )
        if hit := len(closed.bookings):
            messages.warning(request, f"Bookings in this time: {hit:,}. Move or cancel them.")
        return HttpResponseRedirect(reverse("admin:bookings_blackout_change", args=[found.pk]))

    @admin.display(description="From", ordering="start")
    def begins(self, blackout: Blackout) -> str:
        return instant_lines(blackout.area, blackout.start)

    @admin.display(description="Until", ordering="end")
    def ends(self, blackout: Blackout) -> str:
        return instant_lines(blackout.area, blackout.end if blackout.area else blackout.end - timedelta(days=1))

    @admin.display(description="Worker")
    def who(self, blackout: Blackout) -> str:
        return two_lines(blackout.worker or "all workers")

    @admin.display(description="Reason")
    def why(self, blackout: Blackout) -> str:
        return two_lines(blackout.reason)

    @admin.display(description="By", ordering="closed_at")
    def closed(self, blackout: Blackout) -> str:
        return two_lines(blackout.closed_by, f"opened by {blackout.opened_by}" if blackout.opened_at else "")

    @admin.display(description="State")
    def state(self, blackout: Blackout) -> str:
        now = clock.now()
        when = "past" if blackout.end <= now else "now" if blackout.start <= now else "coming"
        word, colour = ("opened", "off") if blackout.opened_at else ("closed", "off" if when == "past" else "new")
        return format_html(
            '<span class="desk-label desk-label-{}">{}</span> <span class="desk-sub">{}</span>', colour, word, when
        )

    @admin.display(description="Slots closed")
    def hides(self, blackout: Blackout) -> str:
        return two_lines(f"{blackout.slot_count:,}")

    @admin.display(description="Affected bookings")
    def hits(self, blackout: Blackout) -> str:
        return two_lines(f"{blackout.booking_count:,}", warn=blackout.booking_count > 0 and blackout.end > clock.now())

    def page_context(self, request: HttpRequest, row: Blackout) -> dict[str, Any]:
        hit = WorkOrder.objects.none() if row.opened_at else blackouts.bookings_in(row).visible_to(request.user)
        zone = row.area.zone if row.area else UTC
        # Days of the area's clock, as the list of slots asks for them.
        first, last = (moment.astimezone(zone).date() for moment in (row.start, row.end - timedelta(seconds=1)))
        slots_of_it = {"day": first, "until": last, "worker": row.worker}
        if row.area:
            slots_of_it["area"] = row.area.code
        return {
            "state": self.state(row),
            "where": row.area.name if row.area else "all areas",
            "when": row.period_text,
            "slots_address": addresses.list_of("appointmentslot", **slots_of_it),
            "hit_count": hit.count(),
            "hit": hit.select_related("area", "slot").defer("body").order_by("visit_start", "pk")[:SHOWN_ROWS],
            "plan_address": planner_closing.plan_address([row.pk]) if planner_closing.may_clear(request) else "",
            "closed_at": _moment_text(row, row.closed_at),
            "opened_at": _moment_text(row, row.opened_at) if row.opened_at else "",
        }
