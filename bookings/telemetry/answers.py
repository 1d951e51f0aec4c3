"""Answers that say more than their status, for the log and the metrics."""

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse


class Answer(HttpResponse):
    """`outcome` is a word of the code: an error code, `repeat`, `nothing_free`. `refusal` is why a slot was refused.

    One about a practice area is counted nowhere. `after` is called once the answer is sent, and may not fail.
    """

    def __init__(
        self,
        *arguments: Any,
        outcome: str,
        refusal: str = "",
        is_practice: bool = False,
        after: Callable[[], object] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.outcome, self.refusal, self.is_practice, self.after = outcome, refusal, is_practice, after

    def close(self) -> None:
        # Before Django gives the connection to the database back.
        try:
            if self.after:
                self.after()
        finally:
            super().close()
