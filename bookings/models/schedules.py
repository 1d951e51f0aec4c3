"""Schedules: rules out of which the slots of an area are made, always so many days ahead.

The rules are the text of a template (docs/slots.md) without the area; supply/from_plans/schedules.py reads
and extends them.
"""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from bookings.db.fields import ID_LENGTH
from bookings.models.access import AreaQuerySet
from bookings.models.areas import ServiceArea

MAX_DAYS_AHEAD = 730
MAX_RULES = 20_000


class ScheduleRules(models.Model):
    """What a schedule says, and said before."""

    rules = models.TextField(max_length=MAX_RULES)
    days_ahead = models.PositiveSmallIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(MAX_DAYS_AHEAD)]
    )
    is_active = models.BooleanField("active", default=True, help_text="One that is not makes no more slots.")
    version = models.PositiveIntegerField(default=1)

    class Meta:
        abstract = True


class Schedule(ScheduleRules):
    """The one of an area. Each change of it makes another version."""

    area = models.OneToOneField(ServiceArea, on_delete=models.CASCADE, related_name="schedule")
    extended_at = models.DateTimeField(null=True, blank=True, help_text="When all of its slots were there last.")

    objects = AreaQuerySet["Schedule"].as_manager()

    class Meta:
        ordering = ["area__name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(days_ahead__gte=1, days_ahead__lte=MAX_DAYS_AHEAD), name="schedule_days_ahead_in_bounds"
            ),
        ]

    def __str__(self) -> str:
        return f"Schedule of {self.area.name}"


class ScheduleVersion(ScheduleRules):
    """A schedule as it was saved once, so that it can be put back."""

    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="versions", db_index=False)
    at = models.DateTimeField()
    by = models.CharField(max_length=ID_LENGTH)

    class Meta:
        ordering = ["-version"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["schedule", "version"], name="schedule_version_said_once")]

    def __str__(self) -> str:
        return f"{self.schedule}, version {self.version}"
