"""The pages of the desk that are no list and no row; the site mounts them before Django's own admin."""

from django.contrib import admin
from django.urls import path

from bookings.admin import proof

urlpatterns = [
    path("proof/", admin.site.admin_view(proof.page), name="proof"),
]
