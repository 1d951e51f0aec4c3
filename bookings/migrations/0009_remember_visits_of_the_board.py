"""When each person was at the board. Beside a live service: a table that the release before does not know."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("bookings", "0008_add_schedules"),
    ]

    operations = [
        migrations.CreateModel(
            name="BoardVisit",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("seen_at", models.DateTimeField()),
                ("left_at", models.DateTimeField(null=True)),
            ],
            options={"default_permissions": ()},
        ),
    ]
