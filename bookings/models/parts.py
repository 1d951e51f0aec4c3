"""The parts that a visit needs, and the orders in which they are ordered."""

from django.db import models
from django.db.models import Q

from bookings.db.fields import ID_LENGTH
from bookings.models.work_orders import WorkOrder


class PartOrder(models.Model):
    """Parts of a work order that are ordered together; the number is ours unless the parts came with one."""

    # Found by the constraint below. One statement writes both, as for parts.
    work_order = models.ForeignKey(
        WorkOrder, on_delete=models.PROTECT, related_name="part_orders", db_index=False, db_constraint=False
    )
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
    """A part that the visit needs. A superseded part stands here as its replacements, each naming what it replaces.

    On PostgreSQL the constraint of work order and position is the primary key of the table: `id` finds nothing quickly.
    """

    # Found by the constraint below; the parts of a part order are among those of its work order.
    work_order = models.ForeignKey(
        WorkOrder, on_delete=models.PROTECT, related_name="required_parts", db_index=False, db_constraint=False
    )
    # Empty for a part without a product number, which cannot be ordered.
    # One statement writes both, and who removes part orders removes the parts of the work order before: so the database
    # does not look for the one whenever the other is written or removed.
    part_order = models.ForeignKey(
        PartOrder,
        on_delete=models.DO_NOTHING,
        related_name="required_parts",
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
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
