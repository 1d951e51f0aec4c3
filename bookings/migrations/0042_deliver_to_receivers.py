"""Receivers, how far each of them is with each work order, and the log of both; and which role may do what with them.

Beside a live service: the tables are new, and no booking writes them.
"""

import django.db.models.deletion
from django.db import migrations, models

from bookings.db.migrating import permission

VIEWER = {
    "receiver": ["view_receiver"],
    "delivery": ["view_delivery"],
    "deliveryentry": ["view_deliveryentry"],
}
DISPATCHER = {"receiver": ["send_again"]}
SUPERVISOR = {"receiver": ["pause_receiver"]}
ROLES = {
    "viewer": [VIEWER],
    "dispatcher": [VIEWER, DISPATCHER],
    "supervisor": [VIEWER, DISPATCHER, SUPERVISOR],
}


def grant(apps, schema_editor):
    """Safe to repeat. A role that was removed is not made again."""
    for role, grants in ROLES.items():
        for group in apps.get_model("auth", "Group").objects.filter(name=role):
            for model, codenames in (item for given in grants for item in given.items()):
                group.permissions.add(*[permission(apps, model, codename) for codename in codenames])


class Migration(migrations.Migration):
    dependencies = [
        ("bookings", "0041_book_one_after_another"),
    ]

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
                        condition=models.Q(("kind", "servicemobility")),
                        fields=("kind",),
                        name="receiver_one_servicemobility",
                    ),
                    models.CheckConstraint(condition=models.Q(("rate__gt", 0)), name="receiver_rate_is_positive"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("paused_at__isnull", True), ("paused_reason", "")),
                            models.Q(("paused_at__isnull", False), models.Q(("paused_reason", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="receiver_paused_with_a_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("probe_at__isnull", True), ("trouble", "")),
                            models.Q(("probe_at__isnull", False), models.Q(("trouble", ""), _negated=True)),
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
                ("pushed_plan", models.CharField(blank=True, max_length=64)),
                ("pushed_rest", models.CharField(blank=True, max_length=64)),
                ("pushed_at", models.DateTimeField(blank=True, help_text="Since when it is in step.", null=True)),
                ("outcome", models.TextField(blank=True, help_text="What became of the last try.")),
                (
                    "work_order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="deliveries", to="bookings.workorder"
                    ),
                ),
                (
                    "receiver",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="deliveries", to="bookings.receiver"
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.CreateModel(
            name="DeliveryEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "event",
                    models.CharField(
                        choices=[
                            ("accepted", "accepted"),
                            ("waits", "waits"),
                            ("needs_person", "needs a person"),
                            ("unreachable", "receiver not reached"),
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
                (
                    "delivery",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="entries",
                        to="bookings.delivery",
                    ),
                ),
                (
                    "receiver",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="entries",
                        to="bookings.receiver",
                    ),
                ),
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
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("due_at__isnull", False)), fields=["receiver", "due_at"], name="delivery_due"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("wanted_at__isnull", False)), fields=["receiver", "wanted_at"], name="delivery_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("receiver", "work_order"), name="delivery_once_per_receiver_and_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("due_at__isnull", True), ("needs_person", ""), ("wanted_at__isnull", True)),
                    models.Q(("due_at__isnull", False), ("needs_person", ""), ("wanted_at__isnull", False)),
                    models.Q(
                        ("due_at__isnull", True),
                        ("wanted_at__isnull", False),
                        models.Q(("needs_person", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="delivery_waits_or_needs_a_person_or_is_in_step",
            ),
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
