"""Which files of the packages are published: all but source maps, which are large and say how scripts were made."""

from collections.abc import Iterable
from typing import Any

from django.contrib.staticfiles.finders import AppDirectoriesFinder

SOURCE_MAPS = "*.map"


class Finder(AppDirectoriesFinder):
    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[Any]:
        return super().list([*(ignore_patterns or []), SOURCE_MAPS])

    def find(self, path: str, *args: Any, **options: Any) -> Any:
        return [] if path.endswith(SOURCE_MAPS.lstrip("*")) else super().find(path, *args, **options)
