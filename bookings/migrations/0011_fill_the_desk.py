"""Area, time and parts of the bookings that are there, and the words under which staff find them."""

from django.db import migrations
from django.db.models import Count, Max, OuterRef, Subquery

from bookings.services import search_terms

BATCH = 500


def fill(apps, schema_editor):
    AppointmentSlot = apps.get_model("bookings", "AppointmentSlot")
    RequiredPart = apps.get_model("bookings", "RequiredPart")
    SearchTerm = apps.get_model("bookings", "SearchTerm")
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
    last = 0
    while batch := list(
        WorkOrder.objects.filter(pk__gt=last).order_by("pk").prefetch_related("required_parts")[:BATCH]
    ):
        SearchTerm.objects.bulk_create(
            (
                SearchTerm(work_order=work_order, term=term)
                for work_order in batch
                for term in search_terms.terms(
                    vars(work_order),
                    [number for part in work_order.required_parts.all() for number in (part.prod_num, part.replaces)],
                )
            ),
            ignore_conflicts=True,
        )
        last = batch[-1].pk


class Migration(migrations.Migration):
    dependencies = [("bookings", "0010_add_the_desk")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
