"""What happened: the lines of the history, the bookings that were refused, and numbers that only grow.

history.py writes the lines.
"""

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import Q, Value

from bookings.db.fields import ID_LENGTH
from bookings.models.access import AreaQuerySet
from bookings.models.areas import ServiceArea
from bookings.models.slots import AppointmentSlot
from bookings.models.work_orders import WorkOrder


class HistoryEntry(models.Model):
    """What happened to a work order or a slot: who, when, why, and what was before and after.

    Append-only: a trigger in the database refuses to change or delete an entry. It lets through what housekeeping does
    (migration 0005): personal data leaves the entries of a purged work order; the entries of a slot go with the slot.
    """

    class Event(models.TextChoices):
        BOOKED = "booked"
        MOVED = "moved"
        CANCELLED = "cancelled"
        REVIEWED = "reviewed"
        UNREVIEWED = "unreviewed", "review undone"
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
        db_index=False,
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
        # A booking's line is about no slot.
        indexes = [models.Index(fields=["slot"], condition=Q(slot__isnull=False), name="history_of_a_slot")]
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

    def details_for(self, areas: Iterable[int] | None) -> dict[str, Any]:
        """What was before and after, for those who may see these areas; None is every area.

        Of a place in another area they read the time alone. The fingerprint of the body that was taken is for later
        copies of it alone.
        """
        return {name: _seen_from(areas, value) for name, value in self.details.items() if name != "fingerprint"}


def _seen_from(areas: Iterable[int] | None, value: Any) -> Any:
    if areas is None or not isinstance(value, dict) or value.get("area") in (None, *areas):
        return value
    return {name: value[name] for name in ("start", "end") if name in value}


class RefusalQuerySet(AreaQuerySet["Refusal"]):
    shows_without_area = True


class Refusal(models.Model):
    """A booking that was asked for and refused: what dispatch is called about. It changes nothing."""

    at = models.DateTimeField()
    error = models.CharField(max_length=40, help_text="The error code of the answer.")
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
    # How many slots of the period broke which rule first: {"full": 2, "closed": 1}.
    verdicts = models.JSONField(default=dict, db_default=Value({}, models.JSONField()), blank=True)
    # Place in the feed (services/feed.py); a refusal never changes.
    change_num = models.BigIntegerField(null=True, editable=False)

    objects = RefusalQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        permissions = [("book_refusal", "Can book what was refused")]
        # Refused today.
        indexes = [
            models.Index(fields=["at"], name="refusal_by_time"),
            # What the feed has still to number.
            models.Index(fields=["id"], condition=Q(change_num__isnull=True), name="refusal_to_number"),
            # The feed.
            models.Index(fields=["change_num"], condition=Q(change_num__isnull=False), name="refusal_by_change"),
        ]

    def __str__(self) -> str:
        return f"Refused: {self.original_order}"


class EmptySearchQuerySet(AreaQuerySet["EmptySearch"]):
    shows_without_area = True


class EmptySearch(models.Model):
    """How many searches found nothing, by the day on the area's clock, and why.

    Two processes may each write a row of the same; who reads adds them up.
    """

    day = models.DateField()
    # Empty where the place belongs to no area.
    area = models.ForeignKey(ServiceArea, on_delete=models.CASCADE, related_name="+", null=True, blank=True)
    order_type = models.CharField(max_length=ID_LENGTH, blank=True)
    reason = models.CharField(max_length=20, help_text="The rule or the wish that left nothing.")
    number = models.PositiveIntegerField(default=0)

    objects = EmptySearchQuerySet.as_manager()

    class Meta:
        verbose_name = "empty search"
        verbose_name_plural = "empty searches"
        ordering = ["-day", "area", "order_type", "reason"]
        # Its row is looked for, and the days are read.
        indexes = [models.Index(fields=["day", "area"], name="empty_search_by_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.number} {self.reason}"


class Counter(models.Model):
    """A number that only grows. A transaction that raises it holds its row until it ends."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"
