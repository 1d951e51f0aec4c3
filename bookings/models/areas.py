"""Service areas: their clock, their rules, and the codes and postcodes by which a visit finds them."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from bookings import clock
from bookings.db.codes import CodeFolding, FoldedCode, fold, folding_of
from bookings.db.conditions import LooksLikeATimeZone
from bookings.db.fields import ID_LENGTH, check_time_zone
from bookings.models import countries
from bookings.models.access import AreaQuerySet


def plain_postcode(text: str) -> str:
    """A postcode as it is compared: capital letters and digits only (`ls1 4ap` -> `LS14AP`)."""
    return re.sub(r"[\W_]", "", text).upper()


class ServiceAreaQuerySet(AreaQuerySet["ServiceArea"]):
    area_key = "pk"

    def update(self, **values: Any) -> int:
        if isinstance(code := values.get("code"), str):
            values["folding"] = folding_of(code)
        return super().update(**values)


class ServiceArea(models.Model):
    """A region that is planned together; its clock is the one that the hours of its slots are read on."""

    code = models.CharField(
        max_length=ID_LENGTH,
        unique=True,
        help_text="What ServiceMobility sends as Location.ServiceAreaID. Case and blanks around do not matter.",
    )
    folding = CodeFolding(null=True, editable=False)
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

    is_practice = models.BooleanField(
        "practice",
        default=False,
        db_default=False,
        help_text="For trying things out: its bookings are sent to no receiver, counted nowhere, and removed nightly."
        " An area stays what it was made as.",
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


CODE_TAKEN = "An area has this code already, as its own or as an alias; case and blanks around do not matter."


class AreaCodeQuerySet(models.QuerySet["AreaCode"]):
    def meaning(self, code: str) -> Self:
        return self.filter(folded=fold(code))


class AreaCode(models.Model):
    """A code that names an area: the area's own, which a trigger of its table keeps here, or an alias.

    They share one table so that no code can name two areas.
    """

    area = models.ForeignKey(ServiceArea, on_delete=models.CASCADE, related_name="codes")
    code = models.CharField(
        max_length=ID_LENGTH,
        help_text="Another code of ServiceMobility's for this area. Case and blanks around do not matter.",
    )
    folded = FoldedCode(null=True, editable=False)
    is_alias = models.BooleanField(default=True, db_default=True, editable=False)

    objects = AreaCodeQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            # Also the index by which a search and a booking find the area.
            # Its condition always holds. It makes the constraint an index, which is added beside a live service.
            models.UniqueConstraint(
                fields=["folded"], condition=Q(folded__isnull=False), name="area_code_folded_names_one_area"
            ),
            models.UniqueConstraint(fields=["area"], condition=Q(is_alias=False), name="area_code_one_of_its_own"),
            models.CheckConstraint(condition=~Q(code=""), name="area_code_is_not_empty"),
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        if AreaCode.objects.meaning(self.code).exclude(pk=self.pk).exists():
            raise ValidationError({"code": CODE_TAKEN})


def lies_within(prefix: str) -> list[str]:
    """All beginnings of a prefix, and itself at the end.

    A prefix takes the customers of those, whatever country it names: many a request comes without one.
    """
    return [prefix[:length] for length in range(1, len(prefix) + 1)]


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
        # In capital letters a text can be longer than it was.
        self.clean_fields(exclude=["area"])
        # A longer prefix may belong to another area, which then wins. The same one may not, even where one of the two
        # is for any country: it would take the other's customers.
        if rival := self.rivals().filter(prefix=self.prefix).first():
            whose = self.name_of(rival.area)
            raise ValidationError({"prefix": f"{rival} belongs to {whose} already. Take it away there first."})
        # It would take customers from areas that its author may not see. What was there before stays.
        as_before = PostcodePrefix.objects.filter(pk=self.pk, prefix=self.prefix, country=self.country)
        if self.seen is None or as_before.exists():
            return
        if around := self.around(any_country=True).exclude(area__in=self.seen).first():
            whose = self.name_of(around.area)
            raise ValidationError(
                {"prefix": f"{self} lies within {around}, which belongs to {whose}. Ask a supervisor of all areas."}
            )

    def rivals(self) -> models.QuerySet["PostcodePrefix"]:
        """The prefixes of other areas that are for the same country, or for any."""
        rivals = PostcodePrefix.objects.exclude(area_id=self.area_id).select_related("area")
        return rivals.filter(country__in=["", *countries.spellings(self.country)]) if self.country else rivals

    def around(self, *, any_country: bool = False) -> models.QuerySet["PostcodePrefix"]:
        """Those of the rivals that this prefix lies within; with `any_country`, of all prefixes of other areas, as
        `lies_within` has it."""
        if any_country:
            others = PostcodePrefix.objects.exclude(area_id=self.area_id).select_related("area")
            return others.filter(prefix__in=lies_within(self.prefix))
        return self.rivals().filter(prefix__in=lies_within(self.prefix)[:-1])

    def name_of(self, area: ServiceArea) -> str:
        return str(area) if self.seen is None or area.pk in self.seen else "another area"
