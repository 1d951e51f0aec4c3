"""Answers that say more than their status, for the log and the metrics."""

from typing import Any

from django.http import HttpResponse


class Answer(HttpResponse):
    """`outcome` is a word of the code: an error code, `repeat`, `nothing_free`. `refusal` is why a slot was refused."""

    def __init__(self, *arguments: Any, outcome: str, refusal: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.outcome, self.refusal = outcome, refusal
