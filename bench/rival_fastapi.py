"""Rival (b): what a strong engineer would write by hand instead: FastAPI, asyncpg, single statements.

The same contract, checks, rows and durability as the product: what reads a body, a token and the words for staff is the
product's own, so that neither side wins by checking less. What a request costs beside that is the rival's: its server,
its routing, its statements, its waits. Policy `single` only.
"""

import logging
import os
import random
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookjob_site.settings")
django.setup()

import asyncpg  # noqa: E402
import orjson  # noqa: E402
from django.conf import settings  # noqa: E402
from fastapi import FastAPI, Request, Response  # noqa: E402
from rest_framework import exceptions  # noqa: E402

from bookings import documents, offers, refusals, wire  # noqa: E402
from bookings.access import tokens  # noqa: E402
from bookings.api import errors, serializers  # noqa: E402
from bookings.models import ID_LENGTH, plain_postcode  # noqa: E402
from bookings.offers import choices, rulebook  # noqa: E402
from bookings.services import (  # noqa: E402
    BookingError,
    search_terms,
)
from bookings.telemetry import origin  # noqa: E402

logger = logging.getLogger("bookings.request")
SANE_ID = re.compile(r"[A-Za-z0-9._:/=+-]{1,64}")

# The rules of a slot: $1 now, $2 notice, $3 first open day, $4 horizon, $5 safety margin.
RULES = {
    "past": "start > $1",
    "notice": "start > $2",
    "cutoff": "start >= $3",
    "horizon": "start <= $4",
    "closed": "is_open AND blackout_id IS NULL AND NOT is_withdrawn",
    "full": "booked < capacity",
    "margin": "booked::bigint * 100 < capacity::bigint * $5",
}
TAKEABLE = " AND ".join(f"({rule})" for rule in RULES.values())
REFUSAL = f"CASE {' '.join(f'WHEN NOT ({rule}) THEN {word!r}' for word, rule in RULES.items())} ELSE '' END"
AREA = "id, code, name, time_zone, cutoff_days, cutoff_time, safety_percent"

pool: asyncpg.Pool


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    global pool
    given = urlsplit(os.environ["DATABASE_URL"])

    async def leave_as_it_is(_: asyncpg.Connection) -> None:
        """Nothing here leaves a trace in a session: the statement that would reset it is spared."""

    pool = await asyncpg.create_pool(
        given.geturl(),
        min_size=8,
        max_size=8,
        reset=leave_as_it_is,
        server_settings={"lock_timeout": "8000", "statement_timeout": "15000"},
    )
    yield
    await pool.close()


app = FastAPI(lifespan=lifespan, openapi_url=None)


class Around:
    """Request id and one line in the log, as the product has them."""

    def __init__(self, inner: Callable[..., Awaitable[None]]) -> None:
        self.inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        began = time.perf_counter()
        given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
        request_id = given if SANE_ID.fullmatch(given) else uuid.uuid4().hex
        origin.current.set(origin.Origin("api", request_id))
        facts = scope["facts"] = {"route": "", "status": 0, "outcome": "ok", "caller": ""}

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-request-id", request_id.encode()))
                facts["status"] = message["status"]
            await send(message)

        await self.inner(scope, receive, answer)
        if route := scope.get("route"):
            facts["route"] = route.path
        facts["ms"] = round((time.perf_counter() - began) * 1000, 1)
        logger.info("%s", scope["method"], extra={"facts": facts})


app.add_middleware(Around)


@app.exception_handler(BookingError)
@app.exception_handler(exceptions.APIException)
@app.exception_handler(asyncpg.PostgresError)
async def refuse(request: Request, exception: Exception) -> Response:
    status, detail, headers = errors.describe(exception)
    request.scope["facts"]["outcome"] = detail["params"]["error"]
    return Response(orjson.dumps({"code": status, "detail": detail}), status, headers, "application/json")


@app.get("/readyz")
async def ready() -> dict[str, str]:
    await pool.fetchval("SELECT 1")
    return {"status": "ok"}


