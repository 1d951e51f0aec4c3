"""Blackouts of areas, and absences of workers: written by other systems, read page by page, and lifted."""

from collections.abc import Iterator
from typing import Any, ClassVar, cast

from django.db.models import Q, QuerySet
from django.http import Http404, HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import sentences, wire
from bookings.access.tokens import Caller
from bookings.api import idempotency, schema
from bookings.api.serializers import AnswerRenderer, WireSerializer
from bookings.api.supply import MOST, PAGE, SECONDS, PeriodQuery, UpsertReportSerializer, WriteQuery, report_or_refusal
from bookings.db.codes import fold
from bookings.documents import Body, in_their_places, list_as_it_came
from bookings.models import ID_LENGTH, AreaCode, Blackout, Scope
from bookings.refusals import Code, InvalidRequest, Refused
from bookings.supply.closing import closings
from bookings.supply.from_systems import slot_rows, upserts

# The largest primary key.
LAST_KEY = 2**63 - 1


class PersonField(serializers.CharField):
    """A name, as bodies have it in `By`."""

    def to_internal_value(self, data: Any) -> str:
        try:
            return wire.read_person(super().to_internal_value(data))
        except ValueError:
            raise serializers.ValidationError(wire.NO_PERSON) from None


class RowsSerializer(WireSerializer):
    """Of an object with a list, which may be empty."""

    name: ClassVar[str]

    def document_of(self, body: Body) -> dict[str, Any]:
        return body.document if list_as_it_came(body, self.name) is None else {self.name: [], **body.document}


