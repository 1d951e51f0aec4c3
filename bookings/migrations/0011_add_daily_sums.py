"""The numbers of each day, for the page of numbers, which supervisors see.

Beside a live service: a table that the release before does not know, and a few rows of counters.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Exists, OuterRef
from django.db.models.functions import Coalesce
from django.utils import timezone

from bookings.db.migrating import permission

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


def grant(apps, schema_editor):
    """Safe to repeat. A role that was removed is not made again."""
    for group in apps.get_model("auth", "Group").objects.filter(name="supervisor"):
        group.permissions.add(permission(apps, "dailysum", "view_dailysum"))


def note_what_was_removed(apps, schema_editor):
    """An earlier release removed rows without counting them: days of which some are gone are not counted.

    When personal data was removed is noted, and slots without bookings are gone before the first that is left; where
    none is left, they may be gone until now.
    """
    counters, slots, orders = (apps.get_model("bookings", name) for name in ("Counter", "AppointmentSlot", "WorkOrder"))
    purged = counters.objects.filter(name="purged_until").values_list("value", flat=True).first() or 0
    places = 0
    if slots.objects.exists():
        named = orders.objects.filter(slot=OuterRef("pk"))
        first = slots.objects.filter(~Exists(named)).order_by("start").values_list("start", flat=True).first()
        places = int((first or timezone.now()).timestamp())
    notes = {
        "sums_begin": purged,
        "sums_frozen_until": purged,
        "sums_places_begin": max(purged, places),
    }
    for name, value in notes.items():
        if value:
            counters.objects.get_or_create(name=name, defaults={"value": value})


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0010_claims_of_practice_areas"),
    ]

    operations = [
        migrations.CreateModel(
            name="DailySum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
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
                "permissions": [("view_dailysum", "Can view the page of numbers")],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("kind"),
                        models.F("day"),
                        Coalesce("area", 0),
                        models.F("order_type"),
                        models.F("key"),
                        name="daily_sum_said_once",
                    )
                ],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
        migrations.RunPython(note_what_was_removed, migrations.RunPython.noop),
    ]
