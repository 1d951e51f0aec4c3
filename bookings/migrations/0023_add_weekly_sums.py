"""The sums of whole weeks, for the page of numbers. Beside a live service: a table that the release before does not
know."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Coalesce

KINDS = [
    ("places", "bookings and places, by the worker of the slot"),
    ("reasons", "cancellations by reason"),
    ("people", "cancellations by who cancelled"),
    ("refusals", "refusals by error code"),
    ("nothing", "searches that found nothing, by reason"),
    ("review", "bookings by the minutes until they were reviewed"),
    ("lead", "bookings by the days until the visit"),
    ("free", "days to the first free appointment"),
]
LEVELS = [(0, "as the days have it"), (1, "all order types together"), (2, "all areas and order types together")]


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0022_leave_what_has_no_place_out_of_the_feed"),
    ]

    operations = [
        migrations.CreateModel(
            name="WeeklySum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.DateField()),
                ("level", models.SmallIntegerField(choices=LEVELS)),
                ("kind", models.CharField(choices=KINDS, max_length=10)),
                ("order_type", models.CharField(blank=True, max_length=200)),
                ("key", models.CharField(blank=True, max_length=200)),
                ("number", models.BigIntegerField()),
                ("places", models.BigIntegerField(default=0)),
                (
                    "area",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="bookings.servicearea",
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        models.F("kind"),
                        models.F("level"),
                        models.F("week"),
                        Coalesce("area", 0),
                        models.F("order_type"),
                        models.F("key"),
                        name="weekly_sum_said_once",
                    )
                ],
            },
        ),
    ]
