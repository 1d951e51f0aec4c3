"""What is right alone and wrong together, or for this machine."""

import re
from pathlib import Path
from typing import Any

from bookjob_site.environment.declarations import BY_NAME, NUMBERS_CLASH
from bookjob_site.environment.refusing import refuse, refused_names


def compare(values: dict[str, Any]) -> None:
    """Refuse what is right alone and wrong together."""

    def read(*names: str) -> bool:
        """Whether these are worth comparing: what was refused by itself stands here with its default."""
        return refused_names.isdisjoint(names)

    if not values["SECRET_KEY"] and not values["DEBUG"] and read("DEBUG"):
        refuse("SECRET_KEY", "is not set", "a long random text (or run `make run` for a demo with its own)",
               "sessions could be forged")  # fmt: skip
    trusts, trusted = values["BOOKJOB_TRUST_UPSTREAM"], values["BOOKJOB_TRUSTED_NETWORKS"]
    if read("BOOKJOB_TRUST_UPSTREAM", "BOOKJOB_TRUSTED_NETWORKS"):
        if trusts and not trusted:
            refuse("BOOKJOB_TRUST_UPSTREAM", "is on without BOOKJOB_TRUSTED_NETWORKS", "off, or the networks be named",
                   "tokens that anybody can write would be believed")  # fmt: skip
        if trusted and not trusts:
            refuse("BOOKJOB_TRUSTED_NETWORKS", "is set, but BOOKJOB_TRUST_UPSTREAM is off",
                   "empty, or BOOKJOB_TRUST_UPSTREAM be on", "it would change nothing")  # fmt: skip
    order, part = values["BOOKJOB_ORDER_PREFIX"], values["BOOKJOB_PART_ORDER_PREFIX"]
    shorter, longer = sorted((order, part), key=len)
    # FU- and FU-1: FU-12 could be either.
    if longer.startswith(shorter) and re.fullmatch("[0-9]*", longer[len(shorter) :]):
        refuse("BOOKJOB_PART_ORDER_PREFIX", f"is {part!r}, and BOOKJOB_ORDER_PREFIX {order!r}",
               "another text than BOOKJOB_ORDER_PREFIX, and not that with digits behind", NUMBERS_CLASH)  # fmt: skip
    notice, horizon = values["BOOKJOB_NOTICE_MINUTES"], values["BOOKJOB_HORIZON_DAYS"]
    if notice >= horizon * 24 * 60:
        refuse("BOOKJOB_NOTICE_MINUTES", f"is {notice} minutes, and BOOKJOB_HORIZON_DAYS {horizon} days",
               "less than the horizon", "no slot could be booked")  # fmt: skip
    if values["BOOKJOB_OFFER_TYPE"] in values["BOOKJOB_UNAVAILABLE_TYPES"]:
        refuse("BOOKJOB_OFFER_TYPE", f"is {values['BOOKJOB_OFFER_TYPE']!r}, one of BOOKJOB_UNAVAILABLE_TYPES",
               "another code", "each offer that a phone sends back would mean that the customer is away")  # fmt: skip
    if read("BOOKJOB_MAIL_URL", "BOOKJOB_MAIL_TO"):
        if values["BOOKJOB_MAIL_URL"] and not values["BOOKJOB_MAIL_TO"]:
            refuse("BOOKJOB_MAIL_URL", "is set without BOOKJOB_MAIL_TO", "empty, or the addresses be named",
                   "no mail would be sent")  # fmt: skip
        for name in ("BOOKJOB_MAIL_TO", "BOOKJOB_MAIL_FROM"):
            if values[name] and not values["BOOKJOB_MAIL_URL"]:
                refuse(name, "is set, but BOOKJOB_MAIL_URL is not", "empty, or BOOKJOB_MAIL_URL be set",
                       "no mail would be sent")  # fmt: skip
    static: Path = values["STATIC_ROOT"]
    try:
        static.mkdir(parents=True, exist_ok=True)
        next(static.iterdir(), None)
    except OSError as fault:
        refuse("STATIC_ROOT", f"is {str(static)!r}: {fault.strerror}", "a folder that this user can make or read",
               BY_NAME["STATIC_ROOT"].broken)  # fmt: skip
