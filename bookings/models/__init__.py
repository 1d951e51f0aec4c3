"""The tables. What must never be true is impossible here: the constraints hold whoever writes.

Nothing in this file changes a booking; that is `services.py`. Instants are UTC; a day or an hour of the clock
means something only in the zone of a service area.
"""

import re
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce, Lower, Trim

from bookings import clock
from bookings.db.conditions import EndsWithinADay, LooksLikeATimeZone
from bookings.models import countries

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    Person = User | AnonymousUser

# Identifiers of other systems are free text; an index entry has to stay small.
ID_LENGTH = 200


def check_time_zone(name: str) -> None:
    """Raises ValidationError unless `name` is an IANA time zone such as Europe/London."""
    if problem := clock.time_zone_problem(name):
        raise ValidationError(problem)


def plain_postcode(text: str) -> str:
    """A postcode as it is compared: capital letters and digits only (`ls1 4ap` -> `LS14AP`)."""
    return re.sub(r"[\W_]", "", text).upper()


def visible_areas(user: "Person") -> set[int] | None:
    """The keys of the only areas that somebody may see, or None for whoever sees all."""
    if user.pk is None:
        return set()
    restriction = AreaRestriction.objects.filter(user_id=user.pk).first()
    return None if restriction is None else set(restriction.areas.values_list("pk", flat=True))


class ServiceAreaQuerySet(models.QuerySet["ServiceArea"]):
    def visible_to(self, user: "Person") -> Self:
        areas = visible_areas(user)
        return self if areas is None else self.filter(pk__in=areas)


