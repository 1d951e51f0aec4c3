"""Of the copies that saw the same bookings of their order, one alone is booked."""

from django.db import migrations, models

from bookings.db import online


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("bookings", "0040_say_after_which_booking")]

    operations = [
        online.AddUniqueIndexOnline(
            "workorder",
            models.UniqueConstraint(
                condition=models.Q(booked_after__isnull=False),
                fields=["original_order", "booked_after"],
                name="work_order_one_booked_after_another",
            ),
        ),
    ]
