"""Bodies with many rows: an object with one list in it, or one object a line. Larger than any other body.

They wait on the disk, not in memory, while they are compared with what came before and read row by row.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, ClassVar, NoReturn

from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from bookings import sentences
from bookings.refusals import InvalidRequest, TooLarge

MAX_JSON, MAX_NDJSON = 16 * 1024 * 1024, 100 * 1024 * 1024
MAX_ROW = 64 * 1024
MAX_ROWS = 1_000_000
PIECE = 1024 * 1024

BLANKS = re.compile(r"[ \t\r\n]*")


@dataclass
class Rows:
    """The rows of a body in `file`, whose text has this digest. Read once, one by one."""

    file: IO[bytes]
    digest: str
    are_lines: bool

    def read(self, name: str) -> Iterator[Any]:
        """The rows, of a JSON object those in its list `name`. Raises InvalidRequest where that cannot be read.

        A line that is no JSON is None.
        """
        self.file.seek(0)
        rows = self._lines() if self.are_lines else self._elements(name)
        for count, row in enumerate(rows, 1):
            if count > MAX_ROWS:
                _refuse(sentences.say(sentences.MANY_ROWS, limit=MAX_ROWS))
            yield row

    def _lines(self) -> Iterator[Any]:
        while line := self.file.readline(MAX_ROW + 1):
            if len(line) > MAX_ROW:
                _refuse_long_row()
            if line.strip():
                yield _row_in(line)

    def _elements(self, name: str) -> Iterator[Any]:
        try:
            text = self.file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            _refuse("The request body is not UTF-8 text.")
        begin = re.compile(rf'[ \t\r\n]*\{{[ \t\r\n]*"{name}"[ \t\r\n]*:[ \t\r\n]*\[').match(text)
        if not begin:
            _refuse(sentences.say(sentences.NO_LIST, name=name))
        place = _after_blanks(text, begin.end())
        window = _Window(text)
        while text[place : place + 1] != "]":
            row, place = window.row_at(place)
            yield row
            place = _after_blanks(text, place)
            if text[place : place + 1] == ",":
                place = _after_blanks(text, place + 1)
                if text[place : place + 1] != "]":
                    continue
            elif text[place : place + 1] == "]":
                break
            _refuse(f"The request body is no JSON from character {place} on.")
        place = _after_blanks(text, place + 1)
        if text[place : place + 1] != "}" or _after_blanks(text, place + 1) != len(text):
            _refuse(sentences.say(sentences.NO_LIST, name=name))


class _Window:
    """The part of a text in which a row is read: what is longer than a row may be is not decoded."""

    def __init__(self, text: str) -> None:
        self.text, self.part, self.begin = text, text[:PIECE], 0

    def row_at(self, place: int) -> tuple[Any, int]:
        """The row that begins there, and where it ends. Raises InvalidRequest."""
        if place + MAX_ROW >= self.begin + len(self.part):
            self.part, self.begin = self.text[place : place + PIECE], place
        is_cut = self.begin + len(self.part) < len(self.text)
        try:
            row, end = DECODER.raw_decode(self.part, place - self.begin)
        except (ValueError, RecursionError):
            longer = f", or a row there is larger than {MAX_ROW} bytes" if is_cut else ""
            _refuse(f"The request body is no JSON from character {place} on{longer}.")
        if end + self.begin - place > MAX_ROW:
            _refuse_long_row()
        return row, end + self.begin


class RowsParser(BaseParser):
    media_type = "application/json"
    limit: ClassVar = MAX_JSON

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Any = None) -> Any:
        request: Request = (parser_context or {})["request"]
        if "HTTP_TRANSFER_ENCODING" in request.META:
            # Of a body without a length the beginning would be read alone.
            raise InvalidRequest([("", sentences.NO_LENGTH)])
        file = tempfile.TemporaryFile()  # noqa: SIM115  the view closes it
        try:
            digest = self._copy(stream, file)
        except BaseException:
            file.close()
            raise
        return Rows(file, digest, are_lines=self.media_type != "application/json")

    def _copy(self, stream: IO[bytes], file: IO[bytes]) -> str:
        """The digest of what was copied. Some more of what is too large is read away, so that the refusal is read."""
        digest, size = hashlib.sha256(), 0
        while size <= 2 * self.limit and (piece := stream.read(PIECE)):
            size += len(piece)
            if size <= self.limit:
                file.write(piece)
                digest.update(piece)
        if size > self.limit:
            raise TooLarge(self.limit)
        return digest.hexdigest()


class LinesParser(RowsParser):
    media_type = "application/x-ndjson"
    limit: ClassVar = MAX_NDJSON


def _constant(text: str) -> NoReturn:
    raise ValueError(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


DECODER = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_object)


def _row_in(line: bytes) -> Any:
    try:
        return DECODER.decode(line.decode())
    except (ValueError, RecursionError):
        return None


def _after_blanks(text: str, place: int) -> int:
    found = BLANKS.match(text, place)
    return found.end() if found else place


def _refuse_long_row() -> NoReturn:
    _refuse(sentences.say(sentences.LONG_ROW, limit=MAX_ROW))


def _refuse(message: str) -> NoReturn:
    raise InvalidRequest([("", message)])
