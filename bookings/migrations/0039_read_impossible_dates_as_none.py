"""A delivery in a year that makes no sense is none, as it is in bodies that come in now (clock.py).

The releases before this one stored it as it came: .NET writes 0001-01-01 where it has no date. In short transactions:
bookings go on meanwhile. What the release before still books while this one is installed is shown as it stands.
"""

from datetime import UTC, datetime

from django.db import migrations, transaction
from django.db.models import F, Max, OuterRef, Q, Subquery
from django.utils import timezone

# As clock.py has them.
FIRST_YEAR, LAST_YEAR = 1900, 2999
BATCH = 500


def outside(column):
    first, until = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    return Q(**{f"{column}__lt": first}) | Q(**{f"{column}__gte": until})


def empty(apps, schema_editor):
    using = schema_editor.connection.alias
    parts = apps.get_model("bookings", "RequiredPart").objects.using(using)
    orders = apps.get_model("bookings", "WorkOrder").objects.using(using)
    wrong = parts.filter(outside("estimated_delivery")).order_by("work_order_id")
    latest = parts.filter(work_order=OuterRef("pk")).order_by().values("work_order")
    latest = latest.annotate(due=Max("estimated_delivery")).values("due")
    last = 0
    while True:
        keys = wrong.filter(work_order__gt=last).values_list("work_order_id", flat=True).distinct()[:BATCH]
        if not (keys := list(keys)):
            return
        last = keys[-1]
        with transaction.atomic(using=using):
            # The work orders first, in the order of their keys, as all do who change many.
            found = list(orders.filter(pk__in=keys).order_by("pk").select_for_update().values_list("pk", flat=True))
            parts.filter(outside("estimated_delivery"), work_order__in=found).update(estimated_delivery=None)
            # Who reads the feed hears of it; who has the order open on the desk is told that it changed.
            orders.filter(pk__in=found).update(
                parts_due_at=Subquery(latest), changed_at=timezone.now(), change_num=None, version=F("version") + 1
            )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0038_let_housekeeping_forget_reasons")]

    operations = [migrations.RunPython(empty, migrations.RunPython.noop)]
