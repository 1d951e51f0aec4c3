"""What openapi.yaml promises of an answer; conftest.py holds every answer of the tests' client against it."""

import json
import re
from functools import cache

import jsonschema_rs
import yaml

from tests.support.environment import ROOT

DOCUMENT = yaml.load((ROOT / "openapi.yaml").read_text(), yaml.CSafeLoader)
# The longest first: the number of a work order may be anything.
PATHS = [
    (re.compile(re.sub(r"\{\w+\}", "(?s:.+)", path)), operations)
    for path, operations in sorted(DOCUMENT["paths"].items(), key=lambda item: -len(item[0]))
]


def operation_at(method: str, path: str) -> dict | None:
    """The operation that is published there."""
    for pattern, operations in PATHS:
        if pattern.fullmatch(path.removesuffix("/")) and method.lower() in operations:
            return operations[method.lower()]
    return None


def resolved(response: dict) -> dict:
    """What several operations share stands once, among the components."""
    name = response.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["responses"][name] if name else response


def codes_of(response: dict) -> set[str]:
    """The error codes that an operation has with this status: each has its example."""
    examples = response["content"]["application/json"]["examples"].values()
    return {example["value"]["detail"]["params"]["error"] for example in examples}


def check(method: str, path: str, status: int, content: bytes) -> None:
    """Raises AssertionError where the answer of an operation is not what is published for it."""
    operation = operation_at(method, path)
    if operation is None or method == "HEAD":
        return
    good = resolved(operation["responses"].get(str(status), {}))
    if status < 400 and "application/json" not in good.get("content", {}):
        assert good, f"{method} {path} answered {status}"
        return
    body = json.loads(content)
    # With the documented statuses only, the body still tells the error's own one.
    published = operation["responses"].get(str(body["code"] if status >= 400 else status))
    assert published, f"{method} {path} answered {status}: {body}"
    published = resolved(published)
    reference = published["content"]["application/json"]["schema"]["$ref"]
    faults = [f"{list(fault.instance_path)}: {fault.message}" for fault in validator(reference).iter_errors(body)]
    assert not faults, f"{method} {path} answered {body}: {faults}"
    if status >= 400:
        params = body["detail"]["params"]
        assert params["error"] in codes_of(published), f"{method} {path}: {body}"
        known = DOCUMENT["components"]["schemas"]["ErrorParams"]["properties"]
        assert params.keys() <= known.keys(), f"{method} {path}: {body}"


@cache
def validator(reference: str):
    return jsonschema_rs.Draft202012Validator(
        {"$ref": reference, "components": DOCUMENT["components"]}, validate_formats=True
    )
