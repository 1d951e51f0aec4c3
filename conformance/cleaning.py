"""Cancel what a run booked, where the back end has an address for that."""

from collections.abc import Iterator
from urllib.parse import quote

from conformance import kit
from conformance.client import JSON, Answer, Implementation, send

REASON = "check_contract has ended"
# There is nothing left to cancel, whichever of them comes.
GONE = {200, 202, 204, 404, 410}


def cancel(target: Implementation, path: str, key: str, number: str) -> Answer:
    """`path` has {0} for the number of the booking. Without a `key` the token of the run is sent, as in a booking."""
    log_in = {"Authorization": f"Bearer {key}"} if key else {"x-access-token": target.token}
    address = path.replace("{0}", quote(number, safe=""))
    return send(target.url, "POST", address, {"Reason": REASON}, {"Content-Type": JSON} | log_in, target.timeout)


def cancel_all(run: kit.Run, path: str, key: str) -> Iterator[str]:
    """Cancel each booking of the run; yields a line for each that stays, and one for all that are gone."""
    count = len(run.bookings)
    for number, order in list(run.bookings):
        answer = cancel(run.target, path, key, number)
        if answer.status in GONE:
            del run.bookings[number, order]
        else:
            yield run.printable(f"{number} was not cancelled: {str(answer).replace(key, '<key>') if key else answer}")
    yield f"Cancelled {count - len(run.bookings)} of {count} bookings."
