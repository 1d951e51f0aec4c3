"""Delivery that is behind: what was booked, moved or cancelled and is not on a device."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from bookings.models import Receiver
from bookings.operations import delivery
from bookings.operations.doctor.finding import Finding

# As the alerts BookjobDeliveryLate and BookjobDeliveryPaused.
LATE = timedelta(minutes=5)
PAUSED_LONG = timedelta(hours=4)


def receivers_that_are_behind(now: datetime) -> Iterator[Finding]:
    receivers = list(Receiver.objects.on())
    counted = delivery.counted() if receivers else {}
    led = set(Receiver.objects.led().values_list("pk", flat=True))
    for receiver in receivers:
        sums = counted.get(receiver.pk, {})
        yield from _of_the_receiver(receiver, receiver.pk in led, now)
        if stuck := sums.get("stuck"):
            yield Finding(
                True, f"Bookings that {receiver} refuses: {stuck}. The desk shows why; then press Send again there."
            )
        oldest = sums.get("oldest")
        if oldest and now - oldest > LATE:
            minutes = (now - oldest) // timedelta(minutes=1)
            yield Finding(
                True, f"Bookings that wait for {receiver}: {sums['waiting']}, the oldest for {minutes} minutes."
            )


def _of_the_receiver(receiver: Receiver, is_led: bool, now: datetime) -> Iterator[Finding]:
    if receiver.paused_at:
        if now - receiver.paused_at > PAUSED_LONG:
            yield Finding(
                False,
                f"{receiver} has been paused since {receiver.paused_at:%Y-%m-%d %H:%M} UTC: {receiver.paused_reason}."
                " Resume it on the desk.",
            )
    elif not is_led:
        yield Finding(
            True, f"No process delivers to {receiver}. Start manage.py deliver (deploy/bookjob-deliver.service)."
        )
    if receiver.trouble and receiver.trouble_since and now - receiver.trouble_since > LATE:
        yield Finding(
            True, f"{receiver} has taken nothing since {receiver.trouble_since:%Y-%m-%d %H:%M} UTC: {receiver.trouble}"
        )


CHECKS: list[Callable[[datetime], Iterator[Finding]]] = [receivers_that_are_behind]
