"""Work orders: the follow-up visits that were booked, and the words under which staff find them."""

from typing import Self

from django.db import models
from django.db.models import F, Q

from bookings.db.fields import ID_LENGTH, WordsField
from bookings.models.access import AreaQuerySet
from bookings.models.areas import ServiceArea
from bookings.models.slots import AppointmentSlot

# Each said once, for the list, its filters, the board and the indexes that they are read by.
TO_REVIEW = Q(status="booked", reviewed_at__isnull=True)
PARTS_LATE = Q(status="booked", parts_due_at__gt=F("visit_start"))


class WorkOrderQuerySet(AreaQuerySet["WorkOrder"]):
    def real(self) -> Self:
        """Without those of practice areas."""
        return self.filter(area__is_practice=False)

    def active(self) -> Self:
        """Bookings that hold a place of their slot."""
        return self.filter(status=WorkOrder.Status.BOOKED)

    def needing_attention(self) -> Self:
        """Bookings that no dispatcher has looked at since they came, or since their slot was closed."""
        return self.filter(TO_REVIEW)


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
    # the original order with the period. It makes two for one impossible whatever slots the copies chose. In practice
    # areas it ends with `rows.PRACTICE`.
    claim = models.CharField(max_length=ID_LENGTH + 100)
    # The key of the latest booking of the order, cancelled ones included, that was seen when this one was decided; 0
    # if there was none. It makes a decision impossible that did not know what had become of another copy meanwhile.
    booked_after = models.BigIntegerField(null=True, blank=True, editable=False)
    slot = models.ForeignKey(AppointmentSlot, on_delete=models.PROTECT, related_name="work_orders")
    # The slot's, which never change: so that the list of a million is filtered and sorted by an index of its own. The
    # foreign keys of slot and area see to it that there is such an area.
    area = models.ForeignKey(
        ServiceArea, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
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
    # Place in the feed that other systems read (services/feed.py); empty from a change until the feed is read again.
    change_num = models.BigIntegerField(null=True, blank=True)
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
                condition=TO_REVIEW,
                name="work_order_to_review",
            ),
            # A day or a range of days.
            models.Index(fields=["visit_start", "area"], name="work_order_by_visit"),
            # Everything of an area, an order type, newest first.
            models.Index(fields=["area", "id"], name="work_order_by_area"),
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
                condition=PARTS_LATE,
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
            # Other bookings of the same account; also the area of an account that was visited in one alone.
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
            # Also the index of all bookings of an original order. Of those of before `booked_after` it takes several.
            # Named by expressions, which on SQLite makes it an index beside the table.
            models.UniqueConstraint(F("original_order"), F("booked_after"), name="work_order_one_booked_after_another"),
            # The feed. What has no place in it yet stands in the index of what it has still to number.
            models.UniqueConstraint(
                fields=["change_num"], condition=Q(change_num__isnull=False), name="work_order_by_change_num"
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


class SearchDocument(models.Model):
    """The words under which staff find a work order; see services/search_terms.py.

    Found by a GIN index, or on SQLite by the FTS5 table `bookings_searchdocument_index`, which triggers keep in step.
    """

    # One statement writes both.
    work_order = models.OneToOneField(
        WorkOrder, on_delete=models.CASCADE, primary_key=True, related_name="search_document", db_constraint=False
    )
    words = WordsField()

    def __str__(self) -> str:
        return f"words of {self.work_order_id}"
