"""Two more ways of looking at the list: bookings in closed slots, and parts that are not here yet."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0014_add_log_in_and_feed"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="appointmentslot",
            index=models.Index(condition=models.Q(("is_open", False)), fields=["start"], name="slot_closed"),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(
                condition=models.Q(("parts_due_at__isnull", False)),
                fields=["parts_due_at"],
                name="work_order_by_parts_due",
            ),
        ),
    ]
