"""Every URL of the service."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("api/v1/", include("bookings.api.urls")),
    path("admin/", include("bookings.admin.urls")),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]

handler400 = "bookjob_site.errors.bad_request"
handler403 = "bookjob_site.errors.permission_denied"
handler404 = "bookjob_site.errors.not_found"
handler500 = "bookjob_site.errors.server_error"