class ServiceArea(models.Model):
    """A region that is planned together; its clock is the one that the hours of its slots are read on."""

    code = models.CharField(
        max_length=ID_LENGTH,
        unique=True,
        help_text="What ServiceMobility sends as Location.ServiceAreaID. Case and blanks around do not matter.",
    )
    name = models.CharField(max_length=ID_LENGTH)
    time_zone = models.CharField(
        max_length=64,
        validators=[check_time_zone],
        help_text="IANA name, such as Europe/London.",
    )

    cutoff_days = models.PositiveSmallIntegerField(
        "cut-off days",
        null=True,
        blank=True,
        validators=[MaxValueValidator(366)],
        help_text="How many days before a visit bookings for its day close: 1 is the day before. Empty: never.",
    )
    cutoff_time = models.TimeField(
        "cut-off time", null=True, blank=True, help_text="At this time of the area's clock, such as 17:00."
    )
    safety_percent = models.PositiveSmallIntegerField(
        blank=True,
        default=100,
        db_default=100,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="A slot is offered until this share of its places is booked. Empty: 100.",
    )

    objects = ServiceAreaQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=~Q(code=""), name="service_area_has_a_code"),
            models.CheckConstraint(condition=LooksLikeATimeZone(), name="service_area_time_zone_has_its_form"),
            models.CheckConstraint(
                condition=Q(cutoff_days__isnull=True, cutoff_time__isnull=True)
                | Q(cutoff_days__isnull=False, cutoff_time__isnull=False),
                name="service_area_cutoff_has_days_and_time",
                violation_error_message="A cut-off needs both its days and its time.",
            ),
            models.CheckConstraint(
                condition=Q(safety_percent__gte=1) & Q(safety_percent__lte=100),
                name="service_area_safety_percent_is_a_share",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def period_text(self, start: datetime, end: datetime) -> str:
        """A period as a person in the area says it: `Fri 4 Dec 2026, 13:00-15:00 (Europe/London)`."""
        return clock.period_text(start, end, self.time_zone)

    def instant_text(self, instant: datetime) -> str:
        """A moment as a person in the area says it: `Fri 4 Dec 2026, 13:00 (Europe/London)`."""
        shown = clock.local(instant, self.zone)
        return f"{clock.day_text(shown)}, {shown:%H:%M} ({self.time_zone})"

    def clean(self) -> None:
        # What a form leaves empty is None here.
        self.safety_percent = self.safety_percent or 100
        if AreaCode.objects.meaning(self.code).exclude(area_id=self.pk).exists():
            raise ValidationError({"code": CODE_TAKEN})
        if self.pk is None or not self.slots.exists():
            return
        if ServiceArea.objects.get(pk=self.pk).time_zone != self.time_zone:
            raise ValidationError(
                {
                    "time_zone": "The hours of this area's slots were made on its present clock."
                    " Make a new area for another zone."
                }
            )


class AreaRestriction(models.Model):
    """Whoever has one sees only its areas, and with none in it nothing. Whoever has none sees every area.

    A row of its own, and not an empty list that means "all": an area that is removed must not open the others.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="area_restriction")
    areas = models.ManyToManyField(ServiceArea, blank=True, related_name="+")

    def __str__(self) -> str:
        return f"areas of {self.user}"


FOLDED_CODE = Lower(Trim("code"))
CODE_TAKEN = "An area has this code already, as its own or as an alias; case and blanks around do not matter."


class AreaCodeQuerySet(models.QuerySet["AreaCode"]):
    def meaning(self, code: str) -> Self:
        return self.alias(folded=FOLDED_CODE).filter(folded=Lower(Trim(models.Value(code))))


class AreaCode(models.Model):
    """A code that names an area: the area's own, which a trigger of its table keeps here, or an alias.

    They share one table so that no code can name two areas. The database folds them, here and where they are looked
    for (offers.py): SQLite knows capital letters from A to Z only.
    """

    area = models.ForeignKey(ServiceArea, on_delete=models.CASCADE, related_name="codes")
    code = models.CharField(
        max_length=ID_LENGTH,
        help_text="Another code of ServiceMobility's for this area. Case and blanks around do not matter.",
    )
    is_alias = models.BooleanField(default=True, db_default=True, editable=False)

    objects = AreaCodeQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            # Also the index by which a search and a booking find the area.
            models.UniqueConstraint(FOLDED_CODE, name="area_code_names_one_area", violation_error_message=CODE_TAKEN),
            models.UniqueConstraint(fields=["area"], condition=Q(is_alias=False), name="area_code_one_of_its_own"),
            models.CheckConstraint(condition=~Q(code=""), name="area_code_is_not_empty"),
        ]

    def __str__(self) -> str:
        return self.code


class PostcodePrefix(models.Model):
    """The beginning of the postcodes that belong to an area; the longest that fits decides.

    Countries are kept by their ISO code (countries.py). Rows of earlier releases may hold another spelling, and mean
    the same.
    """

    area = models.ForeignKey(ServiceArea, on_delete=models.CASCADE, related_name="postcode_prefixes")
    country = models.CharField(
        max_length=ID_LENGTH,
        blank=True,
        help_text="GB, GBR and United Kingdom are the same. Empty: any country.",
    )
    prefix = models.CharField(max_length=20, help_text="Spaces and small letters do not matter.")

    # The areas that a refusal may name; None: all.
    seen: Collection[int] | None = None

    class Meta:
        ordering = ["country", "prefix"]
        verbose_name_plural = "postcode prefixes"
        constraints = [
            models.UniqueConstraint(fields=["prefix", "country"], name="postcode_prefix_belongs_to_one_area"),
            models.CheckConstraint(condition=~Q(prefix=""), name="postcode_prefix_is_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.country} {self.prefix}".strip()

    def clean(self) -> None:
        self.country = countries.code_of(self.country)
        self.prefix = plain_postcode(self.prefix)
        if not self.prefix:
            raise ValidationError({"prefix": "Give the first letters or digits of the postcodes."})
        # A longer prefix may belong to another area, which then wins. The same one may not, even where one of the two
        # is for any country: it would take the other's customers.
        if rival := self.rivals().filter(prefix=self.prefix).first():
            whose = self.name_of(rival.area)
            raise ValidationError({"prefix": f"{rival} belongs to {whose} already. Take it away there first."})
        # It would take customers from areas that its author may not see. What was there before stays.
        as_before = PostcodePrefix.objects.filter(pk=self.pk, prefix=self.prefix, country=self.country)
        if self.seen is None or as_before.exists():
            return
        if around := self.around().exclude(area__in=self.seen).first():
            whose = self.name_of(around.area)
            raise ValidationError(
                {"prefix": f"{self} lies within {around}, which belongs to {whose}. Ask a supervisor of all areas."}
            )

    def rivals(self) -> models.QuerySet["PostcodePrefix"]:
        """The prefixes of other areas that are for the same country, or for any."""
        rivals = PostcodePrefix.objects.exclude(area_id=self.area_id).select_related("area")
        return rivals.filter(country__in=["", *countries.spellings(self.country)]) if self.country else rivals

    def around(self) -> models.QuerySet["PostcodePrefix"]:
        """Those of the rivals that this prefix lies within."""
        return self.rivals().filter(prefix__in=[self.prefix[:length] for length in range(1, len(self.prefix))])

    def name_of(self, area: ServiceArea) -> str:
        return str(area) if self.seen is None or area.pk in self.seen else "another area"


class BlackoutQuerySet(models.QuerySet["Blackout"]):
    def in_force(self) -> Self:
        return self.filter(opened_at__isnull=True)

    def visible_to(self, user: "Person") -> Self:
        areas = visible_areas(user)
        return self if areas is None else self.filter(area_id__in=areas)

    def with_counts(self) -> Self:
        """With `slot_count`, the slots that it hides, and `booking_count`, the bookings that stand in these."""
        hidden = AppointmentSlot.objects.filter(blackout=OuterRef("pk")).order_by().values("blackout")
        return self.annotate(
            slot_count=Coalesce(Subquery(hidden.annotate(number=Count("*")).values("number")), 0),
            booking_count=Coalesce(Subquery(hidden.annotate(number=Sum("booked")).values("number")), 0),
        )


class Blackout(models.Model):
    """A time in which an area, or one worker there, takes no bookings.

    It hides the slots that it touches (AppointmentSlot.blackout), also those that are made later, until it is lifted;
    `blackouts.close_slots` and `blackouts.open_slots` keep the two in step. Bookings in it stand until somebody moves
    them.
    """

    area = models.ForeignKey(ServiceArea, on_delete=models.PROTECT, related_name="blackouts")
    worker = models.CharField(max_length=ID_LENGTH, blank=True, help_text="Empty: everybody in the area.")
    start = models.DateTimeField()
    end = models.DateTimeField()
    reason = models.TextField()
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=ID_LENGTH, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True, help_text="When it was lifted. Empty: it is in force.")
    opened_by = models.CharField(max_length=ID_LENGTH, blank=True)

    slot_count: int  # set by with_counts
    booking_count: int

    objects = BlackoutQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="blackout_ends_after_it_starts"),
            models.CheckConstraint(condition=~Q(reason=""), name="blackout_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.area.period_text(self.start, self.end)}: {self.reason}"


class AppointmentSlotQuerySet(models.QuerySet["AppointmentSlot"]):
    def visible_to(self, user: "Person") -> Self:
        areas = visible_areas(user)
        return self if areas is None else self.filter(area_id__in=areas)

    def within(self, start: datetime, end: datetime) -> Self:
        """Slots that share some time with a period."""
        return self.filter(start__lt=end, end__gt=start)

    def keeping_busy(self, worker: str, start: datetime, end: datetime) -> Self:
        """What a worker, in whatever area, has to do in a period; nothing for a pool. supply.py asks it for many."""
        busy = self.within(start, end).filter(Q(is_withdrawn=False) | Q(booked__gt=0), worker=worker)
        return busy if worker else self.none()


class AppointmentSlot(models.Model):
    """A period in which an area can take `capacity` visits; `booked` of these places are taken.

    `worker` empty: a pool of people; else one worker's own slot. `order_type` empty: for any order.

    Area, start, end, order type and worker of a row never change (a trigger, see triggers.py): another place or time is
    another row, and this one is withdrawn. So what was read is what is booked.

    Three things hide a slot, each independent of the others: staff (`is_open`), a blackout, and a plan that has it no
    longer (`is_withdrawn`). Columns that seeding leaves out have a default in the database.
    """

    class Source(models.TextChoices):
        HAND = "hand"
        PLAN = "plan"
        IMPORT = "import"
        SCHEDULE = "schedule"

    # Found by the index of slot_exists_once_per_worker_and_type.
    area = models.ForeignKey(ServiceArea, on_delete=models.PROTECT, related_name="slots", db_index=False)
    start = models.DateTimeField()
    end = models.DateTimeField()
    order_type = models.CharField(max_length=ID_LENGTH, blank=True, help_text="Empty: for orders of any type.")
    worker = models.CharField(
        max_length=ID_LENGTH,
        blank=True,
        help_text="ServiceMobility's UserName. Empty: a pool.",
    )
    capacity = models.PositiveIntegerField(default=1)
    booked = models.PositiveIntegerField(default=0, editable=False)
    is_open = models.BooleanField(default=True, help_text="A closed slot is not offered and cannot be booked.")
    closed_reason = models.TextField(blank=True, default="", db_default="")
    blackout = models.ForeignKey(
        Blackout,
        on_delete=models.PROTECT,
        related_name="slots",
        null=True,
        blank=True,
        editable=False,
        db_index=False,
    )
    is_withdrawn = models.BooleanField(
        "withdrawn", default=False, db_default=False, editable=False, help_text="The plan has this slot no longer."
    )
    external_id = models.CharField(
        max_length=ID_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text="The key of the planning system that made this slot.",
    )
    utc_offset = models.SmallIntegerField(
        null=True,
        editable=False,
        help_text="Minutes by which the area's clock was ahead of UTC at the start, when the slot was made: the"
        " start plus this is the clock time that was promised. Empty: the previous release made it.",
    )
    source = models.CharField(
        max_length=8,
        choices=Source,
        default=Source.PLAN,
        db_default=Source.PLAN,
        editable=False,
        help_text="What made this slot and may withdraw it.",
    )

    refusal: str  # set by offers.find_slots and offers.with_refusal

    objects = AppointmentSlotQuerySet.as_manager()

    class Meta:
        ordering = ["start", "area", "worker"]
        permissions = [
            ("close_appointmentslot", "Can open and close appointment slots"),
            ("resize_appointmentslot", "Can change the capacity of appointment slots"),
        ]
        indexes = [
            # The board and the list look at days of all areas.
            models.Index(fields=["start"], name="slot_by_start"),
            # Is this worker free? Asked for each slot that is seeded or imported.
            models.Index(fields=["worker", "start"], name="slot_by_worker"),
            # What a blackout hides: few of many.
            models.Index(fields=["blackout"], condition=Q(blackout__isnull=False), name="slot_by_blackout"),
            # Bookings in closed slots.
            models.Index(fields=["start"], condition=Q(is_open=False), name="slot_closed"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="slot_ends_after_it_starts"),
            models.CheckConstraint(
                condition=EndsWithinADay(),
                name="slot_ends_within_a_day",
                violation_error_message="An appointment is 24 hours long at most.",
            ),
            models.CheckConstraint(
                condition=Q(booked__gte=0) & Q(booked__lte=F("capacity")),
                name="slot_booked_within_capacity",
            ),
            # Also the index by which a booking finds the slots of its period.
            models.UniqueConstraint(
                fields=["area", "start", "end", "order_type", "worker"],
                name="slot_exists_once_per_worker_and_type",
            ),
            models.CheckConstraint(
                condition=Q(is_open=False) | Q(closed_reason=""),
                name="slot_reason_only_while_closed",
            ),
            # Also the index by which an import finds its slots.
            models.UniqueConstraint(
                fields=["external_id"], condition=~Q(external_id=""), name="slot_external_id_is_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.area.period_text(self.start, self.end)

    @property
    def hours(self) -> str:
        """The clock times alone, where day and zone stand beside them."""
        zone = self.area.zone
        return "-".join(clock.clock_texts(clock.local(self.start, zone), clock.local(self.end, zone)))

    @property
    def free(self) -> int:
        return 0 if self.is_hidden else self.capacity - self.booked

    @property
    def is_hidden(self) -> bool:
        """Whether it is not offered and cannot be booked; offers.SHOWN says the same in SQL."""
        return not self.is_open or self.blackout_id is not None or self.is_withdrawn

    @property
    def hidden_reason(self) -> str:
        """Why it is hidden, as somebody said it; empty if nobody did."""
        if self.is_open and self.blackout:
            return self.blackout.reason
        return self.closed_reason or ("Its plan has it no longer." if self.is_open and self.is_withdrawn else "")


class WorkOrderQuerySet(models.QuerySet["WorkOrder"]):
    def active(self) -> Self:
        """Bookings that hold a place of their slot."""
        return self.filter(status=WorkOrder.Status.BOOKED)

    def needing_attention(self) -> Self:
        """Bookings that nobody has looked at since they came, or since their slot was closed."""
        return self.active().filter(reviewed_at__isnull=True)

    def visible_to(self, user: "Person") -> Self:
        areas = visible_areas(user)
        return self if areas is None else self.filter(area_id__in=areas)


class WorkOrder(models.Model):
    """A follow-up visit that was booked for an original order.

    status      what may follow
    booked      booked (moved to another slot), cancelled
    cancelled   nothing: the same original order may be booked again and gets a new number

    `body` is the Book Job Object letter for letter as it came; the columns hold what staff search by and what the
    answer is made from. `fingerprint` is equal for two bodies that are equal as JSON.
    """

    class Status(models.TextChoices):
        BOOKED = "booked"
        CANCELLED = "cancelled"

    order_num = models.CharField(max_length=64, unique=True)
    original_order = models.CharField(max_length=ID_LENGTH)
    # What no other active booking may hold: the original order, or, where an order may have several follow-ups,
    # the original order with the period. It makes two for one impossible whatever slots the copies chose.
    claim = models.CharField(max_length=ID_LENGTH + 100)
    # The key of the latest booking of the order, cancelled ones included, that was seen when this one was decided; 0
    # if there was none. It makes a decision impossible that did not know what had become of another copy meanwhile.
    booked_after = models.BigIntegerField(null=True, blank=True, editable=False)
    slot = models.ForeignKey(AppointmentSlot, on_delete=models.PROTECT, related_name="work_orders")
    # The slot's, which never change: so that the list of a million is filtered and sorted by an index of its own.
    area = models.ForeignKey(ServiceArea, on_delete=models.PROTECT, related_name="+", db_index=False)
    visit_start = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.BOOKED)

    account_num = models.CharField(max_length=ID_LENGTH, blank=True)
    account_name = models.TextField(blank=True)
    location_num = models.CharField(max_length=ID_LENGTH, blank=True)
    location_name = models.TextField(blank=True)
    address = models.TextField(blank=True)
    postcode = models.CharField(max_length=ID_LENGTH, blank=True)
    phone = models.CharField(max_length=ID_LENGTH, blank=True)
    order_type = models.CharField(max_length=ID_LENGTH, blank=True)
    worker = models.CharField(
        max_length=ID_LENGTH,
        blank=True,
        help_text="The worker that the technician asked for.",
    )
    part_count = models.PositiveIntegerField(default=0)
    parts_due_at = models.DateTimeField(null=True, blank=True, help_text="When the last of the parts is expected.")

    body = models.TextField()
    fingerprint = models.CharField(max_length=64)

    caller = models.CharField(max_length=ID_LENGTH, blank=True, help_text="Who the token said was calling.")
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    # Place in the feed that other systems read (feed.py); empty from a change until the feed is read again.
    change_num = models.BigIntegerField(null=True, blank=True, unique=True)
    version = models.PositiveIntegerField(default=1, help_text="Grows with each change: who saw an old one is told so.")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.CharField(max_length=ID_LENGTH, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=ID_LENGTH, blank=True)
    cancel_reason = models.TextField(blank=True)
    purged_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the personal data was taken out; the numbers stay taken."
    )

    objects = WorkOrderQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        permissions = [
            ("review_workorder", "Can review work orders"),
            ("note_workorder", "Can add notes to work orders"),
            ("move_workorder", "Can move work orders to other slots"),
            ("cancel_workorder", "Can cancel work orders"),
            ("bulk_cancel_workorder", "Can cancel many work orders at once"),
            ("export_workorder", "Can export work orders"),
            ("log_in_to_api", "Can log in to the API, search and book"),
            ("read_workorder_by_api", "Can read work orders through the API"),
        ]
        # Each serves one way of looking at the list: the page of 50 comes out of the index in order.
        indexes = [
            # What the list and the board show first.
            models.Index(
                fields=["visit_start", "area"],
                condition=Q(status="booked", reviewed_at__isnull=True),
                name="work_order_to_review",
            ),
            # A day or a range of days.
            models.Index(fields=["visit_start", "area"], name="work_order_by_visit"),
            # Everything of an area, a worker, an order type, newest first.
            models.Index(fields=["area", "id"], name="work_order_by_area"),
            models.Index(fields=["worker", "id"], name="work_order_by_worker"),
            models.Index(fields=["order_type", "id"], name="work_order_by_order_type"),
            # New since yesterday; cancelled today.
            models.Index(fields=["created_at"], name="work_order_by_arrival"),
            models.Index(
                fields=["cancelled_at"],
                condition=Q(cancelled_at__isnull=False),
                name="work_order_by_cancellation",
            ),
            # Parts that come after the visit.
            models.Index(
                fields=["visit_start"],
                condition=Q(status="booked", parts_due_at__gt=F("visit_start")),
                name="work_order_parts_late",
            ),
            # What the feed has still to number, and where it begins for modified_since.
            models.Index(fields=["id"], condition=Q(change_num__isnull=True), name="work_order_to_number"),
            models.Index(fields=["changed_at"], name="work_order_by_change"),
            # Parts that are not here yet.
            models.Index(
                fields=["parts_due_at"],
                condition=Q(parts_due_at__isnull=False),
                name="work_order_by_parts_due",
            ),
            # Other bookings of the same original order or account.
            models.Index(fields=["original_order"], name="work_order_by_original_order"),
            # Also the area of an account that was visited in one alone.
            models.Index(fields=["account_num", "area"], name="work_order_by_customer"),
            # The area in which a location was visited last.
            models.Index(fields=["location_num", "id"], name="work_order_by_location"),
        ]
        constraints = [
            # Also the index by which a booking finds the earlier answer for its order.
            models.UniqueConstraint(
                fields=["original_order", "slot"],
                condition=Q(status="booked"),
                name="work_order_one_active_per_order_and_slot",
            ),
            models.UniqueConstraint(
                fields=["claim"],
                condition=Q(status="booked"),
                name="work_order_one_active_per_claim",
            ),
            models.UniqueConstraint(
                fields=["original_order", "booked_after"],
                condition=Q(booked_after__isnull=False),
                name="work_order_one_booked_after_another",
            ),
            models.CheckConstraint(
                condition=Q(status="booked", cancelled_at__isnull=True)
                | Q(status="cancelled", cancelled_at__isnull=False),
                name="work_order_cancelled_exactly_with_a_time",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_at__isnull=True, reviewed_by="")
                | (Q(reviewed_at__isnull=False) & ~Q(reviewed_by="")),
                name="work_order_reviewed_by_somebody",
            ),
            models.CheckConstraint(condition=~Q(original_order=""), name="work_order_has_an_original_order"),
        ]

    def __str__(self) -> str:
        return self.order_num

    @property
    def period_text(self) -> str:
        return self.area.period_text(self.slot.start, self.slot.end)

    @property
    def has_late_parts(self) -> bool:
        return self.parts_due_at is not None and self.parts_due_at > self.visit_start


class SearchTerm(models.Model):
    """A word under which the previous release finds a work order. Nothing reads it; the next release drops it."""

    work_order = models.ForeignKey(WorkOrder, on_delete=models.CASCADE, related_name="search_terms", db_index=False)
    term = models.BinaryField(max_length=160)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["work_order", "term"], name="search_term_once_per_work_order"),
        ]
        indexes = [models.Index(fields=["term", "work_order"], name="search_term_by_beginning")]

    def __str__(self) -> str:
        return bytes(self.term).decode()


class WordsField(models.TextField):  # type: ignore[type-arg]
    """Folded words with a blank between them. PostgreSQL keeps them as a tsvector."""

    def db_type(self, connection: Any) -> str | None:
        return "tsvector" if connection.vendor == "postgresql" else super().db_type(connection)


class SearchDocument(models.Model):
    """The words under which staff find a work order; see lookup.py.

    Found by a GIN index, or on SQLite by the FTS5 table `bookings_searchdocument_index`, which triggers keep in step.
    """

    work_order = models.OneToOneField(
        WorkOrder, on_delete=models.CASCADE, primary_key=True, related_name="search_document"
    )
    words = WordsField()

    def __str__(self) -> str:
        return f"words of {self.work_order_id}"


class PartOrder(models.Model):
    """Parts of a work order that are ordered together; the number is ours unless the parts came with one."""

    work_order = models.ForeignKey(WorkOrder, on_delete=models.PROTECT, related_name="part_orders")
    part_order_num = models.CharField(max_length=ID_LENGTH)
    is_issued_here = models.BooleanField(default=True)
    ship_to_location = models.CharField(max_length=ID_LENGTH, blank=True)
    urgency = models.CharField(max_length=ID_LENGTH, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["part_order_num"],
                condition=Q(is_issued_here=True),
                name="part_order_number_issued_once",
            ),
            models.UniqueConstraint(
                fields=["work_order", "part_order_num"],
                name="part_order_number_once_per_work_order",
            ),
        ]

    def __str__(self) -> str:
        return self.part_order_num


class RequiredPart(models.Model):
    """A part that the visit needs. A superseded part stands here as its replacements, each naming what it replaces."""

    work_order = models.ForeignKey(WorkOrder, on_delete=models.PROTECT, related_name="required_parts")
    # Empty for a part without a product number, which nobody can order.
    part_order = models.ForeignKey(
        PartOrder,
        on_delete=models.PROTECT,
        related_name="required_parts",
        null=True,
        blank=True,
    )
    position = models.PositiveIntegerField(help_text="Place in the list that came, from 0.")
    prod_num = models.CharField(max_length=ID_LENGTH, blank=True)
    replaces = models.CharField(
        max_length=ID_LENGTH,
        blank=True,
        help_text="The superseded part's product number.",
    )
    description = models.TextField(blank=True)
    quantity = models.DecimalField(max_digits=15, decimal_places=4)
    price = models.DecimalField(max_digits=15, decimal_places=4, null=True, blank=True)
    part_status = models.TextField(blank=True)
    ship_to_location = models.CharField(max_length=ID_LENGTH, blank=True)
    urgency = models.CharField(max_length=ID_LENGTH, blank=True)
    estimated_delivery = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["work_order", "position"],
                name="required_part_position_once_per_order",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=0), name="required_part_quantity_not_negative"),
        ]

    def __str__(self) -> str:
        return self.prod_num or self.description


class HistoryEntry(models.Model):
    """What happened to a work order or a slot: who, when, why, and what was before and after.

    Append-only: a trigger in the database refuses to change or delete an entry. It lets through what housekeeping does
    (migration 0021): personal data leaves the entries of a purged work order; the entries of a slot go with the slot.
    """

    class Event(models.TextChoices):
        BOOKED = "booked"
        MOVED = "moved"
        CANCELLED = "cancelled"
        REVIEWED = "reviewed"
        NOTED = "noted"
        ADDED = "added"
        CLOSED = "closed"
        OPENED = "opened"
        RESIZED = "resized"
        CHANGED = "changed"
        PURGED = "purged"

    class Via(models.TextChoices):
        API = "api", "API"
        ADMIN = "admin", "admin"
        COMMAND = "command", "command"

    work_order = models.ForeignKey(
        WorkOrder,
        on_delete=models.PROTECT,
        related_name="history",
        null=True,
        blank=True,
        editable=False,
    )
    slot = models.ForeignKey(
        AppointmentSlot,
        on_delete=models.PROTECT,
        related_name="history",
        null=True,
        blank=True,
        editable=False,
    )
    event = models.CharField(max_length=20, choices=Event.choices, editable=False)
    at = models.DateTimeField(editable=False)
    by = models.CharField(max_length=ID_LENGTH, blank=True, editable=False)
    via = models.CharField(max_length=10, choices=Via.choices, default=Via.COMMAND, editable=False)
    request_id = models.CharField(max_length=64, blank=True, editable=False)
    reason = models.TextField(blank=True, editable=False)
    details = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "history entries"
        constraints = [
            models.CheckConstraint(
                condition=Q(work_order__isnull=False) | Q(slot__isnull=False),
                name="history_entry_is_about_something",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.at:%Y-%m-%d %H:%M} UTC"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            raise TypeError("A history entry is never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("A history entry is never deleted.")

    @property
    def shown_details(self) -> dict[str, Any]:
        """What was before and after. The fingerprint of the body that was taken is for later copies of it alone."""
        return {name: value for name, value in self.details.items() if name != "fingerprint"}


class RefusalQuerySet(models.QuerySet["Refusal"]):
    def visible_to(self, user: "Person") -> Self:
        """One that belongs to no area is shown to all: it would be seen by none otherwise."""
        areas = visible_areas(user)
        return self if areas is None else self.filter(Q(area__isnull=True) | Q(area_id__in=areas))


class Refusal(models.Model):
    """A booking that was asked for and refused: what dispatch is called about. It changes nothing."""

    at = models.DateTimeField()
    error = models.CharField(max_length=40, help_text="The word of contract section 2.")
    message = models.TextField()
    original_order = models.CharField(max_length=ID_LENGTH)
    # Empty where the place belongs to no area.
    area = models.ForeignKey(ServiceArea, on_delete=models.CASCADE, related_name="+", null=True, blank=True)
    caller = models.CharField(max_length=ID_LENGTH, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    # What was asked for. Empty for those that an earlier release kept.
    body = models.TextField(blank=True, default="", db_default="", help_text="The Book Job Object as it came.")
    visit_start = models.DateTimeField(null=True, blank=True)
    visit_end = models.DateTimeField(null=True, blank=True)
    order_type = models.CharField(max_length=ID_LENGTH, blank=True, default="", db_default="")

    objects = RefusalQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        # Refused today.
        indexes = [models.Index(fields=["at"], name="refusal_by_time")]

    def __str__(self) -> str:
        return f"{self.error}: {self.original_order}"


class Counter(models.Model):
    """A number that only grows. Whoever raises it holds its row until the transaction ends."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class LogInRecord(models.Model):
    """Failed log-ins of a user name, an address, or the two together, none of which can be read out of `key`."""

    key = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.failures} failures"


# Last: they name the tables above.
from bookings.models.delivery import Delivery as Delivery  # noqa: E402
from bookings.models.delivery import DeliveryEntry as DeliveryEntry  # noqa: E402
from bookings.models.delivery import Receiver as Receiver  # noqa: E402
