"""What the safety margin of an area comes to for the slots that it has. The rule itself is in offers.py."""

from bookings import clock
from bookings.models import AppointmentSlot, ServiceArea

# Of so many different sizes of slots the page tells.
SHOWN = 8


def margin_text(area: ServiceArea | None) -> str:
    """How many places are kept back, of those that the coming slots of an area have; without slots, an example."""
    slots = AppointmentSlot.objects.filter(area=area, start__gt=clock.now(), capacity__gt=0)
    sizes = list(slots.order_by("capacity").values_list("capacity", flat=True).distinct()[: SHOWN + 1])
    if area is None or not sizes:
        return "80 keeps back none of 1 to 4 places, 1 of 5 to 9, and 2 of 10."
    percent = area.safety_percent
    kept = {size: size - -(-size * percent // 100) for size in sizes[:SHOWN]}
    text = ", ".join(f"{number or 'none'} of {size}" for size, number in kept.items())
    more = "" if len(sizes) == len(kept) else ", and more of larger ones"
    remedy = " That is nothing: give fewer percent, or slots more places." if not any(kept.values()) else ""
    return f"In this area {percent} keeps back {text}{more}.{remedy if percent < 100 and not more else ''}"
