"""The published schema: valid, whole, what the code says, and what the tests hold answers against."""

import copy
import json
import os
import subprocess
import sys
from io import StringIO

import jsonschema_rs
import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer

from bookings.api import schema as served
from bookings.operations import doctor
from tests.support import published
from tests.support.environment import ROOT


def test_the_schema_names_the_vendors_properties():
    schema = published.DOCUMENT
    assert schema["openapi"].startswith("3.1")
    components = schema["components"]["schemas"]
    assert set(components["BookJob"]["properties"]) == {
        "Account",
        "Assets",
        "FlexAttrs",
        "FlexForms",
        "Location",
        "OrderType",
        "OriginalOrderNum",
        "Period",
        "PlannedEndDate",
        "PlannedStartDate",
        "RequiredParts",
        "TimeConstraints",
        "UserName",
    }
    elsewhere = {"Period", "PlannedStartDate", "PlannedEndDate"}  # where a booking may name its slot, too
    assert set(components["Search"]["properties"]) == set(components["BookJob"]["properties"]) - elsewhere
    # The slot may be named in several places.
    assert "required" not in components["BookJob"]
    for operation in (
        schema["paths"]["/api/v1/workorders/{order}/followup"],
        schema["paths"]["/api/v1/appointments/search"],
    ):
        assert {"200", "400", "401", "405", "413", "415", "429", "500", "503"} <= set(operation["post"]["responses"])


def test_the_schema_and_its_page_are_served_from_here(client, db):
    answer = client.get("/api/v1/schema")
    assert answer.status_code == 200
    assert answer.content.decode() == (ROOT / "openapi.yaml").read_text()
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    assert "/static/drf_spectacular_sidecar/" in page.content.decode()
    assert "//cdn." not in page.content.decode()


def test_it_is_what_the_code_says():
    drawn = OpenApiYamlRenderer().render(SchemaGenerator().get_schema(request=None, public=True))
    assert drawn.decode() == (ROOT / "openapi.yaml").read_text(), "make openapi.yaml"


def test_it_is_sent_again_only_where_it_changed():
    answer = Client().get("/api/v1/schema")
    assert answer.status_code == 200
    again = Client().get("/api/v1/schema", headers={"If-None-Match": answer["ETag"]})
    other = Client().get("/api/v1/schema", headers={"If-None-Match": '"another"'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", answer["ETag"])
    assert (other.status_code, other.content) == (200, answer.content)


LOADED = """
from django.conf import settings
from bookjob_site import wsgi
settings.OPENAPI_FILE.unlink()
wsgi.schema.published()
"""


def test_the_service_has_it_before_the_first_request(tmp_path):
    """What workers share is read where they are forked; also that file is not asked for again."""
    file = tmp_path / "openapi.yaml"
    file.write_bytes(b"openapi: 3.1.0")
    with_copy = f"from pathlib import Path\nfrom django.conf import settings\nsettings.OPENAPI_FILE = Path('{file}')"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "bookjob_site.settings"}
    subprocess.run([sys.executable, "-c", with_copy + LOADED], cwd=ROOT, env=environment, check=True)


STARTS = """
from django.conf import settings
settings.OPENAPI_FILE = settings.BASE_DIR / "none.yaml"
from bookjob_site import wsgi
"""


def test_without_the_file_all_else_goes_on(settings, client, db, caplog):
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "bookjob_site.settings"}
    subprocess.run([sys.executable, "-c", STARTS], cwd=ROOT, env=environment, check=True)
    served.published.cache_clear()
    settings.OPENAPI_FILE = ROOT / "none.yaml"
    answer = client.get("/api/v1/schema")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["detail"]["params"] == {"error": "unavailable"}
    assert str(settings.OPENAPI_FILE) in caplog.text
    told = f"{settings.OPENAPI_FILE} is missing: /api/v1/schema answers with 503. Install the release again."
    said = StringIO()
    call_command("check", stderr=said)  # a warning: no command is refused for it
    assert told in said.getvalue()
    assert told in [found.sentence for found in doctor.findings()]
    settings.OPENAPI_FILE = ROOT / "openapi.yaml"
    assert client.get("/api/v1/schema").status_code == 200  # put back, it is served


