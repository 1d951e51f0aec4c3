"""What technicians and administrators read in an error of the API: each sentence once, with named placeholders.

Not here: days and hours, which clock.py writes, and what dispatchers read. Called by all that refuse a request.
`say` fills in every sentence, also those for dispatchers; `counted` puts a number before its noun.
"""

import re
from typing import Any

# Letters that are read from right to left, and marks that turn what follows.
TURNS = re.compile(
    "[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefe"
    "\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
ISOLATES = re.compile("[\u2066-\u2069]")
UNSHOWN = "\N{REPLACEMENT CHARACTER}"
# Of every width, those that keep a name on one line among them; no end of a line.
BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")


def say(sentence: str, **values: Any) -> str:
    """The sentence with these values. None of them turns round the words beside it, whatever was stored."""
    return sentence.format(**{name: isolated(value) for name, value in values.items()})


def isolated(value: Any) -> Any:
    """A text that may be read from right to left, between the marks that keep its direction inside (UAX 9)."""
    if not TURNS.search(text := str(value)):
        return value
    return f"\u2068{ISOLATES.sub('', text)}\u2069"


def counted(number: int, one: str, several: str = "") -> str:
    """`1 slot`, `2 slots`; `several` where that is more than an s."""
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def plain_blanks(text: str) -> str:
    """A text that is typed or copied from a page, with each kind of blank as a blank, and none at its ends."""
    return BLANKS.sub(" ", text).strip()


def one_line(text: str, most: int) -> str:
    """What another system says, as it can be stored and shown: no break, NUL, half a character or mark of direction."""
    words = " ".join(text[: 10 * most].split())
    return "".join(each if each.isprintable() else UNSHOWN for each in words[:most])


# Of the body.
EMPTY_BODY = "The request body is empty."
SEVERAL_FAULTS = "{first} ({count} faults in all.)"
PROPERTY = "{property} {fault}."
UNREADABLE_PROPERTY = "cannot be read"
# What is wrong with a property, by the name that Pydantic has for it.
OF_A_PROPERTY = {
    "missing": "is missing",
    "string_type": "must be a text",
    "string_too_short": "is empty",
    "string_too_long": "is longer than {max_length} characters",
    "too_long": "has more than {max_length} entries",
    "too_short": "is empty",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "decimal_max_digits": "has more than {max_digits} digits",
    "decimal_max_places": "has more than {decimal_places} digits after the point",
    "decimal_whole_digits": "has more than {whole_digits} digits before the point",
    "greater_than_equal": "must be at least {ge}",
}
TOO_LARGE = "The request {fault}. Leave out what the visit does not need."
LARGER_THAN = "is larger than {limit} bytes"
WRONG_CONTENT_TYPE = "The request must be sent as Content-Type: application/json."
COMPRESSED = "The request must be sent uncompressed, without Content-Encoding."
UNREADABLE = "The request cannot be read."
ANY_TOO_LARGE = "The request is too large."

# Of the address.
NO_ORDER = (
    "The address has no work order's number in it. Tell the administrator of ServiceMobility: RestApi.BookJob must hold"
    " {0} where the number belongs, and it must be replaced by the number."
)
BAD_ORDER = "The order number in the address {fault}."
NOT_FOUND = "There is nothing at this address."
METHOD_NOT_ALLOWED = "This address does not take that method."

# Of the caller.
INVALID_LOGON = "Your log-in has expired or is not valid. Log in again."
WRONG_HEADER = "Send the token in the header x-access-token, without a word before it."
INVALID_KEY = "This key is not valid: it is none, has expired, or was revoked. Ask an administrator for another one."
NOT_ALLOWED = "Your log-in does not allow this."
FORBIDDEN = "Your log-in or key does not allow this: it needs the scope {scope}. Ask an administrator."
THROTTLED = "There were too many requests. Try again in {seconds} seconds."

# Of the service.
UNAVAILABLE = "The booking system is busy or being restarted. Try again in a moment."
SERVER_ERROR = "Something went wrong here. Try again, and if it stays so, report incident {incident}."

# Of what the server refuses before the service sees it.
TOO_SLOW = "The request came too slowly. Send it again."
LONG_ADDRESS = "The address of the request is too long. Shorten the order number."
LARGE_HEADERS = "The headers of the request are too large. Log in again for a new token."
UNREADABLE_ADDRESS = "The address of the request cannot be read. Percent-encode blanks in the order number (%20)."
NO_HTTP = "The request cannot be read: it is no valid HTTP."
UNKNOWN_CODING = "The request is sent in a transfer coding that is not known here."
UNKNOWN_EXPECTATION = "The request expects something that is not known here."

# Of the appointment.
NO_SUCH_PERIOD = "There is no such appointment: {period}. Search again and choose another."
SLOT_UNAVAILABLE = "{why} Choose another one than {appointment}."
ALREADY_BOOKED = "The order has a follow-up already: {number}, {appointment}. Ask dispatch to move it."
ALREADY_BOOKED_ELSEWHERE = "The order has a follow-up in another area. Ask dispatch to move it."
CANCELLED_ELSEWHERE = (
    "A follow-up of this order in another area was cancelled a moment ago. Ask dispatch, or book again later."
)
CANCELLED_MEANWHILE = (
    "{number} was booked for this order and then cancelled. Ask dispatch, or search and book again later."
)
CONFLICTING_DUPLICATE = (
    "This appointment is booked for the order already, as {number}, with other details. Ask dispatch to change it."
)
WHY_UNAVAILABLE = {
    "past": "This appointment has begun or is over.",
    "notice": "This appointment begins too soon to be booked.",
    "cutoff": "Bookings for the day of this appointment are closed.",
    "horizon": "This appointment is too far ahead to be booked.",
    "closed": "This appointment is closed for bookings.",
    "full": "This appointment is full.",
    "margin": "The last places of this appointment are kept back.",
}

# Of requests that change something and may come again.
IDEMPOTENCY_MISMATCH = "The Idempotency-Key {key} came before with another content. Send this with a key of its own."
STILL_RUNNING = "The same request is still being done. Send it again in a moment, with the same Idempotency-Key."
BAD_IDEMPOTENCY_KEY = "The header Idempotency-Key must be 1 to 255 printable ASCII characters, plain or quoted."
BAD_IF_MATCH = 'The header If-Match must be the ETag of the work order, such as "3", or *.'
NO_SLOT_TO_MOVE_TO = "There is no such appointment for this work order: {period}. Ask for its alternatives."
NOTHING_TO_MOVE_TO = "There is no free appointment in {area} to move it to."

# Of many rows at once.
NO_LENGTH = "The request must say its Content-Length; send it without Transfer-Encoding."
NO_LIST = 'The request body must be an object with nothing but the list "{name}", or one object a line (NDJSON).'
LONG_ROW = "A row is larger than {limit} bytes."
MANY_ROWS = "There are more than {limit} rows. Send them in several requests."
EMPTY_FILTER = "{property} is empty or holds an empty value. Leave it out where all are meant."
NOTHING_NAMED = "The call names no slot: all slots of the period would be withdrawn."
ROWS_REFUSED = "Nothing was written, for rows are refused ({count}). The first one: {first}."

ABSENCES_COUNT_EVERYWHERE = (
    "An absence counts in all areas, and this key is for some of them. Write a blackout of the worker for each area."
)

# The cursor of the feed.
OTHER_EPOCH = (
    "The cursor is from before the database was restored, and changes may be missing after it. Begin anew without a"
    " cursor, and read all work orders again."
)
NO_CURSOR = "is no cursor of this feed; leave it out to begin anew"

# What the rules say of a slot, by the word of the rule, in the order in which they are asked.
KEPT = {
    "order_type": "It takes orders of this type.",
    "worker": "Its worker can do orders of this type.",
    "past": "It has not begun.",
    "notice": "It begins late enough.",
    "cutoff": "Its day is open for bookings.",
    "horizon": "It is near enough to be booked.",
    "closed": "It is open.",
    "full": "It has a free place.",
    "margin": "Its free places may be booked.",
    "parts": "The parts are there by then.",
    "customer": "It fits the customer's own times.",
}
BROKEN = WHY_UNAVAILABLE | {
    "order_type": "It is for orders of another type.",
    "worker": "Its worker cannot do orders of this type, or is not active.",
    "parts": "It begins before the parts are there.",
    "customer": "It does not fit the customer's own times.",
}
REMEDIES = {
    "order_type": "Make a slot that takes orders {order_type}, or give the order another type.",
    "worker": "Say in the admin that {worker} is active and can do orders {order_type}, or plan another worker.",
    "past": "",
    "notice": "Shorten the notice of {minutes} minutes (BOOKJOB_NOTICE_MINUTES).",
    "cutoff": "Raise the cut-off of {area}, which is {cutoff}.",
    "horizon": "Book it from {from_day} on, or lengthen the horizon of {days} days (BOOKJOB_HORIZON_DAYS).",
    "full": "Free one place of {slot}, or give the slot more places.",
    "margin": "Raise the {percent} percent of {area} that may be booked, or give the slot more places.",
    "parts": "The parts come on {delivery}: have them earlier.",
    "customer": "Ask the customer for other times.",
}
NO_AREA_OF_THAT_CODE = "There is no service area {code}."
NO_AREA = "No service area takes care of this place."
