"""What the dispatch desk needs: words to search by, restrictions to areas, refusals, and where a change came from."""

from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# SQLite makes an altered table anew, without its triggers: they are taken away and put back.
history = import_module("bookings.migrations.0002_make_the_history_append_only")


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0002_make_the_history_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(history.unguard, history.guard),
        migrations.CreateModel(
            name="AreaRestriction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ],
        ),
        migrations.CreateModel(
            name="Refusal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("error", models.CharField(help_text="The word of contract section 2.", max_length=40)),
                ("message", models.TextField()),
                ("original_order", models.CharField(max_length=200)),
                ("caller", models.CharField(blank=True, max_length=200)),
                ("request_id", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="SearchTerm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("term", models.BinaryField(max_length=160)),
            ],
        ),
        migrations.AlterModelOptions(
            name="appointmentslot",
            options={
                "ordering": ["start", "area", "worker"],
                "permissions": [
                    ("close_appointmentslot", "Can open and close appointment slots"),
                    ("resize_appointmentslot", "Can change the capacity of appointment slots"),
                ],
            },
        ),
        migrations.AlterModelOptions(
            name="workorder",
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("review_workorder", "Can review work orders"),
                    ("note_workorder", "Can add notes to work orders"),
                    ("move_workorder", "Can move work orders to other slots"),
                    ("cancel_workorder", "Can cancel work orders"),
                    ("bulk_cancel_workorder", "Can cancel many work orders at once"),
                    ("export_workorder", "Can export work orders"),
                ],
            },
        ),
        migrations.AddField(
            model_name="appointmentslot",
            name="closed_reason",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="historyentry",
            name="request_id",
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="historyentry",
            name="via",
            field=models.CharField(
                choices=[("api", "API"), ("admin", "admin"), ("command", "command")],
                default="command",
                editable=False,
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="workorder",
            name="area",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="bookings.servicearea",
            ),
        ),
        migrations.AddField(
            model_name="workorder",
            name="part_count",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="workorder",
            name="parts_due_at",
            field=models.DateTimeField(blank=True, help_text="When the last of the parts is expected.", null=True),
        ),
        migrations.AddField(
            model_name="workorder",
            name="visit_start",
            field=models.DateTimeField(null=True),
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
                ],
                editable=False,
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="appointmentslot",
            index=models.Index(fields=["start"], name="slot_by_start"),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(
                condition=models.Q(("reviewed_at__isnull", True), ("status", "booked")),
                fields=["visit_start", "area"],
                name="work_order_to_review",
            ),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(fields=["visit_start", "area"], name="work_order_by_visit"),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(fields=["area", "id"], name="work_order_by_area"),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(fields=["worker", "id"], name="work_order_by_worker"),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(fields=["order_type", "id"], name="work_order_by_order_type"),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(fields=["created_at"], name="work_order_by_arrival"),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(
                condition=models.Q(("cancelled_at__isnull", False)),
                fields=["cancelled_at"],
                name="work_order_by_cancellation",
            ),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(
                condition=models.Q(("parts_due_at__gt", models.F("visit_start")), ("status", "booked")),
                fields=["visit_start"],
                name="work_order_parts_late",
            ),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(fields=["original_order"], name="work_order_by_original_order"),
        ),
        migrations.AddIndex(
            model_name="workorder",
            index=models.Index(fields=["account_num"], name="work_order_by_account"),
        ),
        migrations.AddConstraint(
            model_name="appointmentslot",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_open", False), ("closed_reason", ""), _connector="OR"),
                name="slot_reason_only_while_closed",
            ),
        ),
        migrations.AddField(
            model_name="arearestriction",
            name="areas",
            field=models.ManyToManyField(blank=True, related_name="+", to="bookings.servicearea"),
        ),
        migrations.AddField(
            model_name="arearestriction",
            name="user",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="area_restriction",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="refusal",
            name="area",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="bookings.servicearea",
            ),
        ),
        migrations.AddField(
            model_name="searchterm",
            name="work_order",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="search_terms",
                to="bookings.workorder",
            ),
        ),
        migrations.AddIndex(
            model_name="refusal",
            index=models.Index(fields=["at"], name="refusal_by_time"),
        ),
        migrations.AddIndex(
            model_name="searchterm",
            index=models.Index(fields=["term", "work_order"], name="search_term_by_beginning"),
        ),
        migrations.AddConstraint(
            model_name="searchterm",
            constraint=models.UniqueConstraint(fields=("work_order", "term"), name="search_term_once_per_work_order"),
        ),
        migrations.RunPython(history.guard, history.unguard),
    ]
