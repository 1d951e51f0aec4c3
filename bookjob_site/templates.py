"""How the templates of the pages are read: those of this folder first, then those of each app."""

import re
from typing import Any

from django.template.base import Origin
from django.template.loaders import filesystem
from django.template.utils import get_app_template_dirs

INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)


class Loader(filesystem.Loader):
    """Without the indentation of HTML, which is a fifth of a page. What a variable holds stays as it is."""

    def get_dirs(self) -> list[Any]:
        return [*super().get_dirs(), *get_app_template_dirs("templates")]

    def get_contents(self, origin: Origin) -> str:
        text: str = super().get_contents(origin)
        return INDENTATION.sub("", text) if origin.name.endswith(".html") else text