@app.post("/api/v1/workorders/{order:path}/followup")
async def book(order: str, request: Request) -> Response:
    caller = authenticate(request)
    if "\0" in order or len(order) > ID_LENGTH:
        raise refusals.InvalidRequest([("", "The order number in the address cannot be kept.")])
    body, job = await read(request, serializers.BookJobSerializer)
    async with pool.acquire() as connection:
        try:
            number, ordered = await book_or_refuse(connection, order, job, body, caller)
        except BookingError as refusal:
            await keep_refusal(connection, refusal, order, job, body.text, caller)
            raise
    answer = {
        "OrderNum": number,
        "OrderedParts": [{"PartOrderNum": number, "Parts": parts} for number, parts in ordered.items()],
    }
    return Response(orjson.dumps(answer), media_type="application/json")


@app.post("/api/v1/appointments/search")
async def search(request: Request) -> Response:
    authenticate(request)
    _, job = await read(request, serializers.SearchSerializer)
    message, periods = "", []
    async with pool.acquire() as connection:
        area = await find_area(connection, job.location)
        if area:
            periods = await open_periods(connection, area, job, settings.BOOKJOB_MAX_OFFERS)
            if not periods:
                message = f"There is no free appointment in {area['name']}."
        else:
            message = offers.no_area(job)
    shown = offered(area, periods) if area else []
    return Response(orjson.dumps({"StatusMsg": message, "TimeConstraints": shown}), media_type="application/json")


# --- What is checked ---------------------------------------------------------------------------------------


def authenticate(request: Request) -> str:
    claims = tokens.read_token(request.headers.get("x-access-token", ""))
    name = tokens.caller_of(claims).name
    request.scope["facts"]["caller"] = name
    return name


async def read(request: Request, serializer: type[serializers.WireSerializer]) -> tuple[documents.Body, Any]:
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise exceptions.UnsupportedMediaType("")
    raw = await request.body()
    if len(raw) > settings.BOOKJOB_MAX_BODY_BYTES:
        raise refusals.TooLarge(settings.BOOKJOB_MAX_BODY_BYTES)
    body = documents.read_body(raw)
    return body, serializer().to_internal_value(body)


# --- Reading -----------------------------------------------------------------------------------------------


async def find_area(connection: asyncpg.Connection, location: wire.Location) -> Any:
    if location.service_area_id:
        return await connection.fetchrow(
            f"SELECT {AREA} FROM bookings_servicearea WHERE code = $1", location.service_area_id
        )
    postcode = plain_postcode(location.address.zip)[:20]
    beginnings = [postcode[:length] for length in range(1, len(postcode) + 1)]
    columns = ", ".join(f"area.{column}" for column in AREA.split(", "))
    return await connection.fetchrow(
        f"SELECT {columns}, length(prefix) AS length, country FROM bookings_servicearea AS area"
        " JOIN bookings_postcodeprefix ON area_id = area.id"
        " WHERE prefix = ANY($1) AND ($2 = '' OR country IN ('', $2))"
        f" UNION ALL SELECT {columns}, 0, '' FROM bookings_servicearea AS area WHERE code = $3"
        " ORDER BY length DESC, country DESC LIMIT 1",
        beginnings,
        location.address.country.strip().upper(),
        settings.BOOKJOB_DEFAULT_AREA,
    )


def limits(area: Any, now: datetime) -> tuple[Any, ...]:
    """The parameters of RULES."""
    opens = now
    if area["cutoff_days"] is not None:
        zone = ZoneInfo(area["time_zone"])
        opens = rulebook._first_open_day(now, zone, area["cutoff_days"], area["cutoff_time"])
    notice = now + timedelta(minutes=settings.BOOKJOB_NOTICE_MINUTES)
    return now, notice, opens, now + timedelta(days=settings.BOOKJOB_HORIZON_DAYS), area["safety_percent"]


