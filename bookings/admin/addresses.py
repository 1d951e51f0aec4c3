"""Addresses of pages with what they ask, and the only place where these are put together.

What comes into an address is encoded here: a search for `a&b`, or an address that leads back.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse


def with_query(path: str, query: Mapping[str, Any]) -> str:
    """`path` and what it is asked; a list as value asks the same name several times, and what is empty is left out."""
    asked = urlencode({name: value for name, value in query.items() if value not in ("", None, [])}, doseq=True)
    return f"{path}?{asked}" if asked else path


def with_one_more(address: str, name: str, key: int) -> str:
    """`address`, which may ask something already, with the primary key of a row: for pages with thousands of them."""
    return f"{address}{'&' if '?' in address else '?'}{name}={key}"


def is_key(text: str) -> bool:
    """Whether it can be the primary key of a row: both databases refuse a larger number as well as a word."""
    return text.isascii() and text.isdecimal() and len(text) < 19


def of_rows(model: str) -> str:
    """The address of a row of one of our models, for pages with thousands of them: `{}` is its primary key."""
    return reverse(f"admin:bookings_{model}_change", args=["KEY"]).replace("KEY", "{}")


def list_of(model: str, **query: Any) -> str:
    """The list of one of our models in the admin, with these filters."""
    return with_query(reverse(f"admin:bookings_{model}_changelist"), query)
