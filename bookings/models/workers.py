"""Workers and types of orders: records with a name, and which types of orders a worker can do.

Nothing has to be entered: a code that a slot names for the first time gets a record (supply/first_sight.py), and a
worker without abilities can do everything.
"""

from typing import Any

from django.db import models
from django.db.models import Q

from bookings.db.fields import ID_LENGTH


class OrderType(models.Model):
    """A type of orders by its code as ServiceMobility sends it."""

    code = models.CharField(
        max_length=ID_LENGTH, unique=True, help_text="As ServiceMobility sends it; case and blanks matter."
    )
    name = models.CharField(max_length=ID_LENGTH, blank=True, default="", db_default="")
    is_active = models.BooleanField(
        "active", default=True, db_default=True, help_text="One that is not is no longer proposed in forms."
    )

    class Meta:
        ordering = ["code"]
        constraints = [models.CheckConstraint(condition=~Q(code=""), name="order_type_has_a_code")]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})" if self.name else self.code


class Worker(models.Model):
    """A worker by the code that slots name. Without an `Ability` they can do orders of any type."""

    code = models.CharField(
        max_length=ID_LENGTH, unique=True, help_text="ServiceMobility's UserName, as slots have it."
    )
    name = models.CharField(max_length=ID_LENGTH, blank=True, default="", db_default="")
    is_active = models.BooleanField(
        "active",
        default=True,
        db_default=True,
        help_text="Slots of one that is not are not offered. Bookings stay until staff move them.",
    )
    order_types: "models.ManyToManyField[OrderType, Any]" = models.ManyToManyField(
        OrderType, through="Ability", related_name="workers", blank=True
    )

    class Meta:
        ordering = ["code"]
        constraints = [models.CheckConstraint(condition=~Q(code=""), name="worker_has_a_code")]
        # Asked by each search and booking: few of many.
        indexes = [models.Index(fields=["code"], condition=Q(is_active=False), name="worker_not_active")]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})" if self.name else self.code


class Ability(models.Model):
    """That a worker can do orders of a type; by their codes, so that a search needs this table alone."""

    worker = models.ForeignKey(
        Worker, on_delete=models.CASCADE, to_field="code", related_name="abilities", db_index=False
    )
    order_type = models.ForeignKey(
        OrderType,
        on_delete=models.PROTECT,
        to_field="code",
        related_name="+",
        limit_choices_to={"is_active": True},
    )

    class Meta:
        verbose_name_plural = "abilities"
        constraints = [models.UniqueConstraint(fields=["worker", "order_type"], name="ability_said_once")]

    def __str__(self) -> str:
        return f"{self.worker_id} can do {self.order_type_id}"
