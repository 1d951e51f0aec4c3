"""Who hears of bookings, and how far each of them is: the tables of delivery.

A receiver is brought to the state that a work order has now; bookings/delivery/ does that, and nothing else writes
these rows but `delivery.receivers` (connect, pause, send again). A booking writes none of them.
"""

import zlib
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

NAME_LENGTH = 200


class ReceiverQuerySet(models.QuerySet["Receiver"]):
    def on(self) -> Self:
        return self.filter(is_on=True)

    def led(self) -> Self:
        """Those for which a process of `deliver` is alive, by the clock of the database."""
        return self.filter(lease_until__gt=Now())


class Receiver(models.Model):
    """ServiceMobility, or a system of the customer's that takes webhooks.

    Exactly one process at a time leads a receiver: the one that holds its lease. Secrets are the paths of files; their
    contents are read when they are used and never kept.
    """

    class Kind(models.TextChoices):
        SERVICEMOBILITY = "servicemobility", "ServiceMobility"
        WEBHOOK = "webhook", "webhook"

    class Move(models.TextChoices):
        DISPATCH = "dispatch"
        PATCH = "patch"
        PUT = "put"

    class Worker(models.TextChoices):
        SLOT = "slot", "the worker of the slot"
        NONE = "none", "no worker: ServiceMobility assigns"

    name = models.CharField(max_length=NAME_LENGTH, unique=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    url = models.TextField()
    username = models.CharField(max_length=NAME_LENGTH, blank=True)
    # Paths: the password of ServiceMobility; one secret of a webhook, or two while they are rotated.
    secret_files = models.JSONField(default=list)
    template = models.JSONField(default=dict, blank=True, help_text="What each work order is merged over.")
    rate = models.FloatField(default=5, help_text="Calls a second at the most.")
    move = models.CharField(max_length=10, choices=Move.choices, default=Move.DISPATCH)
    worker = models.CharField(max_length=10, choices=Worker.choices, default=Worker.SLOT)

    is_on = models.BooleanField(default=True)
    connected_at = models.DateTimeField()
    # The largest key of a work order when it was connected: what has a larger one was never pushed by anything before.
    last_order_before = models.BigIntegerField(default=0)
    # How far it has read our own feed (feed.Cursor).
    epoch = models.BigIntegerField(default=0)
    place = models.BigIntegerField(default=0)

    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.CharField(max_length=NAME_LENGTH, blank=True)
    paused_reason = models.TextField(blank=True)

    # Empty: it answers. Else what is wrong and what a person can do; one call is tried at `probe_at`.
    trouble = models.TextField(blank=True)
    trouble_since = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="Failed probes in a row.")
    probe_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True, help_text="When it took a call last.")

    # The one leader, by the clock of the database.
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    objects = ReceiverQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "name"]
        permissions = [
            ("pause_receiver", "Can pause and resume receivers"),
            ("send_again", "Can send a work order again"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["kind"], condition=Q(kind="servicemobility"), name="receiver_one_servicemobility"
            ),
            models.CheckConstraint(condition=Q(rate__gt=0), name="receiver_rate_is_positive"),
            models.CheckConstraint(
                condition=Q(paused_at__isnull=True, paused_reason="")
                | (Q(paused_at__isnull=False) & ~Q(paused_reason="")),
                name="receiver_paused_with_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(probe_at__isnull=True, trouble="") | (Q(probe_at__isnull=False) & ~Q(trouble="")),
                name="receiver_in_trouble_has_a_probe",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_servicemobility(self) -> bool:
        return self.kind == self.Kind.SERVICEMOBILITY

    def counter_name(self, event: str) -> str:
        """Of the Counter of attempts that ended so (DeliveryEntry.Event)."""
        return f"delivery {self.pk} {event}"

    @property
    def settings_version(self) -> int:
        """Another one after each change by a person; nine digits, as the desk reads versions."""
        by_people = (self.url, self.username, self.secret_files, self.template, self.rate, self.move, self.worker)
        return zlib.crc32(repr((*by_people, self.is_on, self.paused_at)).encode()) % 10**9


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> Self:
        return self.filter(due_at__isnull=False)

    def stuck(self) -> Self:
        """Those that need a person."""
        return self.exclude(needs_person="")

    def open(self) -> Self:
        """Those whose receiver does not have the present state of the work order yet."""
        return self.filter(wanted_at__isnull=False)


class Delivery(models.Model):
    """How far one receiver is with one work order. None of a work order: the receiver was not told of it yet.

    state           due_at    needs_person    wanted_at     what may follow
    waiting         set       empty           set           in step, waiting (later), needs a person
    needs a person  empty     set             set           waiting: it was changed, or *Send again*
    in step         empty     empty           empty         waiting: it was changed
    """

    receiver = models.ForeignKey(Receiver, on_delete=models.CASCADE, related_name="deliveries")
    work_order = models.ForeignKey("bookings.WorkOrder", on_delete=models.PROTECT, related_name="deliveries")
    # Grows each time that it is made due: a result is the last word only where this is what it was before the call.
    wanted = models.BigIntegerField(default=0)
    wanted_at = models.DateTimeField(null=True, blank=True, help_text="Since when the receiver lags behind.")
    due_at = models.DateTimeField(null=True, blank=True, help_text="When it is tried next.")
    attempts = models.PositiveIntegerField(default=0, help_text="Failed ones since it was made due.")
    failed_at = models.DateTimeField(null=True, blank=True)
    needs_person = models.TextField(blank=True, help_text="Why it waits for a person. Empty: it does not.")
    # A call was, or may have been, made and its end is not known: what stands there has to be looked at.
    is_uncertain = models.BooleanField(default=False)
    called_at = models.DateTimeField(null=True, blank=True, help_text="When such a call was begun.")
    # Digests of what was taken last: when and who, and the rest. Both empty: it is not there.
    pushed_plan = models.CharField(max_length=64, blank=True)
    pushed_rest = models.CharField(max_length=64, blank=True)
    pushed_at = models.DateTimeField(null=True, blank=True, help_text="Since when it is in step.")
    outcome = models.TextField(blank=True, help_text="What became of the last try.")

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            # What is due next.
            models.Index(fields=["receiver", "due_at"], condition=Q(due_at__isnull=False), name="delivery_due"),
            # What needs a person, and what lags behind: few of many.
            models.Index(fields=["receiver", "wanted_at"], condition=Q(wanted_at__isnull=False), name="delivery_open"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["receiver", "work_order"], name="delivery_once_per_receiver_and_order"),
            models.CheckConstraint(
                condition=Q(wanted_at__isnull=True, due_at__isnull=True, needs_person="")
                | Q(wanted_at__isnull=False, due_at__isnull=False, needs_person="")
                | (Q(wanted_at__isnull=False, due_at__isnull=True) & ~Q(needs_person="")),
                name="delivery_waits_or_needs_a_person_or_is_in_step",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.work_order_id} to {self.receiver_id}"

    @property
    def is_asked_once_more(self) -> bool:
        """It took the present state, but a call before that one got no answer."""
        called, pushed, due = self.called_at, self.pushed_at, self.due_at
        return called is not None and pushed is not None and due is not None and called <= pushed < due


class DeliveryEntry(models.Model):
    """A line of the log of a receiver: an attempt without its body, or what a person did to the receiver."""

    class Event(models.TextChoices):
        ACCEPTED = "accepted", "accepted"
        WAITS = "waits", "waits"
        NEEDS_PERSON = "needs_person", "needs a person"
        UNREACHABLE = "unreachable", "receiver takes nothing"
        SENT_AGAIN = "sent_again", "sent again"
        CONNECTED = "connected", "connected"
        CHANGED = "changed", "changed"
        TURNED_OFF = "turned_off", "turned off"
        PAUSED = "paused", "paused"
        RESUMED = "resumed", "resumed"
        ANSWERS_AGAIN = "answers_again", "answers again"
        NEW_EPOCH = "new_epoch", "begins anew"

    receiver = models.ForeignKey(Receiver, on_delete=models.CASCADE, related_name="entries", db_index=False)
    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="entries", null=True, blank=True, db_index=False
    )
    event = models.CharField(max_length=20, choices=Event.choices)
    at = models.DateTimeField()
    by = models.CharField(max_length=NAME_LENGTH, blank=True)
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "delivery entries"
        indexes = [
            # The log of a receiver; the attempts for one work order; what is old.
            models.Index(fields=["receiver", "id"], name="delivery_entry_by_receiver"),
            models.Index(fields=["delivery", "id"], name="delivery_entry_by_delivery"),
            models.Index(fields=["at"], name="delivery_entry_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.at:%Y-%m-%d %H:%M} UTC"
