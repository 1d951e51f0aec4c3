"""What happened on each day, added up: so that a page of numbers costs the same at a million orders as at few."""

from collections.abc import Iterable
from typing import Self

from django.db import models
from django.db.models import F, Func
from django.db.models.functions import Coalesce
from django.db.models.lookups import In

from bookings.db.fields import ID_LENGTH
from bookings.models.access import AreaQuerySet, M
from bookings.models.areas import ServiceArea


class Kind(models.TextChoices):
    PLACES = "places", "bookings and places, by the worker of the slot"
    REASONS = "reasons", "cancellations by reason"
    PEOPLE = "people", "cancellations by who cancelled"
    REFUSALS = "refusals", "refusals by error code"
    NOTHING = "nothing", "searches that found nothing, by reason"
    REVIEW = "review", "bookings by the minutes until they were reviewed"
    LEAD = "lead", "bookings by the days until the visit"
    FREE = "free", "days to the first free appointment"


class Level(models.IntegerChoices):
    EACH = 0, "as the days have it"
    AREAS = 1, "all order types together"
    ALL = 2, "all areas and order types together"


# `Coalesce("area", 0)` of the constraints below, but without a parameter: so SQLite knows its index by it, too.
AREA_OR_0 = Func("area", template="COALESCE(%(expressions)s, 0)", output_field=models.BigIntegerField())


class SumQuerySet(AreaQuerySet[M]):
    def in_areas(self, areas: Iterable[int] | None) -> Self:
        return self if areas is None else self.of_areas([*areas, 0])  # 0 is no area, which all may see

    def of_areas(self, areas: Iterable[int]) -> Self:
        """By the expression of the indexes: of each day or week the entries of these areas alone are read."""
        return self.filter(In(AREA_OR_0, areas))


class Sum(models.Model):
    """`key` never holds what a customer is known by, nor what staff typed."""

    kind = models.CharField(max_length=10, choices=Kind)
    # Empty where the place belongs to no area.
    area = models.ForeignKey(
        ServiceArea, on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    order_type = models.CharField(max_length=ID_LENGTH, blank=True)
    key = models.CharField(max_length=ID_LENGTH, blank=True)
    number = models.BigIntegerField()
    places = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class DailySum(Sum):
    """One number of a day on the area's clock. services/daily_sums.py writes them and says which day each belongs to.

    What the tables hold no longer stays here, and an area that is counted is not deleted.
    """

    day = models.DateField()

    objects = SumQuerySet["DailySum"].as_manager()

    class Meta:
        default_permissions = ()
        permissions = [("view_dailysum", "Can view the page of numbers")]
        constraints = [
            # Also the index by which the days of a number are read.
            models.UniqueConstraint(
                F("kind"), F("day"), Coalesce("area", 0), F("order_type"), F("key"), name="daily_sum_said_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.kind} {self.key}: {self.number}"


class WeeklySum(Sum):
    """What the days of a week, from a Monday on, come to in all. services/weekly_sums.py writes them."""

    week = models.DateField()
    level = models.SmallIntegerField(choices=Level)

    objects = SumQuerySet["WeeklySum"].as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            # Also the index by which the weeks of a number are read.
            models.UniqueConstraint(
                F("kind"),
                F("level"),
                F("week"),
                Coalesce("area", 0),
                F("order_type"),
                F("key"),
                name="weekly_sum_said_once",
            ),
        ]

    def __str__(self) -> str:
        return f"week of {self.week} {self.kind} {self.key}: {self.number}"
