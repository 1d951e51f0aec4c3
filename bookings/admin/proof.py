"""The page Proof: why the promises can be trusted, for those who use the desk. /proof says the same to programs."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse

from bookings import clock
from bookings.models import ServiceArea, WorkOrder
from bookings.services import proof
from bookings.telemetry import metrics

WHAT = {
    proof.Check.BOOKINGS: "No slot over its places, no booking lost or twice",
    proof.Check.DELIVERY: "ServiceMobility has each coming booking as it is here",
    proof.Check.DRILL: "Each order acknowledged while faults were caused has its row",
}


def page(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("bookings.view_workorder"):
        raise PermissionDenied
    areas, orders = ServiceArea.objects.visible_to(request.user), WorkOrder.objects.visible_to(request.user)
    if request.GET.get("format") == "json":
        return JsonResponse(proof.document(areas, orders))
    context = {
        **admin.site.each_context(request),
        "title": "Proof",
        # A drill is an operator's exercise: where there was none, the page does not ask for one.
        "runs": [(WHAT[run.check], run) for run in proof.last_runs(orders) if run.at or run.check != proof.Check.DRILL],
        "rates": proof.rates(),
        "began_at": metrics.BEGAN_AT,
        "areas": list(proof.first_free(areas, clock.now())),
    }
    return TemplateResponse(request, "admin/bookings/proof.html", context)
