"""gunicorn's own log lines, in the form of the service's."""

from typing import Any

from gunicorn.glogging import Logger

from bookings.telemetry.logs import JSONFormatter


class Lines(Logger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(JSONFormatter())
