"""Service areas for planning systems, with their codes, postcodes, cut-off and reserve."""

from typing import Any, ClassVar, cast

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import sentences, wire
from bookings.access.tokens import Caller
from bookings.api import idempotency, schema
from bookings.api.closing import KeyField, once
from bookings.api.serializers import AnswerRenderer, WireSerializer
from bookings.api.supply import MOST, PAGE, UpsertReportSerializer, WriteQuery, report_or_refusal
from bookings.documents import Body, digest_of, list_as_it_came
from bookings.models import Scope, ServiceArea
from bookings.refusals import Code, InvalidRequest
from bookings.supply.from_systems import area_rows, area_upserts, upserts

MOST_AREAS = 10_000


class GetAreasQuery(serializers.Serializer[Any]):
    cursor = KeyField(help_text="`Next` of the page before.")
    limit = serializers.IntegerField(required=False, default=PAGE, min_value=1, max_value=MOST)


class AreasSerializer(WireSerializer):
    model = wire.Areas


class AreaPageSerializer(WireSerializer):
    model = wire.AreaPage


class AreasView(APIView):
    scopes: ClassVar = {"GET": Scope.SUPPLY_READ, "PUT": Scope.SUPPLY_WRITE}

    @extend_schema(
        operation_id="put_areas",
        summary="Write areas",
        description="Makes the areas that are not there, and changes those that differ. What a row does not name stays;"
        " a list that it names is the whole list. An area may be named by an alias, and keeps its own code. What one"
        " row gives up, another row may take. A key that is restricted to areas makes none. A row that is refused is"
        " named, and the others are written.",
        parameters=[WriteQuery, schema.ACT_HEADERS[1]],
        request=AreasSerializer,
        responses=schema.answers(
            UpsertReportSerializer,
            "What became of the rows; `ExternalID` of a refused one is its `ServiceAreaID`.",
            *schema.WITH_BODY,
            Code.FORBIDDEN,
            Code.ROWS_REFUSED,
            Code.IDEMPOTENCY_MISMATCH,
            Code.STILL_RUNNING,
        ),
        examples=[
            OpenApiExample(
                "One area",
                {
                    "Areas": [
                        {
                            "ServiceAreaID": "LEEDS",
                            "Name": "Leeds",
                            "TimeZone": "Europe/London",
                            "Aliases": ["LS"],
                            "Postcodes": [{"Prefix": "LS", "Country": "GB"}],
                            "CutoffDays": 1,
                            "CutoffTime": "17:00",
                            "SafetyPercent": 80,
                        }
                    ]
                },
                request_only=True,
            )
        ],
    )
    def put(self, request: Request) -> HttpResponse:
        query = WriteQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        options, caller, rows = query.validated_data, cast(Caller, request.user), _rows(request.data)

        def act() -> upserts.Report:
            given = area_rows.read_objects(rows)
            report = area_upserts.upsert_areas(given, by=caller.name, areas=caller.areas, **options)
            return report_or_refusal(report, "Areas", strict=options["strict"])

        # Of all that came: what is empty says something here.
        content = digest_of(rows, in_pieces=True)
        return once(request, content, act, upserts.Report, UpsertReportSerializer())

    @extend_schema(
        operation_id="read_areas",
        summary="Read areas",
        description="Page by page. Go on with `Next` until it is empty.",
        parameters=[GetAreasQuery],
        responses=schema.answers(AreaPageSerializer, "A page of areas.", Code.FORBIDDEN),
    )
    def get(self, request: Request) -> HttpResponse:
        query = GetAreasQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        visible = ServiceArea.objects.in_areas(cast(Caller, request.user).areas).order_by("pk")
        if asked["cursor"] is not None:
            visible = visible.filter(pk__gt=asked["cursor"])
        found = list(visible.prefetch_related("codes", "postcode_prefixes")[: asked["limit"] + 1])
        page = found[: asked["limit"]]
        told = {
            "Areas": list(map(area_rows.as_object, page)),
            "Next": str(page[-1].pk) if len(found) > len(page) else "",
        }
        return idempotency.Reply(AnswerRenderer().render(told)).answer()


def _rows(body: Any) -> list[Any]:
    """The rows of a body as they came, for an empty list in them says something. Raises InvalidRequest."""
    if not isinstance(body, Body):
        raise InvalidRequest([("", sentences.EMPTY_BODY)])
    rows = list_as_it_came(body, "Areas")
    if rows is None or len(rows) > MOST_AREAS:
        fault = "must be a list" if rows is None else f"has more than {MOST_AREAS} entries"
        raise InvalidRequest([("/Areas", sentences.say(sentences.PROPERTY, property="Areas", fault=fault))])
    return rows
