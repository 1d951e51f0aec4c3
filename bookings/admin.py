"""What dispatch staff see and may do. Nothing here writes a booking: that is `services.py`.

Work orders are read here, never typed in, changed in place or deleted.
"""

import json
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from bookings.models import (
    AppointmentSlot,
    HistoryEntry,
    PartOrder,
    PostcodePrefix,
    RequiredPart,
    ServiceArea,
    WorkOrder,
)

STATE_COLOURS = {"booked": "success", "cancelled": "danger"}

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


class PostcodePrefixInline(TabularInline):
    model = PostcodePrefix
    extra = 1


@admin.register(ServiceArea)
class ServiceAreaAdmin(ModelAdmin):
    list_display = ["code", "name", "time_zone"]
    search_fields = ["code", "name"]
    inlines = [PostcodePrefixInline]


@admin.register(AppointmentSlot)
class AppointmentSlotAdmin(ModelAdmin):
    """Slots are made by `seed_slots`; here they are closed and given more or fewer places."""

    list_display = ["period", "area", "worker", "order_type", "booked", "capacity", "is_open"]
    list_filter = ["area", "is_open"]
    list_select_related = ["area"]
    search_fields = ["area__code", "area__name", "worker", "order_type"]
    fields = ["period", "area", "worker", "order_type", "booked", "capacity", "is_open"]
    readonly_fields = ["period", "area", "worker", "order_type", "booked"]

    @admin.display(description="Period", ordering="start")
    def period(self, slot: AppointmentSlot) -> str:
        return str(slot)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return list(self.fields)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever may see the work order may see what belongs to it."""
        return request.user.has_perm("bookings.view_workorder")


class RequiredPartInline(ReadOnlyInline):
    model = RequiredPart
    verbose_name_plural = "parts"
    fields = ["prod_num", "description", "quantity", "part_order", "replaces", "part_status", "estimated_delivery"]


class PartOrderInline(ReadOnlyInline):
    model = PartOrder
    fields = ["part_order_num", "ship_to_location", "urgency"]


class HistoryInline(ReadOnlyInline):
    model = HistoryEntry
    verbose_name_plural = "history"
    fields = ["at", "event", "by", "reason", "details"]


@admin.register(WorkOrder)
class WorkOrderAdmin(ModelAdmin):
    list_display = ["order_num", "original_order", "customer", "place", "period", "worker", "order_type", "state"]
    list_filter = ["status", "slot__area"]
    list_select_related = ["slot__area"]
    search_fields = [
        "order_num",
        "original_order",
        "account_num",
        "account_name",
        "location_name",
        "postcode",
        "phone",
        "required_parts__prod_num",
    ]
    fieldsets = [
        ("Visit", {"fields": ["order_num", "original_order", "state", "period", "order_type", "worker"]}),
        ("Customer", {"fields": ["account_num", "account_name", "location_num", "location_name"]}),
        ("Place", {"fields": ["address", "postcode", "phone"]}),
        ("What came", {"fields": ["caller", "created_at", "body_as_it_came"]}),
        ("Cancelled", {"fields": ["cancelled_at", "cancelled_by", "cancel_reason"]}),
    ]
    inlines = [RequiredPartInline, PartOrderInline, HistoryInline]

    @admin.display(description="Customer", ordering="account_name")
    def customer(self, work_order: WorkOrder) -> str:
        return f"{work_order.account_name} {work_order.account_num}".strip()

    @admin.display(description="Place", ordering="postcode")
    def place(self, work_order: WorkOrder) -> str:
        return f"{work_order.postcode} {work_order.location_name or work_order.location_num}".strip()

    @admin.display(description="Appointment", ordering="slot__start")
    def period(self, work_order: WorkOrder) -> str:
        return str(work_order.slot)

    @display(description="State", ordering="status", label=STATE_COLOURS)  # type: ignore[untyped-decorator]
    def state(self, work_order: WorkOrder) -> tuple[str, str]:
        return work_order.status, work_order.get_status_display()

    @admin.display(description="Body as it came")
    def body_as_it_came(self, work_order: WorkOrder) -> str:
        text = json.dumps(json.loads(work_order.body), indent=2, ensure_ascii=False)
        return format_html(
            '<details><summary class="cursor-pointer">{} characters</summary>'
            '<pre class="overflow-x-auto whitespace-pre-wrap">{}</pre></details>',
            len(work_order.body),
            text,
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for _, options in self.fieldsets for name in options["fields"]]
