"""What is wrong is noted, and told all at once."""

import re

from bookjob_site.environment.declarations import BY_NAME

_refused: list[str] = []
refused_names: set[str] = set()


def refuse(name: str, read: str, right: str, broken: str) -> None:
    """Note a line; `stop_if_refused` tells all of them. `read` begins with a verb ("is 'soon'")."""
    refused_names.add(name)
    _refused.append(f"bookjob does not start: {name} {read}. It must be {right}. Otherwise {broken}.")


def stop_if_refused() -> None:
    """End the process before it serves anything, with a line for each wrong value instead of a traceback."""
    if _refused:
        raise SystemExit("\n".join(_refused))


def shown(name: str, text: str) -> str:
    """What was read, without secrets."""
    if name in BY_NAME and BY_NAME[name].is_secret:
        return "is set (a secret, not shown here)"
    text = re.sub(r"(?s)(//[^:]*:).*@", r"\1***@", text)
    if name.endswith("_URL"):  # also where the scheme, or the host with its `@`, is missing
        text = re.sub(r"(?s)((?:^(?![\w+.-]+://)|//)[^:]*:)(?:.*(?=@)|.*)", r"\1***", text)
    text = re.sub(r"password=[^&]*", "password=***", text)
    return f"is {text[:200]!r}"
