"""How slow is too slow: who sends or takes less than SLOWEST bytes a second, on the average of PATIENCE seconds."""

from bookings import clock

PATIENCE = 15.0  # seconds
SLOWEST = 1024  # bytes a second
CLOSING = 2.0  # seconds in which the other end reads the rest before a connection is cut
STOPPING = 10.0  # seconds that are left, once the worker stops, to callers that still send or take something


class Pace:
    """Whether the other end is quick enough."""

    def __init__(self) -> None:
        self.moved, self.deadline = 0, clock.ticks() + PATIENCE

    def move(self, size: int) -> None:
        """So many bytes have passed. Enough of them, and the patience begins anew."""
        self.moved += size
        if self.moved >= PATIENCE * SLOWEST:
            self.moved, self.deadline = 0, clock.ticks() + PATIENCE
