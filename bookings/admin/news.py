"""What came since a page was opened: how many bookings and refusals, asked once a minute by desk pages (news.js).

Cheap: two counts over the newest keys alone, and no content where nothing has changed. It is no request of a person:
a session does not live longer by it.
"""

import re

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.urls import URLPattern, path

from bookings.models import Refusal, WorkOrder, visible_areas

SINCE = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)
# More are not counted: the page says "100 new" then.
MOST = 100


def urls() -> list[URLPattern]:
    """For the ModelAdmin of work orders."""
    return [path("news/", admin.site.admin_view(news_view), name="bookings_workorder_news")]


def news_view(request: HttpRequest) -> HttpResponse:
    """`since` is a place of an answer before; without one the answer is the place where all that is here ends."""
    if not request.user.has_perm("bookings.view_workorder"):
        raise PermissionDenied
    named = SINCE.fullmatch(request.GET.get("since", ""))
    since = named[0] if named else _end()
    order, refusal = map(int, since.split("."))
    areas = visible_areas(request.user)
    orders = WorkOrder.objects.in_areas(areas).filter(pk__gt=order)
    refusals = Refusal.objects.in_areas(areas).filter(pk__gt=refusal)
    found = {
        "since": since,
        "new": orders.order_by().values("pk")[:MOST].count(),
        "refused": refusals.order_by().values("pk")[:MOST].count()
        if request.user.has_perm("bookings.view_refusal")
        else 0,
    }
    etag = f'"{since}.{found["new"]}.{found["refused"]}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers={"ETag": etag})
    return JsonResponse(found, headers={"ETag": etag})


def _end() -> str:
    ends = (model.objects.aggregate(last=Max("pk"))["last"] or 0 for model in (WorkOrder, Refusal))
    return ".".join(map(str, ends))
