"""Work orders for other systems that act: cancel, move, review, note, and where one can be moved to.

One mechanism for all: the key's scope and areas (access/admission.py), `If-Match`, and the Idempotency-Key. What is
done is what the desk does.
"""

import re
from typing import Any, ClassVar, cast

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import sentences, services, wire
from bookings.access.tokens import Caller
from bookings.api import idempotency, schema
from bookings.api.serializers import (
    AnswerRenderer,
    FoundSerializer,
    WireSerializer,
    WorkOrderSerializer,
    read_order,
)
from bookings.documents import Body
from bookings.models import Scope, WorkOrder
from bookings.refusals import Code, InvalidRequest, Refused
from bookings.services import changes, feed, moving

# Without If-Match the present version is meant, whatever it is by the time of the writing.
ROUNDS = 5
TAGS = re.compile(r'\s*(?:W/)?"[^"]*"\s*(?:,\s*(?:W/)?"[^"]*"\s*)*')
TAG = re.compile(r'(W/)?"([^"]*)"')


def etag_of(work_order: WorkOrder) -> str:
    """It grows with each change that a person or a system makes."""
    return f'"{work_order.version}"'


def found(request: Request, order_num: str) -> WorkOrder:
    """As the caller may see it. Raises Http404."""
    visible = WorkOrder.objects.in_areas(cast(Caller, request.user).areas)
    return get_object_or_404(feed.with_everything(visible), order_num=read_order(order_num, request))


def reply_with(request: Request, order_num: str) -> idempotency.Reply:
    work_order, areas = found(request, order_num), cast(Caller, request.user).areas
    told = WorkOrderSerializer(work_order, context={"areas": areas}).data
    return idempotency.Reply(AnswerRenderer().render(told), etag_of(work_order))


def seen_version(request: Request, present: int) -> int | None:
    """The version that If-Match asks for; None without it; 0, which no work order has, where it matches none."""
    text = request.META.get("HTTP_IF_MATCH")
    if text is None or text.strip() == "*":
        return None
    if not TAGS.fullmatch(text):
        raise InvalidRequest([("", sentences.BAD_IF_MATCH)])
    strong = [tag for weak, tag in TAG.findall(text) if not weak]
    return present if str(present) in strong else 0


class WorkOrderAct(APIView):
    scopes: ClassVar = {"POST": Scope.WORK_ORDERS_WRITE}
    serializer: ClassVar[WireSerializer]

    def post(self, request: Request, order_num: str) -> HttpResponse:
        asked = self.serializer.to_internal_value(request.data)
        by = asked.by or cast(Caller, request.user).name
        return idempotency.once(
            request,
            cast(Body, request.data).fingerprint,
            lambda: self.act(request, order_num, asked, by),
            lambda _: reply_with(request, order_num),
        )

    def act(self, request: Request, order_num: str, asked: Any, by: str) -> None:
        for last in (False,) * ROUNDS + (True,):
            work_order = found(request, order_num)
            seen = seen_version(request, work_order.version)
            try:
                self.do(work_order, asked, by=by, seen_version=seen)
                return
            except Refused as refusal:
                if seen is not None:
                    changes.check_version(work_order, seen)
                elif refusal.error == Code.CHANGED_MEANWHILE and not last:
                    continue
                raise

    def do(self, work_order: WorkOrder, asked: Any, **who: Any) -> None:
        """By a service. `who` are the service's `by` and `seen_version`."""
        raise NotImplementedError


def act_schema(model: type[Any], name: str, summary: str, description: str, *codes: Code) -> Any:
    """The description of an act and the serializer of its body."""
    serializer = type(f"{model.__name__}Serializer", (WireSerializer,), {"model": model})
    described = extend_schema(
        operation_id=name,
        summary=summary,
        description=f"{description} {schema.ACT}",
        parameters=[schema.ORDER_NUM, *schema.ACT_HEADERS],
        request=serializer,
        responses=schema.answers(
            WorkOrderSerializer, "The work order as it is now.", *schema.WITH_BODY, *schema.OF_ACTS, *codes
        ),
        examples=[schema.EXAMPLES[name]],
    )

    def decorate(view: Any) -> Any:
        view.serializer = serializer()
        return extend_schema_view(post=described)(view)

    return decorate


@act_schema(
    wire.CancelWorkOrder,
    "cancel_work_order",
    "Cancel a work order",
    "Gives its place back. The order may be booked again.",
    Code.ALREADY_CANCELLED,
)
class CancelView(WorkOrderAct):
    def do(self, work_order: WorkOrder, asked: wire.CancelWorkOrder, **who: Any) -> None:
        services.cancel(work_order=work_order, reason=asked.reason, **who)


@act_schema(
    wire.MoveWorkOrder,
    "move_work_order",
    "Move a work order",
    "Takes a place of another appointment and gives the one of before back.",
    Code.ALREADY_CANCELLED,
    Code.ALREADY_BOOKED,
    Code.SAME_SLOT,
    Code.SLOT_NOT_FOUND,
    Code.SLOT_UNAVAILABLE,
)
class MoveView(WorkOrderAct):
    def do(self, work_order: WorkOrder, asked: wire.MoveWorkOrder, **who: Any) -> None:
        slot = moving.slot_for(work_order, asked, cast(Caller, self.request.user).areas)
        services.move(work_order=work_order, slot=slot, reason=asked.reason, **who)


@act_schema(
    wire.ReviewWorkOrder,
    "review_work_order",
    "Review a work order",
    "Says that a person has checked the booking as it stands.",
    Code.ALREADY_CANCELLED,
    Code.ALREADY_REVIEWED,
)
class ReviewView(WorkOrderAct):
    def do(self, work_order: WorkOrder, asked: wire.ReviewWorkOrder, **who: Any) -> None:
        services.review(work_order=work_order, note=asked.note, **who)


@act_schema(
    wire.NoteWorkOrder,
    "note_work_order",
    "Add a note to a work order",
    "Writes a line into its history, of a cancelled one, too.",
)
class NoteView(WorkOrderAct):
    def do(self, work_order: WorkOrder, asked: wire.NoteWorkOrder, **who: Any) -> None:
        services.add_note(work_order=work_order, note=asked.note, **who)


class AlternativesView(APIView):
    scopes: ClassVar = {"GET": Scope.WORK_ORDERS_WRITE}

    @extend_schema(
        operation_id="read_alternatives",
        summary="Read where a work order can be moved to",
        description="The free periods of its area, as a search has them. Each `ID` can be moved to.",
        parameters=[schema.ORDER_NUM],
        responses=schema.answers(
            FoundSerializer, "The offers, or none and why.", Code.FORBIDDEN, Code.NOT_FOUND, Code.ALREADY_CANCELLED
        ),
    )
    def get(self, request: Request, order_num: str) -> HttpResponse:
        offered = FoundSerializer().to_representation(moving.alternatives(found(request, order_num)))
        return idempotency.Reply(AnswerRenderer().render(offered)).answer()
