"""Another system that calls with a key."""

import json

from django.test import Client

from bookings.access import keys
from bookings.models import Scope


def make_key(*scopes: str, name="erp", areas=None, days=None) -> str:
    return keys.make(name=name, scopes=scopes or Scope.values, areas=areas, days=days, by="test")


def call(method: str, path: str, body=None, *, key: str, client=None, **headers: str):
    """`headers` are written with underscores: `If_Match`."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    sent = {"Authorization": f"Bearer {key}"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return (client or Client()).generic(
        method, path, "" if body is None else data, content_type="application/json", headers=sent
    )
