"""A request that comes twice with the same Idempotency-Key is done once, for each key of a system, for 24 hours.

Before it is begun a row is written that claims it. What it changes and the mark that it was done are committed
together: a process that dies in between leaves nothing done, and after a while another one may begin anew. The mark is
set first, so that the row of a slot is changed last, as everywhere. A refusal is kept as an answer, too; a fault of the
service, or of the database, is not.
"""

import hashlib
import re
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

from django.db import transaction
from rest_framework.request import Request

from bookings import clock, sentences
from bookings.access.keys import System
from bookings.api import errors
from bookings.models import ApiKey, KeptAnswer
from bookings.refusals import Code, InvalidRequest, Refused
from bookings.telemetry.metrics import Answer

T = TypeVar("T")

# What is refused now, and may be done in a moment.
PASSING = (Code.UNAVAILABLE, Code.STILL_RUNNING)

KEPT = timedelta(hours=24)
PLAIN, QUOTED = re.compile(r"[!#-~][!-~]{0,254}"), re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')


@dataclass(frozen=True)
class Reply:
    """What is answered, and may be answered again."""

    body: bytes
    etag: str = ""
    status: int = 200

    def answer(self, outcome: str = "ok") -> Answer:
        headers = {"ETag": self.etag} if self.etag else {}
        return Answer(self.body, "application/json", self.status, headers=headers, outcome=outcome)


def once(
    request: Request,
    content: str,
    act: Callable[[], T],
    reply: Callable[[T | None], Reply],
    *,
    seconds: int = 60,
    is_one_transaction: bool = True,
) -> Answer:
    """Acts, and replies; or replies what was replied before. Raises Refused.

    `content` is what is compared, `seconds` how long it may take before another request may begin it anew. `reply` gets
    None where the request was done and its process died before it replied.
    """
    given = _key_of(request)
    if not given:
        return reply(act()).answer()
    kept = _claimed(cast(ApiKey, cast(System, request.user).key), given, _digest(request, content), seconds)
    if kept.status:
        return _again(kept, reply)
    try:
        with transaction.atomic() if is_one_transaction else nullcontext():
            if is_one_transaction:
                _write(kept, status=200)
            done = act()
    except BaseException as fault:
        if isinstance(fault, Refused) and fault.error not in PASSING:
            _write(kept, status=fault.error.status, body=errors.answer(fault, request).content.decode())
        else:
            # It may be begun anew at once. Where the database is away the row is left, and the time does it.
            KeptAnswer.objects.filter(pk=kept.pk, claim=kept.claim, status=0).delete()
        raise
    told = reply(done)
    _write(kept, status=told.status, body=told.body.decode(), etag=told.etag)
    return told.answer()


def _key_of(request: Request) -> str:
    """Empty without the header."""
    text = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return ""
    if quoted := QUOTED.fullmatch(text.strip()):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if PLAIN.fullmatch(text.strip()):
        return str(text.strip())
    raise InvalidRequest([("", sentences.BAD_IDEMPOTENCY_KEY)])


def _digest(request: Request, content: str) -> str:
    asked = [request.method, request.path, request.META.get("QUERY_STRING", ""), request.META.get("HTTP_IF_MATCH", "")]
    return hashlib.sha256("\0".join([*map(str, asked), content]).encode()).hexdigest()


def _claimed(key: ApiKey, given: str, digest: str, seconds: int) -> KeptAnswer:
    """The row of this request, which is ours to do unless it has a status. Raises Refused."""
    now = clock.now()
    KeptAnswer.objects.filter(begun_at__lt=now - KEPT).delete()
    claim = uuid.uuid4().hex
    mine = KeptAnswer(key=key, idempotency_key=given, digest=digest, claim=claim, begun_at=now)
    KeptAnswer.objects.bulk_create([mine], ignore_conflicts=True)
    kept = KeptAnswer.objects.filter(key=key, idempotency_key=given).first()
    if kept is None:
        raise _still_running()  # it came to nothing in this very moment
    if kept.digest != digest:
        raise Refused(Code.IDEMPOTENCY_MISMATCH, sentences.say(sentences.IDEMPOTENCY_MISMATCH, key=given))
    if kept.status or kept.claim == claim:
        return kept
    left = KeptAnswer.objects.filter(
        pk=kept.pk, claim=kept.claim, status=0, begun_at__lt=now - timedelta(seconds=seconds)
    )
    if not left.update(claim=claim, begun_at=now):
        raise _still_running()
    kept.claim = claim
    return kept


def _write(kept: KeptAnswer, **columns: object) -> None:
    """Raises Refused where another request has begun it anew."""
    if not KeptAnswer.objects.filter(pk=kept.pk, claim=kept.claim).update(**columns):
        raise _still_running()


def _again(kept: KeptAnswer, reply: Callable[[T | None], Reply]) -> Answer:
    told = Reply(kept.body.encode(), kept.etag, kept.status) if kept.body else reply(None)
    answer = told.answer("repeat")
    answer["Idempotency-Replayed"] = "true"
    return answer


def _still_running() -> Refused:
    return Refused(Code.STILL_RUNNING, sentences.STILL_RUNNING)
