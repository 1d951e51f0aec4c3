"""Who may see and do what: the areas of a user, the keys of systems, and the log-ins that failed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from bookings.db.fields import ID_LENGTH

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from bookings.models.areas import ServiceArea

    Person = User | AnonymousUser

# Of a user object: what `visible_areas` found.
ASKED = "_visible_areas"

M = TypeVar("M", bound=models.Model, covariant=True)


def visible_areas(user: "Person") -> set[int] | None:
    """The keys of the only areas that a user may see, or None for one who sees all.

    Asked once of a user object, as Django does with permissions: each request has one of its own.
    """
    if user.pk is None:
        return set()
    if not hasattr(user, ASKED):
        restriction = AreaRestriction.objects.filter(user_id=user.pk).first()
        setattr(user, ASKED, restriction and frozenset(restriction.areas.values_list("pk", flat=True)))
    seen: frozenset[int] | None = getattr(user, ASKED)
    return None if seen is None else set(seen)


class AreaQuerySet(models.QuerySet[M]):
    """Rows that belong to an area. What a user may see of them is said here, once for all tables."""

    area_key = "area_id"
    # Whether a row that belongs to no area is shown to all: it would be seen by none otherwise.
    shows_without_area = False

    def visible_to(self, user: "Person") -> Self:
        return self.in_areas(visible_areas(user))

    def in_areas(self, areas: Iterable[int] | None) -> Self:
        """Of `visible_areas`: None is every area."""
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


class BoardVisit(models.Model):
    """When a person was at the board, which says what came since they were last there."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+")
    seen_at = models.DateTimeField()
    # When the visit before this one ended. Empty: this is the first.
    left_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"visit of {self.user}"


class SavedView(models.Model):
    """The filters of a page under a name: a person's own, or shared with all who may open the page.

    It is what stands in the address of the page, so that what a person may not see stays unseen in it.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    page = models.CharField(max_length=40)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000)
    is_shared = models.BooleanField(default=False, db_default=False)

    class Meta:
        default_permissions = ()
        permissions = [("share_savedview", "Can share views with others")]
        constraints = [models.UniqueConstraint(fields=["owner", "page", "name"], name="saved_view_name_once")]
        # Those that are shown above a page.
        indexes = [models.Index(fields=["page"], condition=Q(is_shared=True), name="saved_view_shared")]

    def __str__(self) -> str:
        return self.name


class LogInRecord(models.Model):
    """Failed log-ins of a user name, an address, or the two together, none of which can be read out of `key`."""

    key = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    failed_at = models.DateTimeField(null=True, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.failures} failures"


class Scope(models.TextChoices):
    """What a key may do; the labels are the table of docs/api.md."""

    SEARCH = "search", "search appointments"
    BOOK = "book", "book follow-up visits"
    WORK_ORDERS_READ = "work_orders:read", "read work orders, with the customers' names and addresses"
    WORK_ORDERS_WRITE = "work_orders:write", "cancel, move, review and note work orders"
    SUPPLY_READ = "supply:read", "read areas, slots, blackouts and absences"
    SUPPLY_WRITE = "supply:write", "make, change and withdraw areas, slots, blackouts and absences"
    EXPLAIN = "explain", "ask what the rules say of each slot"


class ApiKey(models.Model):
    """A key of another system. It never changes: other scopes or areas are another key.

    The key itself is not kept, only its digest; it is 256 random bits, so that a plain hash is enough.
    """

    name = models.CharField(max_length=100, help_text="The system that uses it: it stands in the history.")
    beginning = models.CharField(max_length=20, help_text="The first characters of the key, to tell keys apart.")
    digest = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    is_restricted = models.BooleanField(default=False, help_text="It sees only its areas, and with none, nothing.")
    areas: "models.ManyToManyField[ServiceArea, Any]" = models.ManyToManyField(
        "ServiceArea", blank=True, related_name="+"
    )
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=ID_LENGTH, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=ID_LENGTH, blank=True)

    class Meta:
        verbose_name = "API key"
        ordering = ["-pk"]
        permissions = [("revoke_apikey", "Can revoke API keys")]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(revoked_at__isnull=True), name="api_key_name_is_unique_until_revoked"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CalendarAddress(models.Model):
    """A secret address of a calendar: the bookings of a worker, or of an area. It never changes, and can be revoked.

    Of the address only the digest is kept, as of a key.
    """

    digest = models.CharField(max_length=64, unique=True)
    worker = models.CharField(max_length=ID_LENGTH, blank=True, help_text="Whose bookings, in all areas.")
    area = models.ForeignKey("ServiceArea", on_delete=models.CASCADE, related_name="+", null=True, blank=True)
    shows_customers = models.BooleanField(
        "shows customers", default=False, help_text="With the names and addresses of customers."
    )
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=ID_LENGTH, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=ID_LENGTH, blank=True)

    objects = AreaQuerySet["CalendarAddress"].as_manager()

    class Meta:
        verbose_name_plural = "calendar addresses"
        ordering = ["-pk"]
        permissions = [("revoke_calendaraddress", "Can revoke calendar addresses")]
        constraints = [
            models.CheckConstraint(
                condition=Q(area__isnull=True) ^ Q(worker=""), name="calendar_address_is_of_a_worker_or_an_area"
            ),
        ]

    def __str__(self) -> str:
        return self.worker or str(self.area)


class KeptAnswer(models.Model):
    """What was answered to a request with an Idempotency-Key; see api/idempotency.py. Without a status it still runs.

    `claim` is another one each time that the request is begun: a request that lost its turn can store nothing.
    """

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+", db_index=False)
    idempotency_key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, help_text="Of the method, the address and the content.")
    claim = models.CharField(max_length=32)
    begun_at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(default=0)
    etag = models.CharField(max_length=40, blank=True)
    body = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "idempotency_key"], name="kept_answer_once_per_key"),
        ]
        # What is forgotten.
        indexes = [models.Index(fields=["begun_at"], name="kept_answer_by_time")]

    def __str__(self) -> str:
        return f"{self.idempotency_key}: {self.status or 'running'}"
