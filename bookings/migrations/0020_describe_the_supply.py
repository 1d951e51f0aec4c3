"""Blackouts, cut-off and safety margin, slots of a planning system, and what housekeeping leaves."""

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0015_index_closed_slots_and_parts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Blackout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("worker", models.CharField(blank=True, help_text="Empty: everybody in the area.", max_length=200)),
                ("start", models.DateTimeField()),
                ("end", models.DateTimeField()),
                ("reason", models.TextField()),
                ("closed_at", models.DateTimeField()),
                ("closed_by", models.CharField(blank=True, max_length=200)),
                (
                    "opened_at",
                    models.DateTimeField(blank=True, help_text="When it was lifted. Empty: it is in force.", null=True),
                ),
                ("opened_by", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["start", "pk"],
            },
        ),
        migrations.AddField(
            model_name="appointmentslot",
            name="external_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The key of the planning system that made this slot.",
                max_length=200,
            ),
        ),
        migrations.AddField(
            model_name="appointmentslot",
            name="is_withdrawn",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="The plan has this slot no longer.",
                verbose_name="withdrawn",
            ),
        ),
        migrations.AddField(
            model_name="servicearea",
            name="cutoff_days",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How many days before a visit bookings for its day close: 1 is the day before. Empty: never.",
                null=True,
                validators=[django.core.validators.MaxValueValidator(366)],
                verbose_name="cut-off days",
            ),
        ),
        migrations.AddField(
            model_name="servicearea",
            name="cutoff_time",
            field=models.TimeField(
                blank=True,
                help_text="At this time of the area's clock, such as 17:00.",
                null=True,
                verbose_name="cut-off time",
            ),
        ),
        migrations.AddField(
            model_name="servicearea",
            name="safety_percent",
            field=models.PositiveSmallIntegerField(
                blank=True,
                db_default=100,
                default=100,
                help_text="A slot is offered until this share of its places is booked. Empty: 100.",
                validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(100)],
            ),
        ),
        migrations.AddField(
            model_name="workorder",
            name="purged_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When the personal data was taken out; the numbers stay taken.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="historyentry",
            name="event",
            field=models.CharField(
                choices=[
                    ("booked", "Booked"),
                    ("moved", "Moved"),
                    ("cancelled", "Cancelled"),
                    ("reviewed", "Reviewed"),
                    ("noted", "Noted"),
                    ("added", "Added"),
                    ("closed", "Closed"),
                    ("opened", "Opened"),
                    ("resized", "Resized"),
                    ("changed", "Changed"),
                    ("purged", "Purged"),
                ],
                editable=False,
                max_length=20,
            ),
        ),
        migrations.AddConstraint(
            model_name="servicearea",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cutoff_days__isnull", True), ("cutoff_time__isnull", True)),
                    models.Q(("cutoff_days__isnull", False), ("cutoff_time__isnull", False)),
                    _connector="OR",
                ),
                name="service_area_cutoff_has_days_and_time",
                violation_error_message="A cut-off needs both its days and its time.",
            ),
        ),
        migrations.AddConstraint(
            model_name="servicearea",
            constraint=models.CheckConstraint(
                condition=models.Q(("safety_percent__gte", 1), ("safety_percent__lte", 100)),
                name="service_area_safety_percent_is_a_share",
            ),
        ),
        migrations.AddField(
            model_name="blackout",
            name="area",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="blackouts", to="bookings.servicearea"
            ),
        ),
        migrations.AddField(
            model_name="appointmentslot",
            name="blackout",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="slots",
                to="bookings.blackout",
            ),
        ),
        migrations.AlterField(
            model_name="appointmentslot",
            name="area",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="slots",
                to="bookings.servicearea",
            ),
        ),
        migrations.AddIndex(
            model_name="appointmentslot",
            index=models.Index(
                condition=models.Q(("blackout__isnull", False)), fields=["blackout"], name="slot_by_blackout"
            ),
        ),
        migrations.AddIndex(
            model_name="appointmentslot",
            index=models.Index(fields=["worker", "start"], name="slot_by_worker"),
        ),
        migrations.AddConstraint(
            model_name="appointmentslot",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id", ""), _negated=True),
                fields=("external_id",),
                name="slot_external_id_is_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="blackout",
            constraint=models.CheckConstraint(
                condition=models.Q(("end__gt", models.F("start"))), name="blackout_ends_after_it_starts"
            ),
        ),
        migrations.AddConstraint(
            model_name="blackout",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True), name="blackout_has_a_reason"
            ),
        ),
    ]