class KeyField(serializers.IntegerField):
    """A primary key as a text."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, default=None, min_value=0, max_value=LAST_KEY, **options)


class GetQuery(PeriodQuery):
    worker = serializers.CharField(required=False, default=None, help_text="Of this worker alone.")
    cursor = KeyField(help_text="`Next` of the page before.")
    limit = serializers.IntegerField(required=False, default=PAGE, min_value=1, max_value=MOST)


class DeleteQuery(serializers.Serializer[Any]):
    id = KeyField(help_text="`ID` of the one to lift.")
    external_id = serializers.CharField(required=False, default=None, help_text="Or its `ExternalID`.")
    by = PersonField(required=False, default=None, max_length=ID_LENGTH, help_text="The person who lifts it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if (attrs["id"] is None) == (attrs["external_id"] is None):
            raise serializers.ValidationError({"id": ["or external_id has to be given, and not both"]})
        return attrs


class ClosingsView(APIView):
    """What blackouts and absences share."""

    scopes: ClassVar = {"GET": Scope.SUPPLY_READ, "PUT": Scope.SUPPLY_WRITE, "DELETE": Scope.SUPPLY_WRITE}
    name: ClassVar[str]  # of the list in bodies and answers
    are_absences: ClassVar[bool]
    serializer: ClassVar[WireSerializer]

    def put(self, request: Request) -> HttpResponse:
        query = WriteQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        caller, given = cast(Caller, request.user), self.serializer.to_internal_value(request.data)
        self.check_may_write(caller)
        came = list_as_it_came(cast(Body, request.data), self.name) or []

        def act() -> upserts.Report:
            options = query.validated_data
            rows = in_their_places(came, self.wanted(given, caller.areas), ("", slot_rows.NO_OBJECT))
            report = closings.upsert(rows, by=given.by or caller.name, areas=caller.areas, **options)
            return report_or_refusal(report, self.name, strict=options["strict"])

        return once(request, cast(Body, request.data).fingerprint, act, upserts.Report, UpsertReportSerializer())

    def get(self, request: Request) -> HttpResponse:
        query = GetQuery(data=request.query_params, context={"request": request})
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        wanted = Q(pk__gt=asked["cursor"]) if asked["cursor"] is not None else Q()
        for name, condition in (("area", "area"), ("worker", "worker"), ("from", "end__gt"), ("until", "start__lt")):
            if asked[name]:
                wanted &= Q(**{condition: asked[name]})
        visible = self.visible(request).in_force().filter(wanted)  # type: ignore[attr-defined]
        found = list(visible.select_related("area").order_by("pk")[: asked["limit"] + 1])
        page = found[: asked["limit"]]
        told = {self.name: list(map(self.told, page)), "Next": str(page[-1].pk) if len(found) > len(page) else ""}
        return idempotency.Reply(AnswerRenderer().render(told)).answer()

    def delete(self, request: Request) -> HttpResponse:
        query = DeleteQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked, caller = query.validated_data, cast(Caller, request.user)
        self.check_may_write(caller)
        by = Q(pk=asked["id"]) if asked["external_id"] is None else Q(external_id=asked["external_id"])
        named = self.visible(request).filter(by)

        def act() -> int:
            if not named.exists():
                raise Http404
            return closings.lift(named, by=asked["by"] or caller.name)

        return once(request, "", act, int, OpenedSerializer())

    def visible(self, request: Request) -> QuerySet[Blackout]:
        return Blackout.objects.filter(area__isnull=self.are_absences).in_areas(cast(Caller, request.user).areas)

    def check_may_write(self, caller: Caller) -> None:
        """Raises Refused."""

    def wanted(self, given: Any, areas: set[int] | None) -> Iterator[tuple[str, closings.Wanted]]:
        raise NotImplementedError

    def told(self, blackout: Blackout) -> dict[str, Any]:
        return {
            "ID": str(blackout.pk),
            "ExternalID": blackout.external_id,
            "Worker": blackout.worker,
            "Reason": blackout.reason,
            "By": blackout.closed_by,
        }


class OpenedSerializer(WireSerializer):
    model = wire.Opened

    def to_representation(self, instance: int) -> dict[str, Any]:
        return {"Opened": instance}


def once(request: Request, content: str, act: Any, none: Any, serializer: WireSerializer) -> HttpResponse:
    """Acts in short transactions, and answers; `none` makes what is told where the answer was lost with its process."""

    def reply(done: Any) -> idempotency.Reply:
        told = serializer.to_representation(none() if done is None else done)
        return idempotency.Reply(AnswerRenderer().render(told))

    return idempotency.once(request, content, act, reply, seconds=SECONDS, is_one_transaction=False)


def closings_schema(what: str, model: Any, page: Any, example: dict[str, Any], put: str, delete: str) -> Any:
    """The description of the three operations, and the serializer of the body."""
    plural = f"{what}s"
    serializer = type(f"{model.__name__}Serializer", (RowsSerializer,), {"model": model, "name": model.__name__})
    pages = type(f"{page.__name__}Serializer", (WireSerializer,), {"model": page})
    repeat = [schema.ACT_HEADERS[1]]
    repeated = (Code.IDEMPOTENCY_MISMATCH, Code.STILL_RUNNING)

    def decorate(view: Any) -> Any:
        view.serializer = serializer()
        return extend_schema_view(
            put=extend_schema(
                operation_id=f"put_{plural}",
                summary=f"Write {plural}",
                description=put,
                parameters=[WriteQuery, *repeat],
                request=serializer,
                responses=schema.answers(
                    UpsertReportSerializer,
                    "What became of the rows.",
                    *schema.WITH_BODY,
                    *repeated,
                    Code.FORBIDDEN,
                    Code.ROWS_REFUSED,
                ),
                examples=[OpenApiExample(f"One {what}", {view.name: [example]}, request_only=True)],
            ),
            get=extend_schema(
                operation_id=f"read_{plural}",
                summary=f"Read {plural}",
                description=f"The {plural} in force, page by page. Go on with `Next` until it is empty.",
                parameters=[GetQuery],
                responses=schema.answers(pages, f"A page of {plural}.", Code.FORBIDDEN),
            ),
            delete=extend_schema(
                operation_id=f"lift_{what}",
                summary=f"Lift {'an' if what[0] == 'a' else 'a'} {what}",
                description=delete,
                parameters=[DeleteQuery, *repeat],
                responses=schema.answers(OpenedSerializer, "It is lifted.", Code.FORBIDDEN, Code.NOT_FOUND, *repeated),
            ),
        )(view)

    return decorate


UPSERT = (
    " With an `ExternalID` a row takes the place of what the same one said before; without one it is the same where"
    " area, worker and time are. A row that is refused is named, and the others are written. Bookings in the time"
    " stay, and ask to be reviewed. What was interrupted is sent again."
)


@closings_schema(
    "blackout",
    wire.Blackouts,
    wire.BlackoutPage,
    {
        "ExternalID": "B-17",
        "ServiceAreaID": "LEEDS",
        "Start": "2026-12-24T12:00:00.000Z",
        "End": "2026-12-27T00:00:00.000Z",
        "Reason": "Christmas",
    },
    "Hides the slots of an area, or of one worker there, that share some time with a period, and those that are made"
    f" later.{UPSERT}",
    "Its slots are offered again, but for those that something else hides. Doing it again opens nothing.",
)
class BlackoutsView(ClosingsView):
    name, are_absences = "Blackouts", False

    def wanted(self, given: Any, areas: set[int] | None) -> Iterator[tuple[str, closings.Wanted]]:
        codes = {fold(row.service_area_id) for row in given.blackouts}
        named = AreaCode.objects.filter(folded__in=codes).select_related("area")
        there = {code.folded: code.area for code in named if areas is None or code.area_id in areas}
        for row in given.blackouts:
            area = there.get(fold(row.service_area_id))
            if area is None:
                yield row.external_id, sentences.say("there is no area {code}", code=repr(row.service_area_id))
                continue
            columns = {"worker": row.worker, "start": row.start, "end": row.end, "reason": row.reason}
            yield row.external_id, Blackout(area=area, external_id=row.external_id, **columns)

    def told(self, blackout: Blackout) -> dict[str, Any]:
        return super().told(blackout) | {
            "ServiceAreaID": blackout.area.code if blackout.area else "",
            "Start": wire.vendor_time(blackout.start),
            "End": wire.vendor_time(blackout.end),
        }


@closings_schema(
    "absence",
    wire.Absences,
    wire.AbsencePage,
    {"ExternalID": "HR-17", "Worker": "t.jones", "FirstDay": "2026-12-24", "LastDay": "2026-12-31", "Reason": "Leave"},
    "Hides the slots of a worker in all areas on whole days, each read on the clock of the slot's area, and those that"
    f" are made later. For keys of all areas alone.{UPSERT}",
    "The worker's slots are offered again, but for those that something else hides. Doing it again opens nothing.",
)
class AbsencesView(ClosingsView):
    name, are_absences = "Absences", True

    def check_may_write(self, caller: Caller) -> None:
        if caller.areas is not None:
            raise Refused(Code.FORBIDDEN, sentences.ABSENCES_COUNT_EVERYWHERE, scope=Scope.SUPPLY_WRITE)

    def get(self, request: Request) -> HttpResponse:
        if "area" in request.query_params:
            raise InvalidRequest([("", "An absence counts in all areas: ask for a worker, and leave area out.")])
        return super().get(request)

    def wanted(self, given: Any, areas: set[int] | None) -> Iterator[tuple[str, closings.Wanted]]:
        for row in given.absences:
            more = {"external_id": row.external_id, "reason": row.reason}
            yield row.external_id, Blackout.absence(row.worker, row.first_day, row.last_day, **more)

    def told(self, blackout: Blackout) -> dict[str, Any]:
        first, last = blackout.days
        return super().told(blackout) | {"FirstDay": first, "LastDay": last}
