"""Workers, types of orders, what a worker can do, and absences: blackouts of a worker without an area.

Beside a live service: the tables are new, and no booking writes blackouts, of which there are few.
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("bookings", "0050_write_help_texts_again")]

    operations = [
        migrations.CreateModel(
            name="OrderType",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "code",
                    models.CharField(
                        help_text="As ServiceMobility sends it; case and blanks matter.", max_length=200, unique=True
                    ),
                ),
                ("name", models.CharField(blank=True, db_default="", default="", max_length=200)),
                (
                    "is_active",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="One that is not is no longer proposed in forms.",
                        verbose_name="active",
                    ),
                ),
            ],
            options={
                "ordering": ["code"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("code", ""), _negated=True), name="order_type_has_a_code"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "code",
                    models.CharField(
                        help_text="ServiceMobility's UserName, as slots have it.", max_length=200, unique=True
                    ),
                ),
                ("name", models.CharField(blank=True, db_default="", default="", max_length=200)),
                (
                    "is_active",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Slots of one that is not are not offered. Bookings stay until staff move them.",
                        verbose_name="active",
                    ),
                ),
            ],
            options={
                "ordering": ["code"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("code", ""), _negated=True), name="worker_has_a_code")
                ],
                "indexes": [
                    models.Index(condition=models.Q(("is_active", False)), fields=["code"], name="worker_not_active")
                ],
            },
        ),
        migrations.CreateModel(
            name="Ability",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "order_type",
                    models.ForeignKey(
                        limit_choices_to={"is_active": True},
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="bookings.ordertype",
                        to_field="code",
                    ),
                ),
                (
                    "worker",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="abilities",
                        to="bookings.worker",
                        to_field="code",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "abilities",
                "constraints": [models.UniqueConstraint(fields=("worker", "order_type"), name="ability_said_once")],
            },
        ),
        migrations.AddField(
            model_name="worker",
            name="order_types",
            field=models.ManyToManyField(
                blank=True, related_name="workers", through="bookings.Ability", to="bookings.ordertype"
            ),
        ),
        migrations.AddField(
            model_name="blackout",
            name="external_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The key of the system that said so. Of several in force the last one counts.",
                max_length=200,
            ),
        ),
        migrations.AlterField(
            model_name="blackout",
            name="area",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: an absence, which counts in all areas.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="blackouts",
                to="bookings.servicearea",
            ),
        ),
        migrations.AddConstraint(
            model_name="blackout",
            constraint=models.CheckConstraint(
                condition=models.Q(("area__isnull", False), models.Q(("worker", ""), _negated=True), _connector="OR"),
                name="blackout_is_of_an_area_or_a_worker",
            ),
        ),
    ]
