"""What the published OpenAPI schema says beyond what drf-spectacular sees in the views.

The bodies are described by the Pydantic models that check them (`wire`), the errors by contract section 2.
"""

import hashlib
from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from bookings import sentences, wire
from bookings.access import tokens
from bookings.models import Scope
from bookings.refusals import OF_THE_SERVER, Code

ORDER = OpenApiParameter(
    "order",
    str,
    OpenApiParameter.PATH,
    description="Number of the current work order, percent-encoded; what ServiceMobility puts in the place of {0}.",
)
ORDER_NUM = OpenApiParameter("order_num", str, OpenApiParameter.PATH, description="`OrderNum` of the work order.")
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
OFFER: dict[str, Any] = {
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
EXAMPLES |= {
    name: OpenApiExample(summary, body, request_only=True)
    for name, summary, body in [
        (
            "put_slots",
            "One slot",
            {
                "Slots": [
                    {
                        "ExternalID": "P-100",
                        "ServiceAreaID": "LEEDS",
                        "Start": "2026-12-04T13:00:00.000Z",
                        "End": "2026-12-04T15:00:00.000Z",
                        "Worker": "t.jones",
                        "Capacity": 2,
                    }
                ]
            },
        ),
        ("explain", "By area", {"Location": {"ServiceAreaID": "LEEDS"}, "OrderType": "1001", "Limit": 200}),
        ("cancel_work_order", "The customer rang", {"Reason": "The customer is away.", "By": "a.hill"}),
        (
            "move_work_order",
            "To a period",
            {"Period": OFFER["Period"], "Reason": "The customer asked.", "By": "a.hill"},
        ),
        ("review_work_order", "As it stands", {"Note": "The parts are here.", "By": "a.hill"}),
        ("note_work_order", "A note", {"Note": "Ring the bell twice.", "By": "a.hill"}),
    ]
}
ACT = (
    "For keys alone. The same as the desk does: the history has who did it (`By`, else the key) and the key. With"
    " `If-Match` it is done only if the work order is as it was read; without it the present version is meant. With an"
    " `Idempotency-Key` it is done once, however often it comes within 24 hours: the first answer comes again."
)
ACT_HEADERS = [
    OpenApiParameter(
        "If-Match", str, OpenApiParameter.HEADER, description="The `ETag` of the work order as it was read."
    ),
    OpenApiParameter(
        "Idempotency-Key",
        str,
        OpenApiParameter.HEADER,
        description="1 to 255 printable ASCII characters of your own, plain or quoted; another one for each act.",
    ),
]


@cache
def published() -> tuple[bytes, str]:
    """The schema as YAML, and its ETag. Raises OSError where the file is missing.

    `make openapi.yaml` writes it. To draw it at each start would take as long as to load Django.
    """
    text = settings.OPENAPI_FILE.read_bytes()
    return text, f'"{hashlib.sha256(text).hexdigest()[:32]}"'


# An example of each error that the API answers with: the sentence, its parameters, its place in the body.
PERIOD = OFFER["Period"]
ERRORS: dict[Code, tuple[str, dict[str, Any], str]] = {
    Code.INVALID_REQUEST: (
        sentences.say(sentences.SEVERAL_FAULTS, first="RequiredParts[0].Qty must be a number.", count=2),
        {
            "errors": [
                {"dataPath": "/RequiredParts/0/Qty", "message": "RequiredParts[0].Qty must be a number."},
                {"dataPath": "/TimeConstraints", "message": "TimeConstraints is missing."},
            ],
            "error_count": 2,
        },
        "/RequiredParts/0/Qty",
    ),
    Code.INVALID_LOGON: (sentences.INVALID_LOGON, {}, ""),
    Code.FORBIDDEN: (
        sentences.say(sentences.FORBIDDEN, scope=Scope.WORK_ORDERS_READ),
        {"scope": Scope.WORK_ORDERS_READ.value},
        "",
    ),
    Code.NOT_FOUND: (sentences.NOT_FOUND, {}, ""),
    Code.SLOT_NOT_FOUND: (
        sentences.say(sentences.NO_SUCH_PERIOD, period=OFFER["Desc"]),
        {"area": "LEEDS"},
        "/TimeConstraints/0/Period",
    ),
    Code.METHOD_NOT_ALLOWED: (sentences.METHOD_NOT_ALLOWED, {}, ""),
    Code.SLOT_UNAVAILABLE: (
        sentences.say(
            sentences.SLOT_UNAVAILABLE,
            why=sentences.WHY_UNAVAILABLE["full"],
            appointment="Fri 4 Dec 2026, 11:00-13:00 (Europe/London)",
        ),
        {"reason": "full", "alternatives": [OFFER]},
        "/TimeConstraints",
    ),
    Code.ALREADY_BOOKED: (
        sentences.say(sentences.ALREADY_BOOKED, number="FU-1", appointment=OFFER["Desc"]),
        {"OrderNum": "FU-1", "Status": "booked", "Period": PERIOD},
        "",
    ),
    Code.CANCELLED_MEANWHILE: (
        sentences.say(sentences.CANCELLED_MEANWHILE, number="FU-1"),
        {"OrderNum": "FU-1", "Status": "cancelled", "Period": PERIOD},
        "",
    ),
    Code.CONFLICTING_DUPLICATE: (
        sentences.say(sentences.CONFLICTING_DUPLICATE, number="FU-1"),
        {"OrderNum": "FU-1"},
        "",
    ),
    Code.CHANGED_MEANWHILE: (
        "FU-1 was changed meanwhile (moved by anna, Fri 4 Dec 2026, 09:12 (Europe/London)). Look at it again before you"
        " repeat this.",
        {"OrderNum": "FU-1"},
        "",
    ),
    Code.ALREADY_CANCELLED: ("FU-1 was cancelled by anna, Fri 4 Dec 2026, 09:12 (Europe/London).", {}, ""),
    Code.ALREADY_REVIEWED: ("FU-1 was reviewed by anna, Fri 4 Dec 2026, 09:12 (Europe/London).", {}, ""),
    Code.SAME_SLOT: ("FU-1 is in this appointment already. Choose another.", {}, ""),
    Code.IDEMPOTENCY_MISMATCH: (sentences.say(sentences.IDEMPOTENCY_MISMATCH, key="4f9c"), {}, ""),
    Code.STILL_RUNNING: (sentences.STILL_RUNNING, {}, ""),
    Code.ROWS_REFUSED: (
        sentences.say(sentences.ROWS_REFUSED, count=1, first="there is no area 'YORK'"),
        {"errors": [{"dataPath": "/Slots/0", "message": "there is no area 'YORK'"}], "error_count": 1},
        "/Slots/0",
    ),
    Code.TOO_LARGE: (
        sentences.say(sentences.TOO_LARGE, fault=sentences.say(sentences.LARGER_THAN, limit=1_048_576)),
        {"limit": 1_048_576},
        "",
    ),
    Code.UNSUPPORTED_MEDIA_TYPE: (sentences.WRONG_CONTENT_TYPE, {}, ""),
    Code.THROTTLED: (sentences.say(sentences.THROTTLED, seconds=12), {"seconds": 12}, ""),
    Code.SERVER_ERROR: (
        sentences.say(sentences.SERVER_ERROR, incident="5f0c2a9be1d4"),
        {"incident": "5f0c2a9be1d4"},
        "",
    ),
    Code.UNAVAILABLE: (sentences.UNAVAILABLE, {}, ""),
}
ALWAYS = {
    Code.INVALID_REQUEST,
    Code.INVALID_LOGON,
    Code.METHOD_NOT_ALLOWED,
    Code.THROTTLED,
    Code.SERVER_ERROR,
    Code.UNAVAILABLE,
}
WITH_BODY = {Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE}
OF_ACTS = {
    Code.FORBIDDEN,
    Code.NOT_FOUND,
    Code.CHANGED_MEANWHILE,
    Code.IDEMPOTENCY_MISMATCH,
    Code.STILL_RUNNING,
}
BOOKED_OTHERWISE = {
    Code.SLOT_NOT_FOUND,
    Code.SLOT_UNAVAILABLE,
    Code.ALREADY_BOOKED,
    Code.CANCELLED_MEANWHILE,
    Code.CONFLICTING_DUPLICATE,
}


def answers(good: Any, what: str, *codes: Code) -> dict[int, Any]:
    """The responses of an operation: 200 and its errors; those that any request can meet are added."""
    return {200: OpenApiResponse(good, what), **refusals(*codes)}


def refusals(*codes: Code) -> dict[int, Any]:
    """The errors alone."""
    by_status: dict[int, list[Code]] = {}
    for code in Code:
        if code in ALWAYS or code in codes:
            by_status.setdefault(code.status, []).append(code)
    return {
        status: OpenApiResponse(
            wire.ErrorBody,
            f"`params.error`: {', '.join(together)}",
            examples=[_example_of(code) for code in together],
        )
        for status, together in sorted(by_status.items())
    }


def _example_of(code: Code) -> OpenApiExample:
    message, params, data_path = ERRORS[code]
    detail = {"message": message, "params": {"error": code.value, **params}, "dataPath": data_path}
    return OpenApiExample(code.value, {"code": code.status, "detail": detail})


def finish(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's last step: what it has no words for."""
    schemas = result["components"]["schemas"]
    schemas["Code"]["enum"] = [code.value for code in ERRORS]  # the others are of the dispatch desk
    _tidy(schemas)
    result["components"]["responses"] = {f"Server{status}": _of_the_server(status) for status in OF_THE_SERVER}
    for path in result["paths"].values():
        for operation in path.values():
            operation.setdefault("security", [])  # else a reader takes it for forgotten
            for status in OF_THE_SERVER.keys() - map(int, operation["responses"]):
                operation["responses"][str(status)] = {"$ref": f"#/components/responses/Server{status}"}
            operation["responses"] = dict(sorted(operation["responses"].items()))
            for parameter in operation.get("parameters", []):
                parameter["schema"].pop("x-spec-enum-id", None)
            for status in {"429", "503"} & operation["responses"].keys():
                operation["responses"][status]["headers"] = {
                    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
                }
    return result


def _of_the_server(status: int) -> dict[str, Any]:
    """What the server refuses before the service sees the request."""
    code, message = OF_THE_SERVER[status]
    detail = {"message": message, "params": {"error": code.value}, "dataPath": ""}
    return {
        "description": f"`params.error`: {code}. {message}",
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/ErrorBody"},
                "examples": {code.value: {"value": {"code": status, "detail": detail}}},
            }
        },
    }


