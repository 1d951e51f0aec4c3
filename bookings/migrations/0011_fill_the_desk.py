"""Area, time and parts of the bookings that are there. Migration 0029 writes the words that they are found by."""

from django.db import migrations
from django.db.models import Count, Max, OuterRef, Subquery


def fill(apps, schema_editor):
    AppointmentSlot = apps.get_model("bookings", "AppointmentSlot")
    RequiredPart = apps.get_model("bookings", "RequiredPart")
    WorkOrder = apps.get_model("bookings", "WorkOrder")
    slot = AppointmentSlot.objects.filter(pk=OuterRef("slot_id"))
    parts = RequiredPart.objects.filter(work_order=OuterRef("pk")).order_by().values("work_order")
    WorkOrder.objects.update(
        area_id=Subquery(slot.values("area_id")),
        visit_start=Subquery(slot.values("start")),
        parts_due_at=Subquery(parts.annotate(due=Max("estimated_delivery")).values("due")),
    )
    # An update cannot fall back on a value of its own, so whoever has parts is counted alone.
    WorkOrder.objects.filter(required_parts__isnull=False).update(
        part_count=Subquery(parts.annotate(number=Count("pk")).values("number"))
    )


class Migration(migrations.Migration):
    dependencies = [("bookings", "0010_add_the_desk")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
