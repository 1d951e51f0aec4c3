"""What the published OpenAPI schema says beyond what drf-spectacular sees in the views.

The bodies are described by the Pydantic models that check them (`wire.py`), the errors by contract section 2.
"""

import hashlib
import threading
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from bookings import wire

ORDER = OpenApiParameter(
    "order",
    str,
    OpenApiParameter.PATH,
    description="Number of the current work order, percent-encoded; what ServiceMobility puts in the place of {0}.",
)
ORDER_NUM = OpenApiParameter("order_num", str, OpenApiParameter.PATH, description="`OrderNum` of the work order.")
# The words of contract section 2 by the status that they come with.
WORDS = {
    400: "invalid_request",
    401: "invalid_logon",
    403: "forbidden",
    404: "not_found, slot_not_found",
    405: "method_not_allowed",
    409: "slot_unavailable, already_booked, cancelled_meanwhile, conflicting_duplicate",
    413: "too_large",
    415: "unsupported_media_type",
    429: "throttled",
    500: "server_error",
    503: "unavailable",
}
BOOKING = {
    "Account": {"AccountNum": "C-20417"},
    "Location": {"LocationNum": "L-20417-1", "ServiceAreaID": "LEEDS"},
    "RequiredParts": [{"ProdNum": "PUMP-17", "Qty": 1}],
    "TimeConstraints": [{"Period": {"Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T15:00:00.000Z"}}],
}
SEARCH = {
    "Location": {"Address": {"Zip": "LS1 4AP", "Country": "GB"}},
    "OrderType": "1001",
    "OriginalOrderNum": "WO-100234",
}
OFFER = {
    "ID": "slot-9z5knPJBMS4xNzk2Mzg5MjAwMDAwMDAwLjE3OTYzOTY0MDAwMDAwMDA",
    "Desc": "Fri 4 Dec 2026, 13:00-15:00 (Europe/London)",
    "Type": "",
    "Period": {"Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T15:00:00.000Z"},
}
EXAMPLES = {
    "log-in": OpenApiExample("A technician", {"username": "tech.jones", "password": "…"}, request_only=True),
    "token": OpenApiExample("Logged in", {"token": "eyJhbGciOi…"}, response_only=True, status_codes=["200"]),
    "booking": OpenApiExample("A managed account", BOOKING, request_only=True),
    "booked": OpenApiExample(
        "Booked",
        {"OrderNum": "FU-1", "OrderedParts": [{"PartOrderNum": "PO-1", "Parts": ["PUMP-17"]}]},
        response_only=True,
        status_codes=["200"],
    ),
    "search": OpenApiExample("By postcode", SEARCH, request_only=True),
    "found": OpenApiExample(
        "One offer", {"StatusMsg": "", "TimeConstraints": [OFFER]}, response_only=True, status_codes=["200"]
    ),
}


_making = threading.Lock()


def published() -> tuple[bytes, str]:
    """The schema as YAML, and its ETag. The making is not for two threads at once."""
    with _making:
        return _made()


@cache
def _made() -> tuple[bytes, str]:
    made = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    text: bytes = OpenApiYamlRenderer().render(made)  # type: ignore[no-untyped-call]
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


def answers(good: Any, *statuses: int) -> dict[int, Any]:
    """The responses of an operation: 200 and its errors; those that any request can meet are added."""
    return {200: good} | {
        status: OpenApiResponse(wire.ErrorBody, f"`params.error`: {WORDS[status]}")
        for status in sorted({400, 401, 405, 429, 500, 503, *statuses})
    }


class AccessToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "bookings.authentication.AccessTokenAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "x-access-token",
            "description": "The raw JWT (HS256), without a scheme word.",
        }


class _Description(GenerateJsonSchema):
    def chain_schema(self, schema: core_schema.ChainSchema) -> dict[str, Any]:
        """Of the steps of wire.Few the last one says what the elements are."""
        return self.generate_inner(schema["steps"][-1])


class WireObject(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A serializer over a Pydantic model is described by that model, as it reads bodies or as it writes them."""

    target_class = "bookings.serializers.WireSerializer"
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return str(self.target.model.__name__)

    def get_identity(self, auto_schema: Any, direction: Any) -> str:
        """By its name: a model that stands inside of another one is the same component."""
        return self.get_name(auto_schema, direction)

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = self.target.model.model_json_schema(
            ref_template="#/components/schemas/{model}",
            schema_generator=_Description,
            mode="validation" if direction == "request" else "serialization",
        )
        for name, part in schema.pop("$defs", {}).items():
            auto_schema.registry.register_on_missing(
                ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=part)  # type: ignore[no-untyped-call]
            )
        return schema
