"""PostgreSQL's second index of order numbers, for LIKE: numbers are found by words (SearchDocument)."""

from typing import Any

from django.db import migrations


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    model = apps.get_model("bookings", "WorkOrder")
    for name in schema_editor._constraint_names(model, ["order_num"], index=True, unique=False):
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(name)}")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0061_drop_indexes_that_nothing_needs")]

    operations = [migrations.RunPython(drop, migrations.RunPython.noop)]
