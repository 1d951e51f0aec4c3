"""Workers and types of orders: names, who is active, and which types of orders a worker can do."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from bookings.admin.desk import DeskForm, DeskList
from bookings.admin.records import record_files
from bookings.admin.records.imports import TakesFiles
from bookings.models import Ability, OrderType, Worker, visible_areas


class AbilityInline(DeskForm, TabularInline):
    model = Ability
    extra = 1
    verbose_name = "type of orders"
    verbose_name_plural = "can do these types of orders alone (none: all)"


class OfAllAreas(TakesFiles, DeskList, ModelAdmin):
    """Records that count in all areas: a person who is restricted to some only looks at them."""

    search_fields = ["code", "name"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_add_permission(request)) and visible_areas(request.user) is None

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(super().has_change_permission(request, obj)) and visible_areas(request.user) is None

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """The next slot that names it would make it anew."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Slots name it by its code, so that one never changes."""
        return ["code"] if obj else []


@admin.register(Worker)
class WorkerAdmin(OfAllAreas):
    kind = record_files.WORKERS
    list_display = ["code", "name", "is_active"]
    list_filter = ["is_active"]
    inlines = [AbilityInline]


@admin.register(OrderType)
class OrderTypeAdmin(OfAllAreas):
    kind = record_files.ORDER_TYPES
    list_display = ["code", "name", "is_active"]
    list_filter = ["is_active"]
