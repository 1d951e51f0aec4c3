"""What Django REST framework reads a request with, and writes an answer with. What a body says is documents.py."""

from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from bookings.api import errors
from bookings.documents import read_body
from bookings.refusals import TooLarge

# How much of a body that is too large is read away, so that the caller gets to read the refusal.
MAX_DRAINED_BYTES = 16 * 1024 * 1024


class AnswerRenderer(BaseRenderer):
    """Writes JSON. A stored body goes in as orjson.Fragment, letter for letter, so that no number in it is rounded."""

    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data)


class BodyParser(BaseParser):
    """Makes `request.data` a Body."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: Any = None, parser_context: Any = None) -> Any:
        limit = settings.BOOKJOB_MAX_BODY_BYTES
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            for _ in range(MAX_DRAINED_BYTES // limit):
                if not stream.read(limit):
                    break
            raise TooLarge(limit)
        return read_body(raw)


class JSONWhateverIsAccepted(BaseContentNegotiation):
    """ServiceMobility hands the answer on as it is; an odd Accept header must not cost a booking."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        if request.META.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in ("", "identity"):
            raise errors.UnsupportedEncoding
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type
