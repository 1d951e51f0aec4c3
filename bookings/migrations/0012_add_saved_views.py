"""Saved views of the desk's lists. Supervisors share them.

Beside a live service: the table is new.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from bookings.db.migrating import permission


def grant(apps, schema_editor):
    """Safe to repeat. A role that was removed is not made again."""
    for group in apps.get_model("auth", "Group").objects.filter(name="supervisor"):
        group.permissions.add(permission(apps, "savedview", "share_savedview"))


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("bookings", "0011_add_daily_sums"),
    ]

    operations = [
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("page", models.CharField(max_length=40)),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(max_length=2000)),
                ("is_shared", models.BooleanField(db_default=False, default=False)),
                (
                    "owner",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "permissions": [("share_savedview", "Can share views with others")],
                "default_permissions": (),
                "indexes": [
                    models.Index(condition=models.Q(("is_shared", True)), fields=["page"], name="saved_view_shared")
                ],
                "constraints": [models.UniqueConstraint(fields=("owner", "page", "name"), name="saved_view_name_once")],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
