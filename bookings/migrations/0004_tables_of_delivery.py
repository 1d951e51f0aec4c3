"""The tables of delivery: receivers, how far each of them is with each work order, and the log of both."""

from django.db import migrations, models
from django.db.models import CASCADE, PROTECT, Q

from bookings.migrations import _before


class Migration(migrations.Migration):
    replaces = _before.TABLES_OF_DELIVERY
    dependencies = [("bookings", "0003_tables_of_people")]

    operations = [
        migrations.CreateModel(
            name="Receiver",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("servicemobility", "ServiceMobility"), ("webhook", "webhook")], max_length=20
                    ),
                ),
                ("url", models.TextField()),
                ("username", models.CharField(blank=True, max_length=200)),
                ("secret_files", models.JSONField(default=list)),
                (
                    "template",
                    models.JSONField(blank=True, default=dict, help_text="What each work order is merged over."),
                ),
                ("rate", models.FloatField(default=5, help_text="Calls a second at the most.")),
                (
                    "move",
                    models.CharField(
                        choices=[("dispatch", "Dispatch"), ("patch", "Patch"), ("put", "Put")],
                        default="dispatch",
                        max_length=10,
                    ),
                ),
                (
                    "worker",
                    models.CharField(
                        choices=[("slot", "the worker of the slot"), ("none", "no worker: ServiceMobility assigns")],
                        default="slot",
                        max_length=10,
                    ),
                ),
                ("is_on", models.BooleanField(default=True)),
                ("connected_at", models.DateTimeField()),
                ("last_order_before", models.BigIntegerField(default=0)),
                ("epoch", models.BigIntegerField(default=0)),
                ("place", models.BigIntegerField(default=0)),
                ("paused_at", models.DateTimeField(blank=True, null=True)),
                ("paused_by", models.CharField(blank=True, max_length=200)),
                ("paused_reason", models.TextField(blank=True)),
                ("trouble", models.TextField(blank=True)),
                ("trouble_since", models.DateTimeField(blank=True, null=True)),
                ("failures", models.PositiveIntegerField(default=0, help_text="Failed probes in a row.")),
                ("probe_at", models.DateTimeField(blank=True, null=True)),
                ("answered_at", models.DateTimeField(blank=True, help_text="When it took a call last.", null=True)),
                ("lease_holder", models.CharField(blank=True, max_length=64)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["kind", "name"],
                "permissions": [
                    ("pause_receiver", "Can pause and resume receivers"),
                    ("send_again", "Can send a work order again"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(kind="servicemobility"), fields=("kind",), name="receiver_one_servicemobility"
                    ),
                    models.CheckConstraint(condition=Q(("rate__gt", 0)), name="receiver_rate_is_positive"),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("paused_at__isnull", True), ("paused_reason", "")),
                            Q(("paused_at__isnull", False), ~Q(paused_reason="")),
                            _connector="OR",
                        ),
                        name="receiver_paused_with_a_reason",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("probe_at__isnull", True), ("trouble", "")),
                            Q(("probe_at__isnull", False), ~Q(trouble="")),
                            _connector="OR",
                        ),
                        name="receiver_in_trouble_has_a_probe",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("receiver", models.ForeignKey(on_delete=CASCADE, related_name="deliveries", to="bookings.receiver")),
                (
                    "work_order",
                    models.ForeignKey(on_delete=PROTECT, related_name="deliveries", to="bookings.workorder"),
                ),
                ("wanted", models.BigIntegerField(default=0)),
                (
                    "wanted_at",
                    models.DateTimeField(blank=True, help_text="Since when the receiver lags behind.", null=True),
                ),
                ("due_at", models.DateTimeField(blank=True, help_text="When it is tried next.", null=True)),
                ("attempts", models.PositiveIntegerField(default=0, help_text="Failed ones since it was made due.")),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "needs_person",
                    models.TextField(blank=True, help_text="Why it waits for a person. Empty: it does not."),
                ),
                ("is_uncertain", models.BooleanField(default=False)),
                ("called_at", models.DateTimeField(blank=True, help_text="When such a call was begun.", null=True)),
                ("pushed_plan", models.CharField(blank=True, max_length=64)),
                ("pushed_rest", models.CharField(blank=True, max_length=64)),
                ("pushed_at", models.DateTimeField(blank=True, help_text="Since when it is in step.", null=True)),
                ("outcome", models.TextField(blank=True, help_text="What became of the last try.")),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "indexes": [
                    models.Index(condition=Q(due_at__isnull=False), fields=["receiver", "due_at"], name="delivery_due"),
                    models.Index(
                        condition=Q(wanted_at__isnull=False), fields=["receiver", "wanted_at"], name="delivery_open"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("receiver", "work_order"), name="delivery_once_per_receiver_and_order"
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("due_at__isnull", True), ("needs_person", ""), ("wanted_at__isnull", True)),
                            Q(("due_at__isnull", False), ("needs_person", ""), ("wanted_at__isnull", False)),
                            Q(("due_at__isnull", True), ("wanted_at__isnull", False), ~Q(needs_person="")),
                            _connector="OR",
                        ),
                        name="delivery_waits_or_needs_a_person_or_is_in_step",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DeliveryEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "receiver",
                    models.ForeignKey(
                        db_index=False, on_delete=CASCADE, related_name="entries", to="bookings.receiver"
                    ),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=CASCADE,
                        related_name="entries",
                        to="bookings.delivery",
                    ),
                ),
                (
                    "event",
                    models.CharField(
                        choices=[
                            ("accepted", "accepted"),
                            ("waits", "waits"),
                            ("needs_person", "needs a person"),
                            ("unreachable", "receiver takes nothing"),
                            ("sent_again", "sent again"),
                            ("connected", "connected"),
                            ("changed", "changed"),
                            ("turned_off", "turned off"),
                            ("paused", "paused"),
                            ("resumed", "resumed"),
                            ("answers_again", "answers again"),
                            ("new_epoch", "begins anew"),
                        ],
                        max_length=20,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("by", models.CharField(blank=True, max_length=200)),
                ("text", models.TextField(blank=True)),
            ],
            options={
                "verbose_name_plural": "delivery entries",
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["receiver", "id"], name="delivery_entry_by_receiver"),
                    models.Index(fields=["delivery", "id"], name="delivery_entry_by_delivery"),
                    models.Index(fields=["at"], name="delivery_entry_by_time"),
                ],
            },
        ),
    ]