async def open_periods(
    connection: asyncpg.Connection, area: Any, job: wire.Search, most: int, after: datetime | None = None
) -> list[tuple[datetime, datetime]]:
    conditions = [TAKEABLE, "area_id = $6", "order_type IN ('', $7)"]
    values: list[Any] = [*limits(area, datetime.now(UTC)), area["id"], job.order_type]
    if after := after or offers.latest_delivery(job, None):
        values.append(after)
        conditions.append(f"start >= ${len(values)}")
    wanted = []
    for constraint in job.time_constraints if not isinstance(job, wire.BookJob) else []:
        values += [constraint.period.start, constraint.period.end]
        first, last = f"${len(values) - 1}", f"${len(values)}"
        if constraint.type in settings.BOOKJOB_UNAVAILABLE_TYPES:
            conditions.append(f'NOT (start < {last} AND "end" > {first})')
        else:
            wanted.append(f'(start >= {first} AND "end" <= {last})')
    if wanted:
        conditions.append(f"({' OR '.join(wanted)})")
    values.append(most)
    rows = await connection.fetch(
        f'SELECT DISTINCT start, "end" FROM bookings_appointmentslot WHERE {" AND ".join(conditions)}'
        f' ORDER BY start, "end" LIMIT ${len(values)}',
        *values,
    )
    return [(row["start"], row["end"]) for row in rows]


def offered(area: Any, periods: list[tuple[datetime, datetime]]) -> list[dict[str, Any]]:
    return offers.offered(SimpleNamespace(pk=area["id"], time_zone=area["time_zone"]), periods)


# --- Booking -----------------------------------------------------------------------------------------------


async def book_or_refuse(
    connection: asyncpg.Connection, order: str, job: wire.BookJob, body: documents.Body, caller: str
) -> tuple[str, dict[str, list[str]]]:
    for _ in range(50):
        earlier = await connection.fetch(
            "SELECT work_order.id, order_num, fingerprint, work_order.area_id, slot.start, slot.end"
            " FROM bookings_workorder AS work_order JOIN bookings_appointmentslot AS slot ON slot.id = slot_id"
            " WHERE original_order = $1 AND status = 'booked'",
            order,
        )
        for row in earlier:
            if row["fingerprint"] == body.fingerprint:
                return row["order_num"], await ordered_parts(connection, row["id"])
        area = await find_area(connection, job.location)
        if area is None:
            raise BookingError("slot_not_found", offers.no_area(job), data_path="/Location")
        now = datetime.now(UTC)
        periods = {(constraint.period.start, constraint.period.end) for constraint in job.time_constraints}
        for index, constraint in enumerate(job.time_constraints):
            expected = offers.offer_id(area["id"], constraint.period.start, constraint.period.end)
            if offers.read_id(constraint.id) and constraint.id != expected:
                path = f"/TimeConstraints/{index}/ID"
                raise BookingError("invalid_request", "The ID belongs to another appointment.", data_path=path)
        rows = await connection.fetch(
            f'SELECT id, start, "end", worker, booked, capacity, {REFUSAL} AS refusal'
            " FROM bookings_appointmentslot WHERE area_id = $6 AND order_type IN ('', $7)"
            ' AND start = ANY($8) AND "end" = ANY($9)',
            *limits(area, now),
            area["id"],
            job.order_type,
            [start for start, _ in periods],
            [end for _, end in periods],
        )
        slots = [row for row in rows if (row["start"], row["end"]) in periods]
        if not slots:
            raise BookingError("slot_not_found", "There is no such appointment.", data_path="/TimeConstraints/0/Period")
        if len({(slot["start"], slot["end"]) for slot in slots}) > 1:
            raise BookingError("invalid_request", "TimeConstraints names several.", data_path="/TimeConstraints")
        for row in earlier:
            same = (row["area_id"], row["start"], row["end"]) == (area["id"], slots[0]["start"], slots[0]["end"])
            word = "conflicting_duplicate" if same else "already_booked"
            raise BookingError(word, "The order has a follow-up already.", OrderNum=row["order_num"])
        free = [slot for slot in slots if not slot["refusal"]]
        if not free:
            reasons = [slot["refusal"] for slot in slots]
            others = await open_periods(connection, area, job, 3, after=slots[0]["start"])
            raise BookingError(
                "slot_unavailable",
                "Choose another one.",
                data_path="/TimeConstraints",
                reason="full" if "full" in reasons else reasons[0],
                alternatives=offered(area, others),
            )
        slot = min(
            free,
            key=lambda slot: (
                slot["worker"] != (job.user_name or None),
                slot["booked"] - slot["capacity"],
                random.random(),
            ),
        )
        try:
            async with connection.transaction():
                return await write(connection, order, job, body, caller, area, slot, now)
        except (LostRaceError, asyncpg.UniqueViolationError):
            continue
    raise BookingError("unavailable", "Many people are booking this appointment right now. Try again in a moment.")


