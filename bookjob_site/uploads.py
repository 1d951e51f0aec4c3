"""Files that people send to the pages of the desk: kept in memory while the page reads them, and nowhere else."""

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import MemoryFileUploadHandler


class SmallFiles(MemoryFileUploadHandler):
    """Refuses a form with files before it is read, where it is larger than a form without files may be.

    Django bounds only the latter, and writes the files of the former to the disk, however large, also of a page that
    takes none and of a person who has not logged in.
    """

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *more: Any) -> None:  # noqa: N803
        if content_length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig("The form is larger than DATA_UPLOAD_MAX_MEMORY_SIZE.")
        super().handle_raw_input(input_data, META, content_length, *more)
