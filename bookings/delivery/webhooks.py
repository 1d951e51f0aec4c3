"""Webhooks by the Standard Webhooks specification: the body is a work order as it stands in the feed."""

import hashlib
from datetime import UTC
from typing import Any

import orjson

from bookings.delivery import secrets
from bookings.delivery.calls import Channel
from bookings.delivery.outcomes import Attempt, Result, refuse
from bookings.models import Receiver, WorkOrder
from bookings.services.public_form import public_form

# 404 and 410 speak of the address.
OF_THE_ORDER = {400, 409, 413, 422}


def body_of(work_order: WorkOrder) -> bytes:
    return orjson.dumps(public_form(work_order))


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Webhooks:
    def __init__(self, receiver: Receiver) -> None:
        self.files, self.channel = receiver.secret_files, Channel(receiver.url)

    def bring(self, attempt: Attempt) -> Result:
        """Any 2xx is a success, whatever is in the answer. Raises ReceiverFault, OrderFault and Lost."""
        body: bytes = attempt.job.state
        headers = self.headers(attempt, body)
        answer = attempt.write(lambda: self.channel.call("POST", "", body, **headers))
        if not 200 <= answer.status < 300:
            refuse(answer, "the webhook", attempt.now(), of_the_order=OF_THE_ORDER)
        return attempt.accepted(f"sent: {answer.status}", digest(body), digest(body))

    def headers(self, attempt: Attempt, body: bytes) -> dict[str, Any]:
        """Signed with each secret: while they are rotated the receiver knows one of the two."""
        now, key = attempt.now(), attempt.job.message_id
        text = body.decode()
        signatures = [each.sign(key, now.astimezone(UTC), text) for each in secrets.webhooks(self.files)]
        return {
            "webhook_id": key,
            "webhook_timestamp": str(int(now.timestamp())),
            "webhook_signature": " ".join(signatures),
        }