DOCUMENT = published.DOCUMENT
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


@pytest.mark.slow  # two seconds
def test_it_is_valid_openapi():
    from openapi_spec_validator import OpenAPIV31SpecValidator  # takes two seconds

    assert [fault.message for fault in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def faults_of_style(document):
    """What a generator of clients, or its reader, would stumble over. No linter of APIs is a Python package."""
    if not document.get("servers"):
        yield "no servers"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            place = f"{method} {path}"
            yield from (
                f"{place}: no {name}"
                for name in ("operationId", "summary", "description", "tags", "security")
                if name not in operation
            )
            for parameter in operation.get("parameters", []):
                if not parameter.get("description") and "default" not in parameter["schema"]:
                    yield f"{place}: {parameter['name']} is not described"
            for status, answer in operation["responses"].items():
                answer = published.resolved(answer)
                content = answer.get("content", {}).get("application/json", {})
                if not answer.get("description"):
                    yield f"{place}: {status} is not described"
                if status >= "400" and not content.get("examples"):
                    yield f"{place}: {status} has no example"
            answers = map(published.resolved, operation["responses"].values())
            contents = [answer.get("content", {}).get("application/json", {}) for answer in answers]
            if "requestBody" in operation:
                contents.append(operation["requestBody"]["content"]["application/json"])
            for content in contents:
                for name, example in content.get("examples", {}).items():
                    reference = content["schema"]["$ref"]
                    if not published.validator(reference).is_valid(example["value"]):
                        yield f"{place}: the example {name} is no {reference}"
    for place, schema in schemas_in(document):
        if "default" in schema and not jsonschema_rs.is_valid(
            {**{key: value for key, value in schema.items() if key != "default"}, "components": document["components"]},
            schema["default"],
        ):
            yield f"{place}: the default is outside of its own limits"
        if schema.get("type") == "object" and not schema.keys() & {"properties", "additionalProperties"}:
            yield f"{place}: an object of which nothing is known"


def schemas_in(node, place="#"):
    if isinstance(node, dict):
        if node.keys() & {"type", "anyOf", "$ref", "enum", "default"} and not isinstance(node.get("type"), dict):
            yield place, node
        for key, inner in node.items():
            if key not in ("examples", "example"):
                yield from schemas_in(inner, f"{place}/{key}")
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from schemas_in(inner, f"{place}/{index}")


def test_it_has_what_a_generator_of_clients_needs():
    assert list(faults_of_style(DOCUMENT)) == []


def test_the_check_above_notices():
    broken = copy.deepcopy(DOCUMENT)
    del broken["servers"]
    log_in = broken["paths"]["/api/v1/auth/token"]["post"]
    del log_in["security"], log_in["summary"], log_in["responses"]["401"]["content"]["application/json"]["examples"]
    feed = broken["paths"]["/api/v1/workorders"]["get"]["parameters"]
    feed[0]["schema"]["default"] = ""
    offer = broken["paths"]["/api/v1/appointments/search"]["post"]["responses"]["200"]["content"]["application/json"]
    del offer["examples"]["OneOffer"]["value"]["TimeConstraints"][0]["Period"]["End"]
    assert list(faults_of_style(broken)) == [
        "no servers",
        "post /api/v1/appointments/search: the example OneOffer is no #/components/schemas/SearchResponse",
        "post /api/v1/auth/token: no summary",
        "post /api/v1/auth/token: no security",
        "post /api/v1/auth/token: 401 has no example",
        "#/paths//api/v1/workorders/get/parameters/0/schema: the default is outside of its own limits",
    ]


READING_SUPPLY = ["read_slots", "read_areas", "read_blackouts", "read_absences", "read_slot_feed"]
WRITING_SUPPLY = ["put_slots", "put_areas", "put_blackouts", "put_absences", "lift_blackout", "lift_absence"]
WRITING_SUPPLY += ["close_slots", "open_slots", "resize_slots"]


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_each_operation_says_its_own_errors(name, operation):
    """One without a body has no 413, and only a booking has the refusals of a slot."""
    codes = {
        code
        for status, answer in operation["responses"].items()
        if status >= "400" and "$ref" not in answer  # the server's are every operation's
        for code in published.codes_of(answer)
    }
    always = {"invalid_request", "invalid_logon", "method_not_allowed", "throttled", "server_error", "unavailable"}
    with_body = {"too_large", "unsupported_media_type"}
    booking = {"slot_not_found", "slot_unavailable", "already_booked", "cancelled_meanwhile", "conflicting_duplicate"}
    acts = with_body | {"forbidden", "not_found", "changed_meanwhile", "idempotency_mismatch", "still_running"}
    once = {"forbidden", "idempotency_mismatch", "still_running"}
    rows, lifted = with_body | once | {"rows_refused"}, once | {"not_found"}
    moved = {"already_cancelled", "already_booked", "same_slot", "slot_not_found", "slot_unavailable"}
    assert (
        codes
        == always
        | {
            "log_in": with_body,
            "search_appointments": with_body | {"forbidden"},
            "book_followup": with_body | booking | {"forbidden"},
            "read_work_orders": {"forbidden"},
            "read_work_order": {"forbidden", "not_found"},
            "read_alternatives": {"forbidden", "not_found", "already_cancelled"},
            "explain_appointments": with_body | {"forbidden"},
            "put_slots": rows,
            "read_slots": {"forbidden"},
            "cancel_work_order": acts | {"already_cancelled"},
            "move_work_order": acts | moved,
            "review_work_order": acts | {"already_cancelled", "already_reviewed"},
            "note_work_order": acts,
            "read_areas": {"forbidden"},
            "put_areas": rows,
            "read_blackouts": {"forbidden"},
            "put_blackouts": rows,
            "lift_blackout": lifted,
            "read_absences": {"forbidden"},
            "put_absences": rows,
            "lift_absence": lifted,
            "close_slots": rows - {"rows_refused"},
            "open_slots": rows - {"rows_refused"},
            "resize_slots": rows - {"rows_refused"},
            "read_slot_feed": {"forbidden"},
            "read_refusal_feed": {"forbidden"},
            "read_calendar": {"not_found"},
        }[operation["operationId"]]
    )
    security = {
        "log_in": [],
        "search_appointments": [{"accessToken": []}, {"systemKey": ["search"]}],
        "book_followup": [{"accessToken": []}, {"systemKey": ["book"]}],
        "read_work_orders": [{"accessToken": []}, {"systemKey": ["work_orders:read"]}],
        "read_refusal_feed": [{"accessToken": []}, {"systemKey": ["work_orders:read"]}],
        "read_calendar": [],
        **{name: [{"systemKey": ["supply:read"]}] for name in READING_SUPPLY},
        **{name: [{"systemKey": ["supply:write"]}] for name in WRITING_SUPPLY},
        "explain_appointments": [{"systemKey": ["explain"]}],
        "read_work_order": [{"accessToken": []}, {"systemKey": ["work_orders:read"]}],
    }
    write = [{"systemKey": ["work_orders:write"]}]
    assert operation["security"] == security.get(operation["operationId"], write)


def test_an_answer_that_is_not_as_published_is_noticed():
    good = {"code": 404, "detail": {"message": "x", "params": {"error": "not_found"}, "dataPath": ""}}
    published.check("GET", "/api/v1/workorders/FU-1", 404, json.dumps(good).encode())
    for wrong in (
        good | {"code": 409},
        good | {"detail": good["detail"] | {"params": {"error": "slot_not_found"}}},
        good | {"detail": good["detail"] | {"params": {"error": "not_found", "other": 1}}},
        good | {"detail": {"message": "x", "params": {"error": "not_found"}}},
    ):
        with pytest.raises(AssertionError):
            published.check("GET", "/api/v1/workorders/FU-1", 404, json.dumps(wrong).encode())
