"""Appointment slots and what hides them: when an area can take visits, and how many."""

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self

from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from bookings import clock
from bookings.db.conditions import EndsWithinADay
from bookings.db.fields import ID_LENGTH
from bookings.models.access import AreaQuerySet
from bookings.models.areas import ServiceArea


class BlackoutQuerySet(AreaQuerySet["Blackout"]):
    def in_force(self) -> Self:
        return self.filter(opened_at__isnull=True)

    def hiding(self, slots: Collection[Any]) -> Self:
        """Those in force that may hide some of these slots: of their areas, and absences of their workers."""
        areas, workers = {slot.area_id for slot in slots}, {slot.worker for slot in slots}
        return self.in_force().filter(Q(area__in=areas) | Q(area=None, worker__in=workers))

    def in_areas(self, areas: Iterable[int] | None) -> Self:
        """An absence is seen where its worker has slots."""
        if areas is None:
            return self
        theirs = AppointmentSlot.objects.filter(area__in=areas, worker=OuterRef("worker"))
        return self.filter(Q(area__in=areas) | Q(Exists(theirs), area=None))

    def as_seen_in(self, areas: Iterable[int] | None) -> Self:
        """With `slot_count`, the slots that it hides there, `booking_count`, the bookings that stand in these, and
        `is_seen_in_part`, whether it may hide others, too."""
        theirs = AppointmentSlot.objects.in_areas(areas).filter(blackout=OuterRef("pk"))
        hidden = theirs.order_by().values("blackout")
        return self.annotate(
            is_seen_in_part=Q(area=None) if areas is not None else Value(False),
            slot_count=Coalesce(Subquery(hidden.annotate(number=Count("*")).values("number")), 0),
            booking_count=Coalesce(Subquery(hidden.annotate(number=Sum("booked")).values("number")), 0),
        )


class Blackout(models.Model):
    """A time in which an area, or one worker there, takes no bookings.

    Without an area it is an absence: days on which a worker takes none anywhere. Such a day is read on the clock of
    each slot's area, and `start` and `end` are its midnights as if that clock were UTC (`bounds_in`).

    It hides the slots that it touches (AppointmentSlot.blackout), also those that are made later, until it is lifted;
    `blackouts.close_slots` and `blackouts.open_slots` keep the two in step. Bookings in it stand until staff move
    them.
    """

    area = models.ForeignKey(
        ServiceArea,
        on_delete=models.PROTECT,
        related_name="blackouts",
        null=True,
        blank=True,
        help_text="Empty: an absence, which counts in all areas.",
    )
    worker = models.CharField(max_length=ID_LENGTH, blank=True, help_text="Empty: all workers of the area.")
    external_id = models.CharField(
        max_length=ID_LENGTH,
        blank=True,
        default="",
        db_default="",
        help_text="The key of the system that said so. Of several in force the last one counts.",
    )
    start = models.DateTimeField()
    end = models.DateTimeField()
    reason = models.TextField()
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=ID_LENGTH, blank=True)
    opened_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was opened again. Empty: it is in force."
    )
    opened_by = models.CharField(max_length=ID_LENGTH, blank=True)

    slot_count: int  # set by as_seen_in
    booking_count: int
    is_seen_in_part: bool

    objects = BlackoutQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        permissions = [("clear_blackout", "Can close for a time and move the bookings")]
        constraints = [
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="blackout_ends_after_it_starts"),
            models.CheckConstraint(condition=~Q(reason=""), name="blackout_has_a_reason"),
            models.CheckConstraint(
                condition=Q(area__isnull=False) | ~Q(worker=""), name="blackout_is_of_an_area_or_a_worker"
            ),
        ]
        # What another system has said before under the same key.
        indexes = [
            models.Index(fields=["external_id"], condition=~Q(external_id=""), name="blackout_by_external_id"),
        ]

    def __str__(self) -> str:
        who = f"{self.worker} is absent, " if self.is_absence else ""
        return f"{who}{self.period_text}: {self.reason}"

    @property
    def is_absence(self) -> bool:
        return self.area_id is None

    @property
    def days(self) -> tuple[date, date]:
        """Of an absence: its first and its last day."""
        return self.start.astimezone(UTC).date(), (self.end.astimezone(UTC) - timedelta(microseconds=1)).date()

    @property
    def period_text(self) -> str:
        if self.area:
            return self.area.period_text(self.start, self.end)
        first, last = map(clock.day_text, self.days)
        return first if first == last else f"{first} - {last}"

    def bounds_in(self, area: ServiceArea) -> tuple[datetime, datetime]:
        """The moments at which it begins and ends for the slots of this area."""
        if not self.is_absence:
            return self.start, self.end
        first, last = self.days
        return clock.day_bounds(first, area.zone)[0], clock.day_bounds(last, area.zone)[1]

    @classmethod
    def absence(cls, worker: str, first: date, last: date, **more: Any) -> Self:
        """One that is not written yet, of whole days."""
        start, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
        return cls(area=None, worker=worker, start=start, end=end, **more)


class AppointmentSlotQuerySet(AreaQuerySet["AppointmentSlot"]):
    def within(self, start: datetime, end: datetime) -> Self:
        """Slots that share some time with a period."""
        return self.filter(start__lt=end, end__gt=start)

    def keeping_busy(self, worker: str, start: datetime, end: datetime) -> Self:
        """What a worker, in whatever area, has to do in a period; nothing for a pool. `seeding` asks it for many."""
        busy = self.within(start, end).filter(Q(is_withdrawn=False) | Q(booked__gt=0), worker=worker)
        return busy if worker else self.none()


class AppointmentSlot(models.Model):
    """A period in which an area can take `capacity` visits; `booked` of these places are taken.

    `worker` empty: a pool of people; else one worker's own slot. `order_type` empty: for any order.

    Area, start, end, order type and worker of a row never change (a trigger: db/triggers.py): another place or time is
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

    # Place in the feed (services/feed.py). A trigger empties it with each change, whatever makes it.
    change_num = models.BigIntegerField(null=True, editable=False)

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
            # Bookings in closed slots, whatever closed them: the contrary of offers.SHOWN.
            models.Index(
                fields=["start"],
                condition=Q(is_open=False) | Q(blackout__isnull=False) | Q(is_withdrawn=True),
                name="slot_hidden",
            ),
            # What the feed has still to number.
            models.Index(fields=["id"], condition=Q(change_num__isnull=True), name="slot_to_number"),
            # The feed.
            models.Index(fields=["change_num"], condition=Q(change_num__isnull=False), name="slot_by_change"),
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
        """Why it is hidden, as staff or a plan said it; empty if nothing was said."""
        if self.is_open and self.blackout:
            return self.blackout.reason
        return self.closed_reason or ("Its plan has it no longer." if self.is_open and self.is_withdrawn else "")
