"""The rules can be asked: what does each of them say of each slot, and what could be done about it?"""

from typing import Any, ClassVar, cast

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from bookings import clock, offers, sentences, wire
from bookings.access.tokens import Caller
from bookings.api import idempotency, schema
from bookings.api.serializers import AnswerRenderer, WireSerializer
from bookings.documents import Body
from bookings.models import Scope
from bookings.offers.explaining import ExplainedSlot
from bookings.refusals import Code, InvalidRequest


class ExplainSerializer(WireSerializer):
    model = wire.Explain

    def document_of(self, body: Body) -> dict[str, Any]:
        """A booking may name its slot by the ID of an offer alone: that is a period."""
        times = body.document.get("TimeConstraints")
        for time in times if isinstance(times, list) else [times]:
            if not isinstance(time, dict) or "Period" in time:
                continue
            if named := offers.read_id(str(time.get("ID", ""))):
                time["Period"] = {"Start": wire.vendor_time(named[1]), "End": wire.vendor_time(named[2])}
        return body.document


class ExplanationSerializer(WireSerializer):
    model = wire.Explanation

    def to_representation(self, instance: offers.Explanation) -> dict[str, Any]:
        return {
            "ServiceAreaID": instance.area.code if instance.area else "",
            "Message": instance.message,
            "Slots": list(map(_told, instance.slots)),
            "Next": offers.write_cursor(instance.next) if instance.next else "",
        }


class ExplainView(APIView):
    scopes: ClassVar = {"POST": Scope.EXPLAIN}

    @extend_schema(
        operation_id="explain_appointments",
        summary="Ask the rules about each slot",
        description="The body of a search or of a booking. Each slot of the area from today up to the horizon, and each"
        " in a period that the body names, with the verdict of every rule in order, and the remedy where one is broken."
        " A slot is offered where all are kept; `parts` and `customer` are wishes, for which no booking is refused."
        " These are the rules of search and booking themselves.",
        request=ExplainSerializer,
        responses=schema.answers(ExplanationSerializer, "The verdicts.", Code.FORBIDDEN, *schema.WITH_BODY),
        examples=[schema.EXAMPLES["explain"]],
    )
    def post(self, request: Request) -> HttpResponse:
        asked = ExplainSerializer().to_internal_value(request.data)
        try:
            after = offers.read_cursor(asked.cursor) if asked.cursor else None
        except ValueError:
            raise InvalidRequest(
                [("/Cursor", sentences.say(sentences.PROPERTY, property="Cursor", fault=sentences.NO_CURSOR))]
            ) from None
        found = offers.explain(
            asked, clock.now(), most=asked.limit, after=after, areas=cast(Caller, request.user).areas
        )
        told = ExplanationSerializer().to_representation(found)
        return idempotency.Reply(AnswerRenderer().render(told)).answer()


def _told(explained: ExplainedSlot) -> dict[str, Any]:
    slot = explained.slot
    return {
        "Period": {"Start": wire.vendor_time(slot.start), "End": wire.vendor_time(slot.end)},
        "Worker": slot.worker,
        "OrderType": slot.order_type,
        "Free": slot.free,
        "IsOffered": explained.is_offered,
        "Verdicts": [
            {"rule": verdict.rule, "kept": verdict.kept, "message": verdict.message}
            | ({"remedy": verdict.remedy} if verdict.remedy else {})
            for verdict in explained.verdicts
        ],
    }
