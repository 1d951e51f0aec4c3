"""The time between the order to stop and the stop, in which load balancers hear from `/readyz` to look elsewhere.

gunicorn's master learns first that the service stops; its workers read that in memory that they share. All requests
are answered as ever meanwhile.
"""

import os
import signal
from typing import Any

from bookings.telemetry.shared import SharedMemory

STOPPING = "stopping"

shared = SharedMemory(1)


def is_under_way() -> bool:
    return shared.memory[0] == 1


def stop_after(server: Any, seconds: int) -> None:
    """Let gunicorn's master wait after its first SIGTERM. A second one, SIGINT and SIGQUIT stop at once.

    gunicorn looks the handler up by its name in its main loop, where the alarm ends as a second SIGTERM does: workers
    that die meanwhile are replaced as ever.
    """
    if not seconds:
        return
    stop = server.handle_term

    def begin_or_stop() -> None:
        if is_under_way():
            stop()
        shared.memory[0] = 1
        server.log.info("Stopping in %s seconds (BOOKJOB_DRAIN_SECONDS)", seconds)
        signal.alarm(seconds)

    def is_over(number: int, frame: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGALRM, is_over)
    server.handle_term = begin_or_stop
