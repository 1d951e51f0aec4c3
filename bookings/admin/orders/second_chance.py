"""*Second chance* on the board: what was refused and would have a place now, and the one click that books it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from bookings import clock
from bookings.admin import desk
from bookings.admin.cells import link, message
from bookings.models import Refusal, ServiceArea, WorkOrder, visible_areas
from bookings.refusals import Refused
from bookings.services import second_chance

# As many as a dispatcher rings in a quarter of an hour; the next ones follow when these are booked.
SHOWN = 6


def urls() -> list[URLPattern]:
    """For the ModelAdmin of refusals."""
    return [path("book/", admin.site.admin_view(book_view), name="bookings_refusal_book")]


def on_board(request: HttpRequest, areas: list[ServiceArea]) -> dict[str, Any]:
    if not request.user.has_perm("bookings.view_refusal"):
        return {}
    return {
        "chances": second_chance.waiting(areas, clock.now(), SHOWN),
        "may_book": request.user.has_perm("bookings.book_refusal"),
    }


def book_view(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perm("bookings.book_refusal"):
        raise PermissionDenied
    key = request.POST.get("refusal", "")
    desk.check_keys(key)
    refusal = Refusal.objects.visible_to(request.user).filter(pk=key).first()
    if refusal is None:
        messages.error(request, "There is no such refusal that you may see.")
    else:
        _book(request, refusal)
    return HttpResponseRedirect(reverse("admin:index"))


def _book(request: HttpRequest, refusal: Refusal) -> None:
    areas = visible_areas(request.user)
    try:
        booked = second_chance.book(refusal=refusal, by=request.user.get_username(), areas=areas)
    except Refused as reason:
        messages.warning(request, message("{} was not booked. {}", refusal.original_order, reason.message))
        return
    order = WorkOrder.objects.select_related("area", "slot__area").get(order_num=booked.order_num)
    page = link(reverse("admin:bookings_workorder_change", args=[order.pk]), order.order_num)
    call = message("Call {}.", order.phone) if order.phone else "Call the customer."
    said = message("{} is booked for {}: {}, {}.", *_words(order))
    messages.success(request, format_html("{} {} {}", said, call, page))


def _words(order: WorkOrder) -> tuple[str, str, str, str]:
    return order.order_num, order.original_order, order.period_text, order.slot.worker or "pool"