class LostRaceError(Exception):
    pass


async def ordered_parts(connection: asyncpg.Connection, work_order: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in await connection.fetch(
        "SELECT part_order_num, prod_num FROM bookings_requiredpart AS part"
        " JOIN bookings_partorder AS part_order ON part_order.id = part_order_id"
        " WHERE part.work_order_id = $1 ORDER BY part_order.id, position",
        work_order,
    ):
        found.setdefault(row["part_order_num"], []).append(row["prod_num"])
    return found


async def keep_refusal(
    connection: asyncpg.Connection, refusal: BookingError, order: str, job: wire.BookJob, body: str, caller: str
) -> None:
    area = await find_area(connection, job.location)
    named = choices.read(job)
    await connection.execute(
        "INSERT INTO bookings_refusal (at, error, message, original_order, area_id, caller, request_id, body,"
        " visit_start, visit_end, order_type) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        datetime.now(UTC),
        refusal.error,
        refusal.message,
        order,
        area and area["id"],
        caller,
        origin.current.get().request_id,
        body,
        named[0].start if named else None,
        named[0].end if named else None,
        job.order_type,
    )


async def write(
    connection: asyncpg.Connection,
    order: str,
    job: wire.BookJob,
    body: documents.Body,
    caller: str,
    area: Any,
    slot: Any,
    now: datetime,
) -> tuple[str, dict[str, list[str]]]:
    """All rows of a booking; the slot, which everybody wants, is last."""
    parts, groups = [], {}
    for part in job.required_parts:
        if part.delete:
            continue
        group = ("", part.ship_to_location, part.urgency)
        if part.part_order_num:
            group = (part.part_order_num, "", "")
        for ordered in part.superseded_parts or [part]:
            if ordered.prod_num:
                groups.setdefault(group, len(groups))
            parts.append((group if ordered.prod_num else None, part, ordered))
    numbers = await connection.fetchrow(
        "SELECT nextval('bookings_workorder_id_seq') AS work_order,"
        " array(SELECT nextval('bookings_partorder_id_seq') FROM generate_series(1, $1)) AS part_orders",
        len(groups),
    )
    key = numbers["work_order"]
    order_num = f"{settings.BOOKJOB_ORDER_PREFIX}{key}"
    keys = dict(zip(groups, numbers["part_orders"], strict=True))
    part_order_nums = [group[0] or f"{settings.BOOKJOB_PART_ORDER_PREFIX}{key}" for group, key in keys.items()]
    address, account, location = job.location.address, job.account, job.location
    lines = [address.addr_line1, address.addr_line2, address.addr_line3, address.addr_line4]
    due = [part.estimated_delivery for _, part, _ in parts if part.estimated_delivery]
    await connection.execute(
        """
        INSERT INTO bookings_workorder
            (id, order_num, original_order, claim, slot_id, area_id, visit_start, status,
             account_num, account_name, location_num, location_name, address, postcode, phone,
             order_type, worker, part_count, parts_due_at, body, fingerprint, caller, created_at, changed_at, version,
             reviewed_by, cancelled_by, cancel_reason, booked_after)
        VALUES ($1, $2, $3, $3, $4, $5, $6, 'booked', $7, $8, $9, $10, $11, $12, $13,
                $14, $15, $16, $17, $18, $19, $20, $21, $21, 1, '', '', '',
                (SELECT coalesce(max(id), 0) FROM bookings_workorder WHERE original_order = $3::varchar))
        """,
        key,
        order_num,
        order,
        slot["id"],
        area["id"],
        slot["start"],
        account.account_num,
        account.name,
        location.location_num,
        location.name,
        ", ".join(line for line in [*lines, address.city, address.region, address.country] if line),
        address.zip,
        location.phone_num,
        job.order_type,
        job.user_name,
        len(parts),
        max(due, default=None),
        body.text,
        body.fingerprint,
        caller,
        now,
    )
    if keys:
        await connection.execute(
            """
            INSERT INTO bookings_partorder
                (id, work_order_id, part_order_num, is_issued_here, ship_to_location, urgency)
            SELECT key, $1, number, ours, place, urgency
            FROM unnest($2::bigint[], $3::text[], $4::bool[], $5::text[], $6::text[])
                AS row (key, number, ours, place, urgency)
            """,
            key,
            list(keys.values()),
            part_order_nums,
            [not group[0] for group in keys],
            [group[1] for group in keys],
            [group[2] for group in keys],
        )
    if parts:
        await connection.execute(
            """
            INSERT INTO bookings_requiredpart
                (work_order_id, part_order_id, position, prod_num, replaces, description, quantity, price, part_status,
                 ship_to_location, urgency, estimated_delivery)
            SELECT $1, * FROM unnest($2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::numeric[],
                                     $8::numeric[], $9::text[], $10::text[], $11::text[], $12::timestamptz[])
            """,
            key,
            [keys[group] if group else None for group, _, _ in parts],
            list(range(len(parts))),
            [ordered.prod_num for _, _, ordered in parts],
            ["" if ordered is part else part.prod_num for _, part, ordered in parts],
            [ordered.prod_attrs.desc for _, _, ordered in parts],
            [ordered.qty for _, _, ordered in parts],
            [part.price if ordered is part else None for _, part, ordered in parts],
            [ordered.part_status for _, _, ordered in parts],
            [part.ship_to_location for _, part, _ in parts],
            [part.urgency for _, part, _ in parts],
            [part.estimated_delivery for _, part, _ in parts],
        )
    about = {
        "order_num": order_num,
        "original_order": order,
        "account_num": account.account_num,
        "location_num": location.location_num,
        "postcode": address.zip,
        "account_name": account.name,
        "location_name": location.name,
        "phone": location.phone_num,
        "address": ", ".join(line for line in [*lines, address.city, address.region, address.country] if line),
        "worker": job.user_name,
    }
    words = [
        number for _, part, ordered in parts for number in (ordered.prod_num, "" if ordered is part else part.prod_num)
    ]
    await connection.execute(
        "INSERT INTO bookings_searchdocument (work_order_id, words) VALUES ($1, $2::text::tsvector)",
        key,
        search_terms.words_of(about, job, numbers=[*words, *part_order_nums], slot_worker=slot["worker"]),
    )
    place = {
        "slot": slot["id"],
        "area": area["id"],
        "start": slot["start"].isoformat(),
        "end": slot["end"].isoformat(),
        "worker": slot["worker"],
    }
    await connection.execute(
        "INSERT INTO bookings_historyentry (work_order_id, event, at, by, via, request_id, reason, details)"
        " VALUES ($1, 'booked', $2, $3, 'api', $4, '', $5)",
        key,
        now,
        caller,
        origin.current.get().request_id,
        orjson.dumps({"after": place, "fingerprint": body.fingerprint}).decode(),
    )
    taken = await connection.execute(
        f"UPDATE bookings_appointmentslot SET booked = booked + 1 WHERE id = $6 AND {TAKEABLE}",
        *limits(area, now),
        slot["id"],
    )
    if taken != "UPDATE 1":
        raise LostRaceError
    answer: dict[str, list[str]] = {}
    names = dict(zip(keys, part_order_nums, strict=True))
    for group in keys:
        answer[names[group]] = [ordered.prod_num for other, _, ordered in parts if other == group]
    return order_num, answer
