"""The tokens of `createjwt`: HS256 by the standard library, with a life of their own, and revocable all at once."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from typing import Any

HEADER = {"alg": "HS256", "typ": "JWT"}


class Tokens:
    """Those of one simulator; another one, or the same after its end, does not know them."""

    def __init__(self, minutes: float = 60) -> None:
        self.minutes, self.key = minutes, secrets.token_bytes(32)

    def issue(self) -> str:
        now = int(time.time())
        # `jti`: no two are the same, so that a new log-in can be told from the one before.
        claims = {"iat": now, "exp": now + int(self.minutes * 60), "jti": secrets.token_hex(8)}
        signed = f"{_segment(HEADER)}.{_segment(claims)}"
        return f"{signed}.{self._signature(signed)}"

    def is_good(self, token: str) -> bool:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return False
        claims = signed.partition(".")[2]
        document = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
        return bool(document["exp"] > time.time())

    def revoke(self) -> None:
        """None of those that were issued so far is good any more."""
        self.key = secrets.token_bytes(32)

    def _signature(self, signed: str) -> str:
        return _text(hmac.digest(self.key, signed.encode(), hashlib.sha256))


def _segment(document: dict[str, Any]) -> str:
    return _text(json.dumps(document).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
