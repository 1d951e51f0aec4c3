"""A slot is 24 hours long at most, as imports and plans have it. The old rows are looked at by the next migration."""

from importlib import import_module

from django.core.management.base import CommandError
from django.db import migrations, models

from bookings.db import conditions, online

slots = import_module("bookings.migrations.0026_keep_slots_in_place")
NAMED = 20


def refuse_long_slots(apps, schema_editor):
    """Only SQL past the service can have made one."""
    every = apps.get_model("bookings", "AppointmentSlot").objects.using(schema_editor.connection.alias)
    long = list(every.exclude(conditions.EndsWithinADay()).order_by("pk").values_list("pk", flat=True)[:NAMED])
    if long:
        raise CommandError(
            f"These slots are longer than 24 hours (the first {NAMED}, by id): {', '.join(map(str, long))}. Move their"
            " bookings to other slots in the admin, delete the rows by SQL, then migrate again. Nothing was changed."
        )


class Migration(migrations.Migration):
    dependencies = [("bookings", "0032_name_areas_by_several_codes")]

    operations = [
        # Backwards, SQLite has made the table anew by here.
        migrations.RunPython(refuse_long_slots, slots.guard_anew),
        online.AddConstraintOnline(
            "appointmentslot",
            models.CheckConstraint(
                condition=conditions.EndsWithinADay(),
                name="slot_ends_within_a_day",
                violation_error_message="An appointment is 24 hours long at most.",
            ),
        ),
        # SQLite has made the table anew.
        migrations.RunPython(slots.guard_anew, migrations.RunPython.noop),
    ]
