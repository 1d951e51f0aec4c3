"""Slots for planning systems: written by their external ids, read page by page."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar, cast

from django.db.models import Q
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import offers, sentences, wire
from bookings.access.tokens import Caller
from bookings.api import idempotency, schema
from bookings.api.bulk import LinesParser, Rows, RowsParser
from bookings.api.serializers import AnswerRenderer, WireSerializer
from bookings.db.codes import fold
from bookings.models import AppointmentSlot, Scope, ServiceArea
from bookings.refusals import MOST_FAULTS, Code, InvalidRequest, Refused
from bookings.supply.from_systems import slot_rows, upserts

PAGE, MOST = 200, 1_000
# As long as 200,000 slots may take on a busy machine.
SECONDS = 600


class AreaField(serializers.CharField):
    """The code of an area that the caller may see."""

    def to_internal_value(self, data: Any) -> Any:
        request: Request = self.context["request"]
        visible = ServiceArea.objects.in_areas(cast(Caller, request.user).areas)
        # The database takes no NUL, and would fail where another code is none.
        found = None if "\0" in str(data) else visible.filter(codes__folded=fold(str(data))).first()
        if found is None:
            raise serializers.ValidationError(sentences.say("names no area that is there: {code}", code=data))
        return found


class PeriodQuery(serializers.Serializer[Any]):
    """An area, and the slots that begin in a period."""

    area = AreaField(required=False, default=None, help_text="Code of a service area.")
    until = serializers.DateTimeField(required=False, default=None, help_text="Slots that begin before.")

    def get_fields(self) -> dict[str, Any]:
        begin = serializers.DateTimeField(required=False, default=None, help_text="Slots that begin then or later.")
        return super().get_fields() | {"from": begin}


class WriteQuery(serializers.Serializer[Any]):
    """How rows are written."""

    strict = serializers.BooleanField(
        required=False, default=False, help_text="Nothing is written if a row is refused; the answer is 422 then."
    )
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Nothing is written.")


class PutSlotsQuery(PeriodQuery, WriteQuery):
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [attrs["area"], attrs["from"], attrs["until"]]
        if any(given) and not all(given):
            raise serializers.ValidationError({"area": ["needs from and until beside it, and they need it"]})
        if all(given) and attrs["until"] <= attrs["from"]:
            raise serializers.ValidationError({"until": ["must be after from"]})
        return attrs


class GetSlotsQuery(PeriodQuery):
    worker = serializers.CharField(required=False, default=None, help_text="Slots of this worker.")
    cursor = serializers.CharField(
        required=False, default=None, allow_blank=True, help_text="`Next` of the page before."
    )
    limit = serializers.IntegerField(required=False, default=PAGE, min_value=1, max_value=MOST)

    def validate_cursor(self, value: str | None) -> Any:
        try:
            return offers.read_cursor(value) if value else None
        except ValueError:
            raise serializers.ValidationError(sentences.NO_CURSOR) from None


class SlotsSerializer(WireSerializer):
    model = wire.Slots


class UpsertReportSerializer(WireSerializer):
    model = wire.UpsertReport

    def to_representation(self, instance: upserts.Report) -> dict[str, Any]:
        return {
            "Created": instance.created,
            "Changed": instance.changed,
            "Kept": instance.kept,
            "Withdrawn": instance.withdrawn,
            "RefusedCount": instance.refused_count,
            "Refused": [
                {"Row": row.number, "ExternalID": row.external_id, "message": row.message} for row in instance.refused
            ],
            "Remark": instance.remark,
        }


class SlotPageSerializer(WireSerializer):
    model = wire.SlotPage

    def to_representation(self, instance: list[AppointmentSlot]) -> dict[str, Any]:
        return {"Slots": list(map(told, instance))}


class SlotsView(APIView):
    scopes: ClassVar = {"GET": Scope.SUPPLY_READ, "PUT": Scope.SUPPLY_WRITE}
    parser_classes = (RowsParser, LinesParser)

    @extend_schema(
        operation_id="put_slots",
        summary="Write slots by their external ids",
        description="Makes the slots that are not there, changes those that differ, and touches no other. A row that"
        " would break a booking, or clash with another slot, is refused and named, and the others are written. As JSON"
        " up to 16 MiB, or the same rows as NDJSON (`application/x-ndjson`, one object a line) up to 100 MiB. With"
        " `area`, `from` and `until` the call speaks for all slots of planning systems there: those that it does not"
        " name are withdrawn. What was interrupted is sent again; with an `Idempotency-Key` it is done once.",
        parameters=[PutSlotsQuery, *schema.ACT_HEADERS[1:]],
        request={"application/json": SlotsSerializer},  # generators of clients know no NDJSON
        responses=schema.answers(
            UpsertReportSerializer,
            "What became of the rows; the first 1,000 refused ones are named.",
            *schema.WITH_BODY,
            Code.FORBIDDEN,
            Code.ROWS_REFUSED,
            Code.IDEMPOTENCY_MISMATCH,
            Code.STILL_RUNNING,
        ),
        examples=[schema.EXAMPLES["put_slots"]],
    )
    def put(self, request: Request) -> HttpResponse:
        query = PutSlotsQuery(data=request.query_params, context={"request": request})
        query.is_valid(raise_exception=True)
        rows, asked = request.data, query.validated_data
        if not isinstance(rows, Rows):
            raise InvalidRequest([("", sentences.EMPTY_BODY)])
        with rows.file:
            return idempotency.once(
                request,
                rows.digest,
                lambda: _upsert(rows, asked, cast(Caller, request.user)),
                _reply,
                seconds=SECONDS,
                is_one_transaction=False,
            )

    @extend_schema(
        operation_id="read_slots",
        summary="Read slots",
        description="Page by page, in the order of their beginnings. Go on with `Next` until it is empty.",
        parameters=[GetSlotsQuery],
        responses=schema.answers(SlotPageSerializer, "A page of slots.", Code.FORBIDDEN),
    )
    def get(self, request: Request) -> HttpResponse:
        query = GetSlotsQuery(data=request.query_params, context={"request": request})
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        found = list(_slots(asked, cast(Caller, request.user).areas)[: asked["limit"] + 1])
        page = found[: asked["limit"]]
        last = offers.write_cursor((page[-1].start, page[-1].pk)) if len(found) > len(page) else ""
        told = SlotPageSerializer().to_representation(page) | {"Next": last}
        return idempotency.Reply(AnswerRenderer().render(told)).answer()


def _reply(report: upserts.Report | None) -> idempotency.Reply:
    return idempotency.Reply(AnswerRenderer().render(UpsertReportSerializer(report or upserts.Report()).data))


def _upsert(rows: Rows, asked: dict[str, Any], caller: Caller) -> upserts.Report:
    """Raises Refused with the first refused rows where `strict` wants none."""
    given = rows.read("Slots")
    scope = upserts.Scope(asked["area"], asked["from"], asked["until"]) if asked["area"] else None
    first = list(_first(given))
    if scope and not first:
        raise InvalidRequest([("/Slots", sentences.NOTHING_NAMED)])
    report = upserts.upsert_slots(
        slot_rows.read_objects(chain(first, given), caller.areas),
        by=caller.name,
        strict=asked["strict"],
        dry_run=asked["dry_run"],
        scope=scope,
        areas=caller.areas,
    )
    return report_or_refusal(report, "Slots", strict=asked["strict"])


def report_or_refusal(report: upserts.Report, name: str, *, strict: bool) -> upserts.Report:
    """Of the rows in the list `name` of the body. Raises Refused where one is refused and `strict` wants none.

    What a booking made impossible after all rows were checked stands in the report: others were written by then.
    """
    if strict and report.refused_count and not report.is_written:
        faults = [
            {"dataPath": f"/{name}/{row.number - 1}", "message": row.message} for row in report.refused[:MOST_FAULTS]
        ]
        raise Refused(
            Code.ROWS_REFUSED,
            sentences.say(sentences.ROWS_REFUSED, count=report.refused_count, first=faults[0]["message"]),
            data_path=faults[0]["dataPath"],
            errors=faults,
            error_count=report.refused_count,
        )
    return report


def _first(rows: Iterator[Any]) -> Iterator[Any]:
    for row in rows:
        yield row
        return


def _slots(asked: dict[str, Any], areas: set[int] | None) -> Any:
    wanted = Q()
    if asked["area"]:
        wanted &= Q(area=asked["area"])
    if asked["from"]:
        wanted &= Q(start__gte=asked["from"])
    if asked["until"]:
        wanted &= Q(start__lt=asked["until"])
    if asked["worker"]:
        wanted &= Q(worker=asked["worker"])
    if asked["cursor"]:
        start, key = asked["cursor"]
        wanted &= Q(start__gt=start) | Q(start=start, pk__gt=key)
    visible = AppointmentSlot.objects.in_areas(areas).filter(wanted)
    return visible.select_related("area", "blackout").order_by("start", "pk")


def told(slot: AppointmentSlot) -> dict[str, Any]:
    return {
        "ExternalID": slot.external_id,
        "ServiceAreaID": slot.area.code,
        "Start": wire.vendor_time(slot.start),
        "End": wire.vendor_time(slot.end),
        "OrderType": slot.order_type,
        "Worker": slot.worker,
        "Capacity": slot.capacity,
        "IsOpen": not slot.is_withdrawn,
        "Booked": slot.booked,
        "Free": slot.free,
        "HiddenReason": slot.hidden_reason,
    }
