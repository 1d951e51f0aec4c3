"""Looks at the old rows, too."""

from django.db import migrations

from bookings.db import online


class Migration(migrations.Migration):
    dependencies = [("bookings", "0033_end_slots_within_a_day")]

    operations = [
        online.ValidateConstraintOnline(model_name="servicearea", name="service_area_time_zone_has_its_form"),
        online.ValidateConstraintOnline(model_name="appointmentslot", name="slot_ends_within_a_day"),
    ]
