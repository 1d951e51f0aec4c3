"""The list and the page of receivers: who is told of bookings, how far it is, what became of each attempt.

Looked at, paused and resumed here; connected and changed here, too, or by commands (docs/delivery.md).
"""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, IntegerField, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.timesince import timesince

from bookings import clock
from bookings.access import kept
from bookings.admin import addresses
from bookings.admin.cells import message, two_lines
from bookings.admin.desk import DeskAdmin
from bookings.admin.systems import delivery
from bookings.admin.systems.receiver_forms import ConnectForm
from bookings.delivery import receivers
from bookings.models import Delivery, Receiver, visible_areas

CONNECT_HINT = (
    "It hears of each booking, move and cancellation from now on. Bookings from before are sent by the command"
    " verify_delivery --repair, after its list was seen."
)


@admin.register(Receiver)
class ReceiverAdmin(DeskAdmin):
    list_display = ["title", "state", "waiting", "stuck", "oldest"]
    list_display_links = ["title"]
    list_select_related: list[str] = []
    ordering = ["kind", "name"]
    desk_actions = delivery.RECEIVER_ACTIONS
    page_template = "admin/bookings/receiver.html"
    rows_template = "admin/bookings/receiver_rows.html"

    def version_of(self, row: Receiver) -> int:
        return row.settings_version

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Not of a person who is restricted to areas: a receiver hears of all of them."""
        return request.user.has_perm("bookings.add_receiver") and visible_areas(request.user) is None

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        kept.show_again(request, "receiver")
        form = ConnectForm([], request, request.POST if request.method == "POST" else None)
        if form.is_valid() and request.POST.get("do") != "edit":
            name, by = form.cleaned_data["name"], request.user.get_username()
            receiver = receivers.connect(name, form.kind(), by=by, **form.columns())
            messages.success(request, message("{} is connected. It hears of all changes from now on.", receiver))
            return HttpResponseRedirect(reverse("admin:bookings_receiver_change", args=[receiver.pk]))
        context = {"title": "Connect a receiver", "form": form, "button": "Connect", "hint": CONNECT_HINT}
        return self.form_page(request, context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Receiver]:
        """A receiver belongs to no area. What is counted of it does: only bookings that the viewer may see."""
        late = seen_by(request, Delivery.objects.open().filter(receiver=OuterRef("pk")), "work_order__area")
        return Receiver.objects.annotate(
            waiting_count=_count(late.filter(needs_person="")),
            stuck_count=_count(late.exclude(needs_person="")),
            oldest_at=Subquery(late.order_by().values("receiver").annotate(at=Min("wanted_at")).values("at")),
        )

    @admin.display(description="Receiver", ordering="name")
    def title(self, receiver: Receiver) -> str:
        return two_lines(receiver.name, receiver.url)

    @admin.display(description="State")
    def state(self, receiver: Receiver) -> str:
        text, is_bad = state_of(receiver)
        return two_lines(text, warn=is_bad)

    @admin.display(description="Waiting")
    def waiting(self, receiver: Receiver) -> str:
        return two_lines(str(receiver.waiting_count))  # type: ignore[attr-defined]

    @admin.display(description="Needs a person")
    def stuck(self, receiver: Receiver) -> str:
        count = receiver.stuck_count  # type: ignore[attr-defined]
        return two_lines(str(count), warn=count > 0)

    @admin.display(description="Oldest")
    def oldest(self, receiver: Receiver) -> str:
        return two_lines(_age(receiver))

    def page_context(self, request: HttpRequest, row: Receiver) -> dict[str, Any]:
        text, is_bad = state_of(row)
        entries = seen_by(request, row.entries.all(), "delivery__work_order__area", Q(delivery__isnull=True))
        is_servicemobility = row.is_servicemobility and row.is_on
        return {
            "text": text,
            "is_bad": is_bad,
            "oldest": _age(row),
            "log": delivery.log(entries),
            "lists": {
                "waiting": addresses.list_of("workorder", view="all", delivery="missing"),
                "stuck": addresses.list_of("workorder", view="all", delivery="stuck"),
            }
            if is_servicemobility
            else {},
        }


def seen_by(request: HttpRequest, rows: QuerySet[Any], area: str, beside: Q | None = None) -> QuerySet[Any]:
    """The rows whose booking the viewer may see, and those `beside`; `area` is the way from a row to its area."""
    areas = visible_areas(request.user)
    return rows if areas is None else rows.filter(Q(**{f"{area}__in": areas}) | (beside or Q(pk__in=[])))


def state_of(receiver: Receiver) -> tuple[str, bool]:
    """In words, and whether a person has to do something."""
    if not receiver.is_on:
        return "off: it hears of nothing until it is connected again", False
    if receiver.paused_at:
        return f"paused by {receiver.paused_by or 'an operator'}: {receiver.paused_reason}", True
    if receiver.lease_until is None or receiver.lease_until < clock.now():
        return "no process delivers: start `manage.py deliver`", True
    if receiver.trouble:
        return receiver.trouble, True
    return "takes what is sent", False


def _count(rows: QuerySet[Delivery]) -> Coalesce:
    number = rows.order_by().values("receiver").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(number, output_field=IntegerField()), 0)


def _age(receiver: Receiver) -> str:
    oldest = receiver.oldest_at  # type: ignore[attr-defined]
    return f"{timesince(oldest, clock.now())} ago" if oldest else "-"
