"""Secret addresses of calendars, counts of empty searches, and who may see and make them. The tables are new."""

import django.db.models.deletion
from django.db import migrations, models

from bookings.db.migrating import granting


class Migration(migrations.Migration):
    dependencies = [("bookings", "0055_index_the_feed_of_refusals")]

    operations = [
        migrations.CreateModel(
            name="CalendarAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("worker", models.CharField(blank=True, help_text="Whose bookings, in all areas.", max_length=200)),
                (
                    "shows_customers",
                    models.BooleanField(
                        default=False,
                        help_text="With the names and addresses of customers.",
                        verbose_name="shows customers",
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("made_by", models.CharField(blank=True, max_length=200)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=200)),
                (
                    "area",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="bookings.servicearea",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "calendar addresses",
                "ordering": ["-pk"],
                "permissions": [("revoke_calendaraddress", "Can revoke calendar addresses")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("area__isnull", True), ("worker", ""), _connector="XOR"),
                        name="calendar_address_is_of_a_worker_or_an_area",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EmptySearch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("order_type", models.CharField(blank=True, max_length=200)),
                ("reason", models.CharField(help_text="The rule or the wish that left nothing.", max_length=20)),
                ("number", models.PositiveIntegerField(default=0)),
                (
                    "area",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="bookings.servicearea",
                    ),
                ),
            ],
            options={
                "verbose_name": "empty search",
                "verbose_name_plural": "empty searches",
                "ordering": ["-day", "area", "order_type", "reason"],
                "indexes": [models.Index(fields=["day", "area"], name="empty_search_by_day")],
            },
        ),
        migrations.RunPython(
            granting(
                (("refusal", "view_refusal"), ("emptysearch", "view_emptysearch")),
                *(
                    (("appointmentslot", "close_appointmentslot"), ("calendaraddress", f"{action}_calendaraddress"))
                    for action in ("view", "add", "revoke")
                ),
            ),
            migrations.RunPython.noop,
        ),
    ]
