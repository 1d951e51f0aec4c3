"""Keys of other systems with what was answered to them, and which role may do what with keys.

Beside a live service: the tables are new, and no booking writes them.
"""

import django.db.models.deletion
from django.db import migrations, models

from bookings.db.migrating import permission


def grant(apps, schema_editor):
    """To supervisors, who may do by hand what a key does. Safe to repeat. A role that was removed is not made again."""
    for group in apps.get_model("auth", "Group").objects.filter(name="supervisor"):
        for action in ("view", "add", "revoke"):
            group.permissions.add(permission(apps, "apikey", f"{action}_apikey"))


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0046_drop_the_index_of_codes_in_small_letters"),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(help_text="The system that uses it: it stands in the history.", max_length=100),
                ),
                (
                    "beginning",
                    models.CharField(help_text="The first characters of the key, to tell keys apart.", max_length=20),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("scopes", models.JSONField(default=list)),
                (
                    "is_restricted",
                    models.BooleanField(default=False, help_text="It sees only its areas, and with none, nothing."),
                ),
                ("made_at", models.DateTimeField()),
                ("made_by", models.CharField(blank=True, max_length=200)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=200)),
                ("areas", models.ManyToManyField(blank=True, related_name="+", to="bookings.servicearea")),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ["-pk"],
                "permissions": [("revoke_apikey", "Can revoke API keys")],
            },
        ),
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("idempotency_key", models.CharField(max_length=255)),
                ("digest", models.CharField(help_text="Of the method, the address and the content.", max_length=64)),
                ("claim", models.CharField(max_length=32)),
                ("begun_at", models.DateTimeField()),
                ("status", models.PositiveSmallIntegerField(default=0)),
                ("etag", models.CharField(blank=True, max_length=40)),
                ("body", models.TextField(blank=True)),
                (
                    "key",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="bookings.apikey",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(
                condition=models.Q(("revoked_at__isnull", True)),
                fields=("name",),
                name="api_key_name_is_unique_until_revoked",
            ),
        ),
        migrations.AddIndex(
            model_name="keptanswer",
            index=models.Index(fields=["begun_at"], name="kept_answer_by_time"),
        ),
        migrations.AddConstraint(
            model_name="keptanswer",
            constraint=models.UniqueConstraint(fields=("key", "idempotency_key"), name="kept_answer_once_per_key"),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
