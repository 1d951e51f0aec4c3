"""The tables of work orders: their parts, history, search words, and what was refused."""

from django.db import migrations, models
from django.db.models import CASCADE, PROTECT, F, Q

from bookings.db import fields
from bookings.migrations import _before


class Migration(migrations.Migration):
    replaces = _before.TABLES_OF_BOOKINGS
    dependencies = [("bookings", "0001_tables_of_supply")]

    operations = [
        migrations.CreateModel(
            name="WorkOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("order_num", models.CharField(max_length=64, unique=True)),
                ("original_order", models.CharField(max_length=200)),
                ("claim", models.CharField(max_length=300)),
                ("booked_after", models.BigIntegerField(blank=True, editable=False, null=True)),
                (
                    "slot",
                    models.ForeignKey(on_delete=PROTECT, related_name="work_orders", to="bookings.appointmentslot"),
                ),
                (
                    "area",
                    models.ForeignKey(db_index=False, on_delete=PROTECT, related_name="+", to="bookings.servicearea"),
                ),
                ("visit_start", models.DateTimeField()),
                (
                    "status",
                    models.CharField(
                        choices=[("booked", "Booked"), ("cancelled", "Cancelled")], default="booked", max_length=10
                    ),
                ),
                ("account_num", models.CharField(blank=True, max_length=200)),
                ("account_name", models.TextField(blank=True)),
                ("location_num", models.CharField(blank=True, max_length=200)),
                ("location_name", models.TextField(blank=True)),
                ("address", models.TextField(blank=True)),
                ("postcode", models.CharField(blank=True, max_length=200)),
                ("phone", models.CharField(blank=True, max_length=200)),
                ("order_type", models.CharField(blank=True, max_length=200)),
                (
                    "worker",
                    models.CharField(blank=True, help_text="The worker that the technician asked for.", max_length=200),
                ),
                ("part_count", models.PositiveIntegerField(default=0)),
                (
                    "parts_due_at",
                    models.DateTimeField(blank=True, help_text="When the last of the parts is expected.", null=True),
                ),
                ("body", models.TextField()),
                ("fingerprint", models.CharField(max_length=64)),
                ("caller", models.CharField(blank=True, help_text="Who the token said was calling.", max_length=200)),
                ("created_at", models.DateTimeField()),
                ("changed_at", models.DateTimeField()),
                ("change_num", models.BigIntegerField(blank=True, null=True, unique=True)),
                (
                    "version",
                    models.PositiveIntegerField(
                        default=1, help_text="Grows with each change: who saw an old one is told so."
                    ),
                ),
                ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                ("reviewed_by", models.CharField(blank=True, max_length=200)),
                ("cancelled_at", models.DateTimeField(blank=True, null=True)),
                ("cancelled_by", models.CharField(blank=True, max_length=200)),
                ("cancel_reason", models.TextField(blank=True)),
                (
                    "purged_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="When the personal data was taken out; the numbers stay taken.",
                        null=True,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("review_workorder", "Can review work orders"),
                    ("note_workorder", "Can add notes to work orders"),
                    ("move_workorder", "Can move work orders to other slots"),
                    ("cancel_workorder", "Can cancel work orders"),
                    ("bulk_cancel_workorder", "Can cancel many work orders at once"),
                    ("export_workorder", "Can export work orders"),
                    ("log_in_to_api", "Can log in to the API, search and book"),
                    ("read_workorder_by_api", "Can read work orders through the API"),
                ],
                "indexes": [
                    models.Index(
                        condition=Q(("reviewed_at__isnull", True), ("status", "booked")),
                        fields=["visit_start", "area"],
                        name="work_order_to_review",
                    ),
                    models.Index(fields=["visit_start", "area"], name="work_order_by_visit"),
                    models.Index(fields=["area", "id"], name="work_order_by_area"),
                    models.Index(fields=["worker", "id"], name="work_order_by_worker"),
                    models.Index(fields=["order_type", "id"], name="work_order_by_order_type"),
                    models.Index(fields=["created_at"], name="work_order_by_arrival"),
                    models.Index(
                        condition=Q(cancelled_at__isnull=False),
                        fields=["cancelled_at"],
                        name="work_order_by_cancellation",
                    ),
                    models.Index(
                        condition=Q(("parts_due_at__gt", F("visit_start")), ("status", "booked")),
                        fields=["visit_start"],
                        name="work_order_parts_late",
                    ),
                    models.Index(condition=Q(change_num__isnull=True), fields=["id"], name="work_order_to_number"),
                    models.Index(fields=["changed_at"], name="work_order_by_change"),
                    models.Index(
                        condition=Q(parts_due_at__isnull=False), fields=["parts_due_at"], name="work_order_by_parts_due"
                    ),
                    models.Index(fields=["original_order"], name="work_order_by_original_order"),
                    models.Index(fields=["account_num", "area"], name="work_order_by_customer"),
                    models.Index(fields=["location_num", "id"], name="work_order_by_location"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(status="booked"),
                        fields=("original_order", "slot"),
                        name="work_order_one_active_per_order_and_slot",
                    ),
                    models.UniqueConstraint(
                        condition=Q(status="booked"), fields=("claim",), name="work_order_one_active_per_claim"
                    ),
                    models.UniqueConstraint(
                        condition=Q(booked_after__isnull=False),
                        fields=("original_order", "booked_after"),
                        name="work_order_one_booked_after_another",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("cancelled_at__isnull", True), ("status", "booked")),
                            Q(("cancelled_at__isnull", False), ("status", "cancelled")),
                            _connector="OR",
                        ),
                        name="work_order_cancelled_exactly_with_a_time",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("reviewed_at__isnull", True), ("reviewed_by", "")),
                            Q(("reviewed_at__isnull", False), ~Q(reviewed_by="")),
                            _connector="OR",
                        ),
                        name="work_order_reviewed_by_somebody",
                    ),
                    models.CheckConstraint(condition=~Q(original_order=""), name="work_order_has_an_original_order"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SearchDocument",
            fields=[
                (
                    "work_order",
                    models.OneToOneField(
                        on_delete=CASCADE,
                        primary_key=True,
                        related_name="search_document",
                        serialize=False,
                        to="bookings.workorder",
                    ),
                ),
                ("words", fields.WordsField()),
            ],
        ),
        migrations.CreateModel(
            name="SearchTerm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "work_order",
                    models.ForeignKey(
                        db_index=False, on_delete=CASCADE, related_name="search_terms", to="bookings.workorder"
                    ),
                ),
                ("term", models.BinaryField(max_length=160)),
            ],
            options={
                "indexes": [models.Index(fields=["term", "work_order"], name="search_term_by_beginning")],
                "constraints": [
                    models.UniqueConstraint(fields=("work_order", "term"), name="search_term_once_per_work_order")
                ],
            },
        ),
        migrations.CreateModel(
            name="PartOrder",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "work_order",
                    models.ForeignKey(
                        db_index=False, on_delete=PROTECT, related_name="part_orders", to="bookings.workorder"
                    ),
                ),
                ("part_order_num", models.CharField(max_length=200)),
                ("is_issued_here", models.BooleanField(default=True)),
                ("ship_to_location", models.CharField(blank=True, max_length=200)),
                ("urgency", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(is_issued_here=True),
                        fields=("part_order_num",),
                        name="part_order_number_issued_once",
                    ),
                    models.UniqueConstraint(
                        fields=("work_order", "part_order_num"), name="part_order_number_once_per_work_order"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RequiredPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "work_order",
                    models.ForeignKey(
                        db_index=False, on_delete=PROTECT, related_name="required_parts", to="bookings.workorder"
                    ),
                ),
                (
                    "part_order",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=PROTECT, related_name="required_parts", to="bookings.partorder"
                    ),
                ),
                ("position", models.PositiveIntegerField(help_text="Place in the list that came, from 0.")),
                ("prod_num", models.CharField(blank=True, max_length=200)),
                (
                    "replaces",
                    models.CharField(blank=True, help_text="The superseded part's product number.", max_length=200),
                ),
                ("description", models.TextField(blank=True)),
                ("quantity", models.DecimalField(decimal_places=4, max_digits=15)),
                ("price", models.DecimalField(blank=True, decimal_places=4, max_digits=15, null=True)),
                ("part_status", models.TextField(blank=True)),
                ("ship_to_location", models.CharField(blank=True, max_length=200)),
                ("urgency", models.CharField(blank=True, max_length=200)),
                ("estimated_delivery", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("work_order", "position"), name="required_part_position_once_per_order"
                    ),
                    models.CheckConstraint(
                        condition=Q(("quantity__gte", 0)), name="required_part_quantity_not_negative"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoryEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "work_order",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=PROTECT,
                        related_name="history",
                        to="bookings.workorder",
                    ),
                ),
                (
                    "slot",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=PROTECT,
                        related_name="history",
                        to="bookings.appointmentslot",
                    ),
                ),
                (
                    "event",
                    models.CharField(
                        choices=[
                            ("booked", "Booked"),
                            ("moved", "Moved"),
                            ("cancelled", "Cancelled"),
                            ("reviewed", "Reviewed"),
                            ("unreviewed", "review undone"),
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
                ("at", models.DateTimeField(editable=False)),
                ("by", models.CharField(blank=True, editable=False, max_length=200)),
                (
                    "via",
                    models.CharField(
                        choices=[("api", "API"), ("admin", "admin"), ("command", "command")],
                        default="command",
                        editable=False,
                        max_length=10,
                    ),
                ),
                ("request_id", models.CharField(blank=True, editable=False, max_length=64)),
                ("reason", models.TextField(blank=True, editable=False)),
                ("details", models.JSONField(blank=True, default=dict, editable=False)),
            ],
            options={
                "verbose_name_plural": "history entries",
                "ordering": ["pk"],
                "indexes": [models.Index(condition=Q(slot__isnull=False), fields=["slot"], name="history_of_a_slot")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("work_order__isnull", False), ("slot__isnull", False), _connector="OR"),
                        name="history_entry_is_about_something",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Refusal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("error", models.CharField(help_text="The error code of the answer.", max_length=40)),
                ("message", models.TextField()),
                ("original_order", models.CharField(max_length=200)),
                (
                    "area",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=CASCADE, related_name="+", to="bookings.servicearea"
                    ),
                ),
                ("caller", models.CharField(blank=True, max_length=200)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                (
                    "body",
                    models.TextField(
                        blank=True, db_default="", default="", help_text="The Book Job Object as it came."
                    ),
                ),
                ("visit_start", models.DateTimeField(blank=True, null=True)),
                ("visit_end", models.DateTimeField(blank=True, null=True)),
                ("order_type", models.CharField(blank=True, db_default="", default="", max_length=200)),
                (
                    "verdicts",
                    models.JSONField(blank=True, db_default=models.Value({}, models.JSONField()), default=dict),
                ),
                ("change_num", models.BigIntegerField(editable=False, null=True)),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [("book_refusal", "Can book what was refused")],
                "indexes": [
                    models.Index(fields=["at"], name="refusal_by_time"),
                    models.Index(condition=Q(change_num__isnull=True), fields=["id"], name="refusal_to_number"),
                    models.Index(
                        condition=Q(change_num__isnull=False), fields=["change_num"], name="refusal_by_change"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Counter",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("value", models.BigIntegerField(default=0)),
            ],
        ),
    ]
