"""Schedules and their versions. All roles see them, supervisors make and change them.

Beside a live service: the tables are new.
"""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

from bookings.db.migrating import permission

GRANTED = {"viewer": ["view"], "dispatcher": ["view"], "supervisor": ["view", "add", "change"]}


def grant(apps, schema_editor):
    """Safe to repeat. A role that was removed is not made again."""
    for group in apps.get_model("auth", "Group").objects.filter(name__in=GRANTED):
        for action in GRANTED[group.name]:
            group.permissions.add(permission(apps, "schedule", f"{action}_schedule"))


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0007_roles"),
    ]

    operations = [
        migrations.CreateModel(
            name="Schedule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rules", models.TextField(max_length=20000)),
                (
                    "days_ahead",
                    models.PositiveSmallIntegerField(
                        default=60,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(730),
                        ],
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True, help_text="One that is not makes no more slots.", verbose_name="active"
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                (
                    "extended_at",
                    models.DateTimeField(blank=True, help_text="When all of its slots were there last.", null=True),
                ),
                (
                    "area",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="schedule", to="bookings.servicearea"
                    ),
                ),
            ],
            options={
                "ordering": ["area__name", "pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("days_ahead__gte", 1), ("days_ahead__lte", 730)),
                        name="schedule_days_ahead_in_bounds",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ScheduleVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("rules", models.TextField(max_length=20000)),
                (
                    "days_ahead",
                    models.PositiveSmallIntegerField(
                        default=60,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(730),
                        ],
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        default=True, help_text="One that is not makes no more slots.", verbose_name="active"
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                ("at", models.DateTimeField()),
                ("by", models.CharField(max_length=200)),
                (
                    "schedule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="bookings.schedule",
                    ),
                ),
            ],
            options={
                "ordering": ["-version"],
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("schedule", "version"), name="schedule_version_said_once")
                ],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
