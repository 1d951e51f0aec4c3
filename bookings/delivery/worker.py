"""One process of `deliver`: leads the receivers that no other process leads, until it is told to end."""

import logging
import threading
import uuid
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from django.db import Error, connection

from bookings.delivery.leader import Leader, Time
from bookings.models import Receiver

logger = logging.getLogger("bookings")

# Seconds between two looks where nothing is to be done: half of what a change may take to be noticed.
IDLE = 0.5
AFTER_AN_ERROR = 2.0


class Worker:
    def __init__(self, receiver: str = "", clock: Time | None = None) -> None:
        self.name, self.clock = receiver, clock
        self.holder = uuid.uuid4().hex
        self.leaders: dict[int, Leader] = {}

    def run(self, ended: threading.Event, *, once: bool = False) -> None:
        """`once`: until nothing is due and nothing is under way; Django's database errors then end it."""
        try:
            while not ended.is_set():
                try:
                    if self.turn():
                        continue
                    if under_way := self._under_way():
                        wait(under_way, timeout=IDLE, return_when=FIRST_COMPLETED)
                    elif once:
                        return
                    else:
                        ended.wait(IDLE)
                except Error:
                    if once:
                        raise
                    # A failover, a restart: what is under way is recorded once the database is back.
                    logger.warning("The database did not answer; delivery goes on when it does", exc_info=True)
                    connection.close()
                    ended.wait(AFTER_AN_ERROR)
        finally:
            for leader in self.leaders.values():
                leader.end()

    def turn(self) -> bool:
        """One step of each receiver; says whether there may be more to do at once."""
        receivers = Receiver.objects.on().order_by("pk")
        if self.name:
            receivers = receivers.filter(name=self.name)
        keys = list(receivers.values_list("pk", flat=True))
        for key in self.leaders.keys() - keys:
            self.leaders.pop(key).leave()
        did = False
        for key in keys:
            did |= self.leaders.setdefault(key, Leader(key, self.holder, self.clock)).step()
        return did

    def _under_way(self) -> list[Future[Any]]:
        return [future for leader in self.leaders.values() for future in leader.running]
