"""The pages of the desk that are no list and no row; the site mounts them before Django's own admin."""

from django.contrib import admin
from django.urls import path

from bookings.admin import handbook, proof, saved_views
from bookings.admin.overview import first_day, numbers

urlpatterns = [
    *first_day.urls(),
    *saved_views.urls(),
    path("proof/", admin.site.admin_view(proof.page), name="proof"),
    path("numbers/", admin.site.admin_view(numbers.page), name="numbers"),
    path("help/", admin.site.admin_view(handbook.contents), name="help"),
    path("help/<str:name>", admin.site.admin_view(handbook.document), name="document"),
    path("help/screenshots/<str:name>", admin.site.admin_view(handbook.picture), name="picture"),
]
