"""What has to be set up on both sides before technicians book: the one list behind docs/connect.md and `--check-list`.

The texts are Markdown, as the page has them. An item names the checks that prove it; a person ticks the others.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from conformance.kit import FAIL, PASS, SKIP, Result

# Stands for all checks of a run, and for a token that ServiceMobility issued: it names no issuer.
ALL, FROM_SERVICEMOBILITY = "*", "token of ServiceMobility"


class Item(NamedTuple):
    text: str
    proof: tuple[str, ...] = ()


SECTIONS: dict[str, list[Item]] = {
    "addresses": [
        Item(
            "`{0}` stands in `RestApi.BookJob` as it is: ServiceMobility puts the percent-encoded number of the current"
            " work order there. A booking that arrives with `{0}` is answered 400 and names this setting."
        ),
        Item("ServiceMobility reaches the address by https, and trusts its certificate."),
        Item(
            "Orders that may need a second visit have the rule `CanScheduleFollowup`. Without it the app shows no"
            " button."
        ),
    ],
    "tokens": [
        Item(
            "`BOOKJOB_JWT_KEYS` has the key that ServiceMobility signs with (HS256). To rotate: add the new key behind"
            " the old one on every machine, then put it in front, let the old tokens run out, take the old key away.",
            ("search_shape", "search_forged_token", "book_offer", FROM_SERVICEMOBILITY),
        ),
        Item(
            "Where ServiceMobility gives you no key: `BOOKJOB_TRUST_UPSTREAM=on`, and its networks in"
            " `BOOKJOB_TRUSTED_NETWORKS`."
        ),
        Item(
            "With `ExtUserAuth.Enabled`: each technician is a user here with the permission *Can log in to the API,"
            " search and book*."
        ),
        Item("The clocks of both sides agree within `BOOKJOB_TOKEN_LEEWAY_SECONDS`."),
    ],
    "codes": [
        Item(
            "**Service areas** are ServiceMobility's *work centres*: `Location.ServiceAreaID` is the code of an area"
            " here, or one of its other codes. Case and blanks around make no difference. For requests without a code:"
            " postcodes, and `BOOKJOB_DEFAULT_AREA`.",
            ("search_offers",),
        ),
        Item(
            "**Countries** of postcodes: `GB`, `GBR`, `UK` and `United Kingdom` are one. ServiceMobility's own default"
            " is `USA`."
        ),
        Item(
            "**Time constraints**: ask which `Type` codes mean that the customer is *not* available, and name them in"
            " `BOOKJOB_UNAVAILABLE_TYPES`. While it is empty, each time is read as one at which the customer is"
            " available: a customer who cannot be visited on 1 December is offered 1 December alone. The log says once"
            " a day which codes came."
        ),
        Item("**Order types**: a slot may be for one `OrderType`, or for any. The codes are compared as they are."),
        Item("**Workers**: `UserName` is the id of the mobile worker; slots name workers by the same id."),
        Item("**Statuses**: where the app knows only 200, 401 and 500, set `BOOKJOB_DOCUMENTED_STATUSES_ONLY=on`."),
    ],
    "slots": [
        Item(
            'A booking of the app on a test tenant is accepted. If it is refused with "names no appointment", look at'
            " the body under *Refusals* on the desk, and set `BOOKJOB_SLOT_POINTER`."
        ),
    ],
    "delivery": [
        Item(
            "A user of ServiceMobility for this service, with the rights for WorkOrder `GET`, `PUT`, `PATCH`, `DELETE`"
            " and Dispatch. `check_contract --push` tries them.",
            ("log_in", "put", "read_back", "patch", "dispatch", "delete"),
        ),
        Item(
            "A test tenant was asked what it demands (`check_contract --push`), and the receiver is connected:"
            " [delivery.md](delivery.md#connect-servicemobility)."
        ),
        Item("It is agreed who tells the customer of a move. This service does not."),
    ],
    "proof": [
        Item(
            "`manage.py check_contract https://bookjob.example.org/api/v1 --token TOKEN --location location.json"
            " --check-list` reports no `FAIL` ([conformance.md](conformance.md)). Take a token of ServiceMobility's. It"
            " makes real bookings: use a test system, or an area for practice, and `--clean`.",
            (ALL,),
        ),
        Item(
            "A technician books on a phone; the booking is on the board, and a minute later on the device of the slot's"
            " worker."
        ),
        Item("Cancel it on the desk: it leaves the device."),
    ],
}


def lines(results: Sequence[Result], *, token: str = "", is_push: bool = False) -> Iterator[str]:
    """The list for a terminal: [x] proved by this run, [!] found wrong, [ ] for a person to look at."""
    outcomes = {result.name: result.outcome for result in results}
    outcomes[FROM_SERVICEMOBILITY] = SKIP if has_issuer(token) else PASS
    if not is_push:
        ran = {result.outcome for result in results}
        outcomes[ALL] = next((worst for worst in (FAIL, PASS) if worst in ran), SKIP)
    for section in SECTIONS.values():
        for item in section:
            failed = [name for name in item.proof if outcomes.get(name) == FAIL]
            is_proved = bool(item.proof) and all(outcomes.get(name) == PASS for name in item.proof)
            why = f" ({', '.join(failed)} failed)" if failed and ALL not in failed else ""
            yield f"[{'!' if failed else 'x' if is_proved else ' '}] {plain(item.text)}{why}"


def has_issuer(token: str) -> bool:
    """ServiceMobility's tokens have no `iss`. Those of this service have one, and prove nothing of its key."""
    try:
        payload = token.split(".")[1]
        return "iss" in json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError, TypeError):
        return False


def plain(text: str) -> str:
    """Markdown as a terminal shows it: of a link its words, no marks."""
    return re.sub(r"[*`]", "", re.sub(r"\[([^]]+)\]\([^)]+\)", r"docs/\1", text))
