"""The checks of the Appointment Search interface, and of the header."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

from conformance import client
from conformance.answers import Failed, excerpt, object_in, offers_in, period_text, short
from conformance.kit import Run, Skipped, add, check, some
from conformance.samples import blanks, full, part, vendor_time, with_address_lines, with_loc_number


@check("a search")
def search_answers(run: Run) -> None:
    object_in(run.search())


@check("a search", needs="search_answers")
def search_shape(run: Run) -> None:
    offers_in(run.search())


@check("a search", needs="search_shape")
def search_offers(run: Run) -> str:
    answer = run.search()
    offers = offers_in(answer)
    if not offers:
        message = answer.document.get("StatusMsg") or "no StatusMsg"
        raise Failed(f"nothing is offered ({message}); name a --location and --order-type with open slots")
    return f"{len(offers)} periods, {offers[0].start:%Y-%m-%d %H:%M} to {offers[-1].end:%Y-%m-%d %H:%M} UTC"


@check("a search", needs="search_offers")
def search_periods(run: Run) -> None:
    now = datetime.now(UTC)
    for offer in run.offers():
        if offer.end <= offer.start:
            raise Failed(f"a period ends before it starts: {period_text(offer.constraint)}")
        if offer.start < now - timedelta(minutes=5):
            raise Failed(f"a period is over or has begun: {period_text(offer.constraint)}")


@check("a search", needs="search_offers")
def search_sorted(run: Run) -> None:
    starts = [offer.start for offer in run.offers()]
    for position, (earlier, later) in enumerate(pairwise(starts), start=2):
        if later < earlier:
            raise Failed(f"offer {position} starts before the one above it")


@check("a search", needs="search_offers")
def search_distinct(run: Run) -> None:
    offers = some(run.offers())
    period, times = Counter(offer.period for offer in offers).most_common(1)[0]
    if times > 1:
        raise Failed(f"the period from {period[0]:%Y-%m-%dT%H:%MZ} is offered {times} times")


@check("two searches", needs="search_offers")
def search_ids_stable(run: Run) -> str:
    first, second = ({offer.period: offer.constraint.get("ID") for offer in run.offers()} for _ in range(2))
    for period in first.keys() & second.keys():
        if first[period] != second[period]:
            raise Failed(f"the period from {period[0]:%Y-%m-%dT%H:%MZ} has another ID in each")
    return "" if any(first.values()) else "the offers have no ID, which is allowed"


@check(
    "a search in an unknown area, for a customer who had time in 2001 only, parts due in 2099", needs="search_offers"
)
def search_nothing(run: Run) -> str:
    answer = run.search(
        run.body(
            run.order(),
            Location=run.plan.location | {"ServiceAreaID": f"CHECK-{run.mark}"},
            TimeConstraints=[{"Period": {"Start": "2001-01-01T08:00:00.000Z", "End": "2001-01-01T09:00:00.000Z"}}],
            RequiredParts=[part(run.plan.parts[0], EstimatedDelivery="2099-01-01T00:00:00.000Z")],
        )
    )
    if offers_in(answer):
        raise Failed("something is offered")
    message = object_in(answer).get("StatusMsg")
    if not (isinstance(message, str) and message.strip()):
        raise Failed("the list is empty, and StatusMsg does not say why")
    return short(message)


@check("a search with a part that arrives when the first offer is over", needs="search_offers")
def search_waits_for_parts(run: Run) -> None:
    first = some(run.offers())[0]
    delivery = vendor_time(first.end)
    offers = run.offers(RequiredParts=[part(run.plan.parts[0], EstimatedDelivery=delivery)])
    if any(offer.start < first.end for offer in offers):
        raise Failed(f"an offer starts before the part arrives at {delivery}")


@check("a search with the first offer's period as the customer's own time", needs="search_offers")
def search_customer_times(run: Run) -> str:
    first, *others = some(run.offers())
    if all(first.start < other.end and other.start < first.end for other in others):
        raise Skipped("there are no two offers apart from each other; open more slots")
    wish = {"Period": {"Start": vendor_time(first.start), "End": vendor_time(first.end)}}
    offers = run.offers(TimeConstraints=[wish])
    within = [offer for offer in offers if first.start <= offer.start and offer.end <= first.end]
    apart = [offer for offer in offers if offer.end <= first.start or first.end <= offer.start]
    # Whether a constraint without Type means "only then" or "not then" is the customer's choice; it means one of them.
    if offers not in (within, apart):
        raise Failed("offers inside of it and offers outside of it came back: it was ignored")
    if not offers:
        return "nothing is offered then"
    return "read as the time when the customer is there" if within else "read as the time when the customer is away"


@check("a search with all properties filled", needs="search_shape")
def search_full_body(run: Run) -> None:
    offers_in(run.search(full(run.plan, run.body(run.order()))))


@check('a search with AddressLine1, LocNumber, "", null, one TimeConstraints object', needs="search_offers")
def search_spellings(run: Run) -> None:
    offer = some(run.offers())[0]
    period = {"Start": vendor_time(offer.start), "End": vendor_time(offer.end)}
    body = run.body(run.order(), TimeConstraints={"Desc": "", "Type": "", "Period": period}, **blanks(run.plan))
    body["Location"] = with_loc_number(with_address_lines(run.plan.location))
    offers_in(run.search(body))


def _search_refusals(run: Run) -> None:
    for body in ('{"Account": ', "", "[]", run.body(run.order(), RequiredParts="PUMP")):
        run.refused(run.search(body), {400})


add(
    "search_refuses_bad_bodies",
    "searches with half a JSON text, nothing, a list, a text as RequiredParts",
    "search_answers",
    _search_refusals,
)


# --- The header ----------------------------------------------------------------------------------------------


@check("a search with X-ACCESS-TOKEN in capitals", needs="search_answers")
def header_any_case(run: Run) -> None:
    object_in(run.search(headers=run.target.headers(run.target.token, name="X-ACCESS-TOKEN")))


@check("a search with Content-Type: application/json; charset=utf-8", needs="search_answers")
def content_type_with_charset(run: Run) -> None:
    object_in(run.search(headers=run.target.headers(run.target.token, f"{client.JSON}; charset=utf-8")))


@check("GET instead of POST at both addresses", needs="search_answers")
def wrong_method(run: Run) -> None:
    run.refused(run.search("", method="GET"), {404, 405})
    run.refused(run.book(run.order(), "", method="GET"), {404, 405})


BAD_TOKENS: dict[str, tuple[str, Callable[[Run], str | None]]] = {
    "missing": ("no token", lambda run: None),
    "garbage": ("a token that is none", lambda run: "no-token-at-all"),
    "unsigned": ("a token with alg: none and no signature", lambda run: client.unsigned(run.target.token)),
    "expired": (
        "an expired token",
        lambda run: run.plan.expired_token or client.expired(run.target.token),
    ),
    "forged": ("a token with another signature", lambda run: client.forged(run.target.token)),
}


def _logon_is_refused(run: Run, *, kind: str, books: bool) -> str:
    if kind == "forged" and run.plan.trust_upstream:
        raise Skipped("--trust-upstream: signatures are not checked here")
    headers = run.target.headers(BAD_TOKENS[kind][1](run))
    if books:
        order, offer = run.set_aside("forged" if kind == "forged" else "logons")
        answer = run.book(order, run.booking(order, offer), headers=headers)
    else:
        answer = run.search(headers=headers)
    if answer.status != 401:
        raise Failed(f"401 was expected; {excerpt(answer)}")
    if kind == "expired" and not run.plan.expired_token:
        return "its signature does not fit either; --expired-token would test the expiry alone"
    return ""


for _kind, (_words, _) in BAD_TOKENS.items():
    add(
        f"search_{_kind}_token",
        f"a search with {_words}",
        "search_answers",
        partial(_logon_is_refused, kind=_kind, books=False),
    )
for _kind, (_words, _) in BAD_TOKENS.items():
    add(
        f"book_{_kind}_token",
        f"a booking with {_words}",
        "search_offers",
        partial(_logon_is_refused, kind=_kind, books=True),
    )
