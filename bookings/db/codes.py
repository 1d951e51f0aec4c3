"""The codes of areas as they are compared, without case and blanks around: folded here, for both databases.

`LOWER` of SQLite knows the letters from A to Z alone, and that of PostgreSQL depends on the locale of the database.
"""

import unicodedata
from typing import Any

from django.db import models


def fold(code: str) -> str:
    return unicodedata.normalize("NFC", code.strip().casefold())


def folding_of(code: str) -> str:
    """The code and what it is folded: a trigger can tell that the second belongs to the first."""
    return f"{code}\n{fold(code)}"


class FoldedCode(models.TextField):  # type: ignore[type-arg]
    """The row's `code` folded; whatever saves the row sets it."""

    def pre_save(self, model_instance: Any, add: bool) -> str:
        value = fold(model_instance.code)
        setattr(model_instance, self.attname, value)
        return value


class CodeFolding(models.TextField):  # type: ignore[type-arg]
    """The row's `code` as `folding_of` has it; whatever saves the row sets it."""

    def pre_save(self, model_instance: Any, add: bool) -> str:
        value = folding_of(model_instance.code)
        setattr(model_instance, self.attname, value)
        return value
