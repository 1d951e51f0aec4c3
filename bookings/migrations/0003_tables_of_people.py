"""The tables of workers, log-ins, keys and calendars: who does the work, and who may see and call what."""

from django.conf import settings
from django.db import migrations, models
from django.db.models import CASCADE, PROTECT, Q

from bookings.migrations import _before


class Migration(migrations.Migration):
    replaces = _before.TABLES_OF_PEOPLE
    dependencies = [("bookings", "0002_tables_of_bookings"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

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
                "constraints": [models.CheckConstraint(condition=~Q(code=""), name="order_type_has_a_code")],
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
                "indexes": [models.Index(condition=Q(is_active=False), fields=["code"], name="worker_not_active")],
                "constraints": [models.CheckConstraint(condition=~Q(code=""), name="worker_has_a_code")],
            },
        ),
        migrations.CreateModel(
            name="Ability",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "worker",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=CASCADE,
                        related_name="abilities",
                        to="bookings.worker",
                        to_field="code",
                    ),
                ),
                (
                    "order_type",
                    models.ForeignKey(
                        limit_choices_to={"is_active": True},
                        on_delete=PROTECT,
                        related_name="+",
                        to="bookings.ordertype",
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
        migrations.CreateModel(
            name="LogInRecord",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
                ("succeeded_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="AreaRestriction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "user",
                    models.OneToOneField(
                        on_delete=CASCADE, related_name="area_restriction", to=settings.AUTH_USER_MODEL
                    ),
                ),
                ("areas", models.ManyToManyField(blank=True, related_name="+", to="bookings.servicearea")),
            ],
        ),
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
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(revoked_at__isnull=True),
                        fields=("name",),
                        name="api_key_name_is_unique_until_revoked",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="KeptAnswer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.ForeignKey(db_index=False, on_delete=CASCADE, related_name="+", to="bookings.apikey")),
                ("idempotency_key", models.CharField(max_length=255)),
                ("digest", models.CharField(help_text="Of the method, the address and the content.", max_length=64)),
                ("claim", models.CharField(max_length=32)),
                ("begun_at", models.DateTimeField()),
                ("status", models.PositiveSmallIntegerField(default=0)),
                ("etag", models.CharField(blank=True, max_length=40)),
                ("body", models.TextField(blank=True)),
            ],
            options={
                "indexes": [models.Index(fields=["begun_at"], name="kept_answer_by_time")],
                "constraints": [
                    models.UniqueConstraint(fields=("key", "idempotency_key"), name="kept_answer_once_per_key")
                ],
            },
        ),
        migrations.CreateModel(
            name="CalendarAddress",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("worker", models.CharField(blank=True, help_text="Whose bookings, in all areas.", max_length=200)),
                (
                    "area",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=CASCADE, related_name="+", to="bookings.servicearea"
                    ),
                ),
                (
                    "shows_customers",
                    models.BooleanField(
                        default=False,
                        help_text="With the names and addresses of customers.",
                        verbose_name="shows customers",
                    ),
                ),
                ("made_at", models.DateTimeField()),
                ("made_by", models.CharField(blank=True, max_length=200)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_by", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "verbose_name_plural": "calendar addresses",
                "ordering": ["-pk"],
                "permissions": [("revoke_calendaraddress", "Can revoke calendar addresses")],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("area__isnull", True), ("worker", ""), _connector="XOR"),
                        name="calendar_address_is_of_a_worker_or_an_area",
                    )
                ],
            },
        ),
    ]