def _tidy(schema: Any) -> None:
    """Leave out what the models say beside the contract: titles are the names once more, and absent is absent."""
    if isinstance(schema, dict):
        for name in ("title", "default"):
            if name in schema and not isinstance(schema.get("type"), dict):
                del schema[name]
        for inner in schema.values():
            _tidy(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _tidy(inner)


class AccessToken(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "bookings.api.authentication.AccessTokenAuthentication"
    name = ["accessToken", "systemKey"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """A key with the scope, or a token where tokens may do that."""
        scope = auto_schema.view.scopes[auto_schema.method]
        key = {"systemKey": [str(scope)]}
        return [{"accessToken": []}, key] if scope in tokens.OF_TOKENS else [key]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {
                "type": "apiKey",
                "in": "header",
                "name": "x-access-token",
                "description": "The raw JWT (HS256), without a scheme word.",
            },
            {
                "type": "http",
                "scheme": "bearer",
                "description": "A key of another system, made in the admin or by `make_key`. With each operation: the"
                " scope that the key needs.",
            },
        ]


class _Description(GenerateJsonSchema):
    def chain_schema(self, schema: core_schema.ChainSchema) -> dict[str, Any]:
        """Of the steps of wire.values.Few the last one says what the elements are."""
        return self.generate_inner(schema["steps"][-1])


class WireObject(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A serializer over a Pydantic model is described by that model, as it reads bodies or as it writes them."""

    target_class = "bookings.api.serializers.WireSerializer"
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
