"""What a run found, for people (text, HTML) and for machines (JSON, JUnit). The ending of a file's name decides."""

import html
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from xml.etree import ElementTree

from conformance import kit, push

Tried = kit.Run | push.Run

STYLE = (
    "body{font:16px system-ui,sans-serif;margin:2rem;color:#111;background:#fff}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:.3rem .6rem;text-align:left;vertical-align:top}"
    ".PASS{color:#0a5c24}.FAIL{color:#a40000;font-weight:bold}.SKIP{color:#555}"
)


def write(run: Tried, file: Path) -> None:
    form = {".json": as_json, ".xml": as_junit, ".html": as_html}.get(file.suffix.lower(), as_text)
    file.write_text(form(run), "utf-8")


def sums(run: Tried) -> str:
    counts = Counter(result.outcome for result in run.results)
    return f"{counts[kit.PASS]} passed, {counts[kit.FAIL]} failed, {counts[kit.SKIP]} skipped."


def closing_lines(run: Tried) -> list[str]:
    """What a person has to know or to do, and the sum of it all."""
    return [*run.closing_lines(), sums(run)]


def _head(run: Tried) -> str:
    return f"{run.target.url}, {run.began_at:%Y-%m-%d %H:%M} UTC"


def as_text(run: Tried) -> str:
    return "\n".join([_head(run), "", *map(str, run.results), "", *closing_lines(run), ""])


def as_json(run: Tried) -> str:
    document = {
        "url": run.target.url,
        "began_at": run.began_at.isoformat(),
        "checks": [asdict(result) for result in run.results],
        **run.closing_object(),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_junit(run: Tried) -> str:
    """A test case a check, as servers of continuous integration read them."""
    counts = Counter(result.outcome for result in run.results)
    suite = ElementTree.Element(
        "testsuite",
        name="check_contract",
        hostname=run.target.url,
        timestamp=run.began_at.replace(tzinfo=None).isoformat(timespec="seconds"),
        tests=str(len(run.results)),
        failures=str(counts[kit.FAIL]),
        errors="0",
        skipped=str(counts[kit.SKIP]),
    )
    for result in run.results:
        case = ElementTree.SubElement(suite, "testcase", classname="check_contract", name=result.name)
        if result.outcome != kit.PASS:
            kind = "failure" if result.outcome == kit.FAIL else "skipped"
            ElementTree.SubElement(case, kind, message=result.why).text = str(result)
    ElementTree.SubElement(suite, "system-out").text = "\n".join(closing_lines(run))
    return ElementTree.tostring(suite, "unicode", xml_declaration=True) + "\n"


def as_html(run: Tried) -> str:
    """One page, which asks no other server for anything."""
    rows = "\n".join(
        f'<tr><td class="{result.outcome}">{result.outcome}</td>'
        + "".join(f"<td>{html.escape(text)}</td>" for text in (result.name, result.sent, result.came_back, result.why))
        + "</tr>"
        for result in run.results
    )
    closing = html.escape("\n".join(run.closing_lines()))
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>check_contract</title>'
        f"<style>{STYLE}</style>\n<h1>check_contract</h1>\n<p>{html.escape(_head(run))}</p>\n<p>{sums(run)}</p>\n"
        "<table><tr><th>outcome</th><th>check</th><th>sent</th><th>came back</th><th>why</th></tr>\n"
        f"{rows}\n</table>\n<pre>{closing}</pre>\n</html>\n"
    )
