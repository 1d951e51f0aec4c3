"""The Book Job Object of a work order, letter for letter: as a text in its row, or packed in a row of its own.

A row of its own, because each change of a work order writes the whole row again, and because the database keeps apart
only what is longer than 2 KB.
"""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from bookings.db import packing


class _Body(DeferredAttribute):
    """Where the column is empty, the body is unpacked: for many rows, read `packed_body` with them."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        body = super().__get__(instance, cls)
        if body == "" and instance.pk:
            body = instance.__dict__[self.field.attname] = _packed_or_text(instance)
        return body

    def __set__(self, instance: Any, value: Any) -> None:
        # So that it is asked, and not the value alone.
        instance.__dict__[self.field.attname] = value


def _packed_or_text(instance: Any) -> str:
    try:
        return packing.unpack(bytes(instance.packed_body.content))
    except ObjectDoesNotExist:
        # It was changed after the column was read: then the new one stands there.
        texts = type(instance)._base_manager.filter(pk=instance.pk).values_list("body", flat=True)
        return texts.first() or ""


class BodyField(models.TextField):  # type: ignore[type-arg]
    descriptor_class = _Body

    def deconstruct(self) -> Any:
        """For migrations it is a text: to alter a column Django makes SQLite's table anew."""
        name, _, arguments, options = super().deconstruct()
        return name, "django.db.models.TextField", arguments, options


class PackedBody(models.Model):
    """The body of a work order whose own column for it is empty; see services/bodies.py."""

    # One statement writes both.
    work_order = models.OneToOneField(
        "WorkOrder", on_delete=models.CASCADE, primary_key=True, related_name="packed_body", db_constraint=False
    )
    letters = models.PositiveIntegerField(help_text="Of the text.")
    content = models.BinaryField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"body of {self.work_order_id}"
