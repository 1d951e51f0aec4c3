"""The tables of areas, blackouts and slots, and what searches found nothing."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models
from django.db.models import CASCADE, PROTECT, F, Q

from bookings.db import codes, conditions, fields
from bookings.migrations import _before


class Migration(migrations.Migration):
    initial = True
    replaces = _before.TABLES_OF_SUPPLY
    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ServiceArea",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "code",
                    models.CharField(
                        help_text="What ServiceMobility sends as Location.ServiceAreaID. Case and blanks around do not"
                        " matter.",
                        max_length=200,
                        unique=True,
                    ),
                ),
                ("folding", codes.CodeFolding(editable=False, null=True)),
                ("name", models.CharField(max_length=200)),
                (
                    "time_zone",
                    models.CharField(
                        help_text="IANA name, such as Europe/London.",
                        max_length=64,
                        validators=[fields.check_time_zone],
                    ),
                ),
                (
                    "cutoff_days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="How many days before a visit bookings for its day close: 1 is the day before."
                        " Empty: never.",
                        null=True,
                        validators=[MaxValueValidator(366)],
                        verbose_name="cut-off days",
                    ),
                ),
                (
                    "cutoff_time",
                    models.TimeField(
                        blank=True,
                        help_text="At this time of the area's clock, such as 17:00.",
                        null=True,
                        verbose_name="cut-off time",
                    ),
                ),
                (
                    "safety_percent",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        db_default=100,
                        default=100,
                        help_text="A slot is offered until this share of its places is booked. Empty: 100.",
                        validators=[MinValueValidator(1), MaxValueValidator(100)],
                    ),
                ),
                (
                    "is_practice",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="For trying things out: its bookings are sent to no receiver, counted nowhere, and"
                        " removed nightly. An area stays what it was made as.",
                        verbose_name="practice",
                    ),
                ),
            ],
            options={
                "ordering": ["code"],
                "constraints": [
                    models.CheckConstraint(condition=~Q(code=""), name="service_area_has_a_code"),
                    models.CheckConstraint(
                        condition=conditions.LooksLikeATimeZone(), name="service_area_time_zone_has_its_form"
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            Q(("cutoff_days__isnull", True), ("cutoff_time__isnull", True)),
                            Q(("cutoff_days__isnull", False), ("cutoff_time__isnull", False)),
                            _connector="OR",
                        ),
                        name="service_area_cutoff_has_days_and_time",
                        violation_error_message="A cut-off needs both its days and its time.",
                    ),
                    models.CheckConstraint(
                        condition=Q(("safety_percent__gte", 1), ("safety_percent__lte", 100)),
                        name="service_area_safety_percent_is_a_share",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AreaCode",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("area", models.ForeignKey(on_delete=CASCADE, related_name="codes", to="bookings.servicearea")),
                (
                    "code",
                    models.CharField(
                        help_text="Another code of ServiceMobility's for this area. Case and blanks around do not"
                        " matter.",
                        max_length=200,
                    ),
                ),
                ("folded", codes.FoldedCode(editable=False, null=True)),
                ("is_alias", models.BooleanField(db_default=True, default=True, editable=False)),
            ],
            options={
                "ordering": ["code"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(folded__isnull=False), fields=("folded",), name="area_code_folded_names_one_area"
                    ),
                    models.UniqueConstraint(
                        condition=Q(is_alias=False), fields=("area",), name="area_code_one_of_its_own"
                    ),
                    models.CheckConstraint(condition=~Q(code=""), name="area_code_is_not_empty"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PostcodePrefix",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "area",
                    models.ForeignKey(on_delete=CASCADE, related_name="postcode_prefixes", to="bookings.servicearea"),
                ),
                (
                    "country",
                    models.CharField(
                        blank=True,
                        help_text="GB, GBR and United Kingdom are the same. Empty: any country.",
                        max_length=200,
                    ),
                ),
                ("prefix", models.CharField(help_text="Spaces and small letters do not matter.", max_length=20)),
            ],
            options={
                "verbose_name_plural": "postcode prefixes",
                "ordering": ["country", "prefix"],
                "constraints": [
                    models.UniqueConstraint(fields=("prefix", "country"), name="postcode_prefix_belongs_to_one_area"),
                    models.CheckConstraint(condition=~Q(prefix=""), name="postcode_prefix_is_not_empty"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Blackout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "area",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: an absence, which counts in all areas.",
                        null=True,
                        on_delete=PROTECT,
                        related_name="blackouts",
                        to="bookings.servicearea",
                    ),
                ),
                ("worker", models.CharField(blank=True, help_text="Empty: all workers of the area.", max_length=200)),
                (
                    "external_id",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The key of the system that said so. Of several in force the last one counts.",
                        max_length=200,
                    ),
                ),
                ("start", models.DateTimeField()),
                ("end", models.DateTimeField()),
                ("reason", models.TextField()),
                ("closed_at", models.DateTimeField()),
                ("closed_by", models.CharField(blank=True, max_length=200)),
                (
                    "opened_at",
                    models.DateTimeField(
                        blank=True, help_text="When it was opened again. Empty: it is in force.", null=True
                    ),
                ),
                ("opened_by", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "ordering": ["start", "pk"],
                "permissions": [("clear_blackout", "Can close for a time and move the bookings")],
                "indexes": [
                    models.Index(condition=~Q(external_id=""), fields=["external_id"], name="blackout_by_external_id")
                ],
                "constraints": [
                    models.CheckConstraint(condition=Q(("end__gt", F("start"))), name="blackout_ends_after_it_starts"),
                    models.CheckConstraint(condition=~Q(reason=""), name="blackout_has_a_reason"),
                    models.CheckConstraint(
                        condition=Q(("area__isnull", False), ~Q(worker=""), _connector="OR"),
                        name="blackout_is_of_an_area_or_a_worker",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AppointmentSlot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "area",
                    models.ForeignKey(
                        db_index=False, on_delete=PROTECT, related_name="slots", to="bookings.servicearea"
                    ),
                ),
                ("start", models.DateTimeField()),
                ("end", models.DateTimeField()),
                (
                    "order_type",
                    models.CharField(blank=True, help_text="Empty: for orders of any type.", max_length=200),
                ),
                (
                    "worker",
                    models.CharField(
                        blank=True, help_text="ServiceMobility's UserName. Empty: a pool.", max_length=200
                    ),
                ),
                ("capacity", models.PositiveIntegerField(default=1)),
                ("booked", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "is_open",
                    models.BooleanField(default=True, help_text="A closed slot is not offered and cannot be booked."),
                ),
                ("closed_reason", models.TextField(blank=True, db_default="", default="")),
                (
                    "blackout",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=PROTECT,
                        related_name="slots",
                        to="bookings.blackout",
                    ),
                ),
                (
                    "is_withdrawn",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        editable=False,
                        help_text="The plan has this slot no longer.",
                        verbose_name="withdrawn",
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The key of the planning system that made this slot.",
                        max_length=200,
                    ),
                ),
                (
                    "utc_offset",
                    models.SmallIntegerField(
                        editable=False,
                        help_text="Minutes by which the area's clock was ahead of UTC at the start, when the slot was"
                        " made: the start plus this is the clock time that was promised. Empty: the previous release"
                        " made it.",
                        null=True,
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("hand", "Hand"), ("plan", "Plan"), ("import", "Import"), ("schedule", "Schedule")],
                        db_default="plan",
                        default="plan",
                        editable=False,
                        help_text="What made this slot and may withdraw it.",
                        max_length=8,
                    ),
                ),
                ("change_num", models.BigIntegerField(editable=False, null=True)),
            ],
            options={
                "ordering": ["start", "area", "worker"],
                "permissions": [
                    ("close_appointmentslot", "Can open and close appointment slots"),
                    ("resize_appointmentslot", "Can change the capacity of appointment slots"),
                ],
                "indexes": [
                    models.Index(fields=["start"], name="slot_by_start"),
                    models.Index(fields=["worker", "start"], name="slot_by_worker"),
                    models.Index(condition=Q(blackout__isnull=False), fields=["blackout"], name="slot_by_blackout"),
                    models.Index(condition=Q(is_open=False), fields=["start"], name="slot_closed"),
                    models.Index(condition=Q(change_num__isnull=True), fields=["id"], name="slot_to_number"),
                    models.Index(condition=Q(change_num__isnull=False), fields=["change_num"], name="slot_by_change"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=Q(("end__gt", F("start"))), name="slot_ends_after_it_starts"),
                    models.CheckConstraint(
                        condition=conditions.EndsWithinADay(),
                        name="slot_ends_within_a_day",
                        violation_error_message="An appointment is 24 hours long at most.",
                    ),
                    models.CheckConstraint(
                        condition=Q(("booked__gte", 0), ("booked__lte", F("capacity"))),
                        name="slot_booked_within_capacity",
                    ),
                    models.UniqueConstraint(
                        fields=("area", "start", "end", "order_type", "worker"),
                        name="slot_exists_once_per_worker_and_type",
                    ),
                    models.CheckConstraint(
                        condition=Q(("is_open", False), ("closed_reason", ""), _connector="OR"),
                        name="slot_reason_only_while_closed",
                    ),
                    models.UniqueConstraint(
                        condition=~Q(external_id=""), fields=("external_id",), name="slot_external_id_is_unique"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="EmptySearch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                (
                    "area",
                    models.ForeignKey(
                        blank=True, null=True, on_delete=CASCADE, related_name="+", to="bookings.servicearea"
                    ),
                ),
                ("order_type", models.CharField(blank=True, max_length=200)),
                ("reason", models.CharField(help_text="The rule or the wish that left nothing.", max_length=20)),
                ("number", models.PositiveIntegerField(default=0)),
            ],
            options={
                "verbose_name": "empty search",
                "verbose_name_plural": "empty searches",
                "ordering": ["-day", "area", "order_type", "reason"],
                "indexes": [models.Index(fields=["day", "area"], name="empty_search_by_day")],
            },
        ),
    ]
