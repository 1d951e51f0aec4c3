"""Slots that staff would close, open or resize on the desk, by what they are: area, time, workers, types of orders."""

from typing import Any, ClassVar, Literal, cast

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import sentences, wire
from bookings.access.tokens import Caller
from bookings.api import schema
from bookings.api.closing import once
from bookings.api.serializers import WireSerializer
from bookings.db.codes import fold
from bookings.documents import Body, document_as_it_came
from bookings.models import Scope, ServiceArea
from bookings.refusals import Code, InvalidRequest
from bookings.supply import slot_changes
from bookings.supply.from_plans import hours

EXAMPLE = {
    "ServiceAreaID": "LEEDS",
    "From": "2026-12-24T00:00:00.000Z",
    "Until": "2026-12-25T00:00:00.000Z",
    "Workers": ["t.jones"],
    "Hours": ["13:00-18:00"],
    "By": "a.hill",
}


class DryRunQuery(serializers.Serializer[Any]):
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Nothing is written.")


class ChangedSlotsSerializer(WireSerializer):
    model = wire.ChangedSlots

    def to_representation(self, instance: slot_changes.Changed) -> dict[str, Any]:
        return {
            "Changed": instance.changed,
            "Kept": instance.kept,
            "Bookings": instance.bookings,
            "RefusedCount": instance.refused_count,
            "Refused": [{"ExternalID": slot.external_id, "message": slot.message} for slot in instance.refused],
        }


class SlotsAct(APIView):
    scopes: ClassVar = {"POST": Scope.SUPPLY_WRITE}
    action: ClassVar[Literal["close", "open", "resize"]]
    serializer: ClassVar[WireSerializer]

    def post(self, request: Request) -> HttpResponse:
        query = DryRunQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked, caller = self.serializer.to_internal_value(request.data), cast(Caller, request.user)
        _check_filters(cast(Body, request.data))
        where = _filter(asked, caller)

        def act() -> slot_changes.Changed:
            change = slot_changes.Change(self.action, reason=asked.reason, capacity=getattr(asked, "capacity", None))
            return slot_changes.change_by_filter(
                where, change, by=asked.by or caller.name, dry_run=query.validated_data["dry_run"]
            )

        content = cast(Body, request.data).fingerprint
        return once(request, content, act, slot_changes.Changed, ChangedSlotsSerializer())


def _check_filters(body: Body) -> None:
    """What is absent falls out of a body. A filter that is given is never none: empty, it would mean all slots."""
    as_it_came = document_as_it_came(body.text)
    for path in ("/Workers", "/OrderTypes", "/Weekdays", "/Hours"):
        given = as_it_came.get(path[1:])
        if given is not None and (not isinstance(given, list) or not given or any(one in ("", None) for one in given)):
            told = sentences.say(sentences.EMPTY_FILTER, property=path[1:])
            raise InvalidRequest([(path, told)])


def _filter(asked: wire.SlotsThatAre, caller: Caller) -> slot_changes.SlotFilter:
    """Raises InvalidRequest."""
    visible = ServiceArea.objects.in_areas(caller.areas)
    area = visible.filter(codes__folded=fold(asked.service_area_id)).first()
    if area is None:
        told = sentences.say(sentences.NO_AREA_OF_THAT_CODE, code=asked.service_area_id)
        raise InvalidRequest([("/ServiceAreaID", told)])
    try:
        windows = [window for text in asked.hours for window in hours.read_hours(text)]
    except ValueError as fault:
        told = sentences.say(sentences.PROPERTY, property="Hours", fault=str(fault).rstrip("."))
        raise InvalidRequest([("/Hours", told)]) from None
    return slot_changes.SlotFilter(
        area,
        asked.start,
        asked.end,
        workers=frozenset(asked.workers),
        order_types=frozenset(asked.order_types),
        weekdays=frozenset(map(hours.WEEKDAYS.index, asked.weekdays)),
        hours=tuple(windows),
    )


def _act(model: type[Any], action: str, what: str, **more: Any) -> Any:
    serializer = type(f"{model.__name__}Serializer", (WireSerializer,), {"model": model})
    described = extend_schema(
        operation_id=f"{action}_slots",
        summary=f"{action.title()} slots",
        description=f"{what} Slots to come alone; what a blackout or the plan hides is not touched. A repeat goes on"
        " where one was interrupted.",
        parameters=[DryRunQuery, schema.ACT_HEADERS[1]],
        request=serializer,
        responses=schema.answers(
            ChangedSlotsSerializer,
            "What became of the slots.",
            *schema.WITH_BODY,
            Code.FORBIDDEN,
            Code.IDEMPOTENCY_MISMATCH,
            Code.STILL_RUNNING,
        ),
        examples=[OpenApiExample("An afternoon", EXAMPLE | more, request_only=True)],
    )

    def decorate(view: Any) -> Any:
        view.serializer, view.action = serializer(), action
        return extend_schema_view(post=described)(view)

    return decorate


@_act(
    wire.CloseSlots,
    "close",
    "They are no longer offered; their bookings stay, and ask to be reviewed.",
    Reason="Meeting",
)
class CloseSlotsView(SlotsAct):
    pass


@_act(wire.OpenSlots, "open", "What staff have closed is offered again.")
class OpenSlotsView(SlotsAct):
    pass


@_act(wire.ResizeSlots, "resize", "Each gets so many places, never fewer than are booked.", Capacity=2)
class ResizeSlotsView(SlotsAct):
    pass
