"""Who may see what: the areas of a user, and the log-ins that failed."""

from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from bookings.models.areas import ServiceArea

    Person = User | AnonymousUser

M = TypeVar("M", bound=models.Model, covariant=True)


def visible_areas(user: "Person") -> set[int] | None:
    """The keys of the only areas that a user may see, or None for one who sees all."""
    if user.pk is None:
        return set()
    restriction = AreaRestriction.objects.filter(user_id=user.pk).first()
    return None if restriction is None else set(restriction.areas.values_list("pk", flat=True))


class AreaQuerySet(models.QuerySet[M]):
    """Rows that belong to an area. What a user may see of them is said here, once for all tables."""

    area_key = "area_id"
    # Whether a row that belongs to no area is shown to all: it would be seen by none otherwise.
    shows_without_area = False

    def visible_to(self, user: "Person") -> Self:
        areas = visible_areas(user)
        if areas is None:
            return self
        seen = Q(**{f"{self.area_key}__in": areas})
        return self.filter(seen | Q(**{self.area_key: None}) if self.shows_without_area else seen)


class AreaRestriction(models.Model):
    """A user who has one sees only its areas, and with none in it nothing. A user without one sees every area.

    A row of its own, and not an empty list that means "all": an area that is removed must not open the others.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="area_restriction")
    areas: "models.ManyToManyField[ServiceArea, Any]" = models.ManyToManyField(
        "ServiceArea", blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"areas of {self.user}"


class LogInRecord(models.Model):
    """Failed log-ins of a user name, an address, or the two together, none of which can be read out of `key`."""

    key = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.failures} failures"
