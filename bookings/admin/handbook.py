"""The documents of docs/ on the desk: rendered, with a list of headings and a plain search; nothing is fetched.

A page has the name of its file, so that the links between the files lead where they should. What is no document (the
code, the changelog) is not served: such a link stays as its text.
"""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

if TYPE_CHECKING:
    from markdown_it.token import Token

FOLDER = Path(settings.BASE_DIR) / "docs"
# By person; a test sees to it that each document is in one of them.
GUIDE = {
    "You work with bookings": ["situations", "desk"],
    "You set it up for a company": ["setup", "slots", "roles"],
    "You connect ServiceMobility or another system": ["connect", "api", "errors", "delivery", "conformance"],
    "You run it": ["operations", "troubleshooting", "settings", "commands", "databases", "scale", "security",
                   "reliability"],
    "You change it": ["architecture", "changes"],
}  # fmt: skip
# What is wider than the page scrolls in a frame, which the keyboard reaches.
FRAMES = {
    "<table>": '<div class="desk-scroll" tabindex="0" role="region" aria-label="Table"><table class="desk-table">',
    "</table>": "</table></div>",
    "<pre>": '<pre tabindex="0">',
}
MOST_WORDS, MOST_FOUND, AROUND = 10, 40, 110


class Section(NamedTuple):
    """A heading and what stands below it, up to the next one."""

    page: str
    level: int
    title: str
    anchor: str
    text: str


class Page(NamedTuple):
    name: str
    title: str
    sections: list[Section]
    html: SafeString


class Found(NamedTuple):
    page: Page
    section: Section
    excerpt: str


@cache
def pages() -> dict[str, Page]:
    """By file name. They do not change while the process lives; an installation without the folder has none."""
    return {file.name: _page(file) for file in sorted(FOLDER.glob("*.md"))}


def _page(file: Path) -> Page:
    from markdown_it import MarkdownIt  # here: no start of the service waits for it

    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(file.read_text("utf-8"))
    sections = list(_sections(file.name, tokens))
    anchors = iter(section.anchor for section in sections)
    for token in tokens:
        if token.type == "heading_open":
            token.attrSet("id", next(anchors))
        if token.children:
            token.children = _without_dead_links(token.children)
    html = parser.renderer.render(tokens, parser.options, {})
    for plain, framed in FRAMES.items():
        html = html.replace(plain, framed)
    return Page(file.name, sections[0].title if sections else file.stem, sections, mark_safe(html))  # noqa: S308  our own


def _sections(page: str, tokens: "list[Token]") -> list[Section]:
    found: list[Section] = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        pieces = (" " if child.type == "softbreak" else child.content for child in token.children or [])
        text = "".join(pieces) or token.content
        if before and before.type == "heading_open":
            title = "".join(child.content for child in token.children or [])
            found.append(Section(page, int(before.tag[1]), title, _anchor(token.content), ""))
        elif found and token.type in ("inline", "fence"):
            found[-1] = found[-1]._replace(text=f"{found[-1].text} {text}")
    return found


def _anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _without_dead_links(tokens: "list[Token]") -> "list[Token]":
    kept, is_dead = [], False
    for token in tokens:
        if token.type == "link_open":
            path = str(token.attrGet("href")).partition("#")[0]
            is_dead = bool(path) and ":" not in path and not (FOLDER / path).resolve().is_relative_to(FOLDER.resolve())
        if not (is_dead and token.type in ("link_open", "link_close")):
            kept.append(token)
    return kept


def link(name: str, anchor: str) -> SafeString:
    """To a section, by its title; an installation without the folder has the name of the file."""
    sections = pages()[name].sections if name in pages() else []
    for section in sections:
        if section.anchor == anchor:
            address = reverse("document", args=[name])
            return format_html('<a class="desk-link" href="{}#{}">{}</a>', address, anchor, section.title)
    return format_html("docs/{}", name)


def search(text: str) -> list[Found]:
    """The sections that hold all words, those with them in the heading first."""
    words = text.lower().split()[:MOST_WORDS]
    if not words:
        return []
    found = []
    for page in pages().values():
        for section in page.sections:
            whole = f"{page.title} {section.title} {section.text}".lower()
            if all(word in whole for word in words):
                found.append(Found(page, section, _excerpt(section.text, words)))
    found.sort(key=lambda one: -sum(word in one.section.title.lower() for word in words))
    return found[:MOST_FOUND]


def _excerpt(text: str, words: list[str]) -> str:
    text = " ".join(text.split())
    at = min((place for word in words if (place := text.lower().find(word)) >= 0), default=0)
    begin = max(0, at - AROUND)
    piece = text[begin : at + AROUND]
    return f"{'…' * (begin > 0)}{piece}{'…' * (at + AROUND < len(text))}"


def contents(request: HttpRequest) -> HttpResponse:
    """The list of documents by person, or what a search finds in them."""
    query = request.GET.get("q", "").strip()
    guide = [
        (reader, [pages()[f"{name}.md"] for name in names if f"{name}.md" in pages()])
        for reader, names in GUIDE.items()
    ]
    return _answer(request, "Help", {"query": query, "found": search(query), "guide": guide, "is_empty": not pages()})


def document(request: HttpRequest, name: str) -> HttpResponse:
    page = pages().get(name)
    if page is None:
        raise Http404
    return _answer(request, page.title, {"page": page, "headings": [one for one in page.sections if one.level == 2]})


def picture(request: HttpRequest, name: str) -> HttpResponse:
    """A picture of a document: one of the files that are there, by its name."""
    known = {file.name: file for file in (FOLDER / "screenshots").glob("*.png")}
    if name not in known:
        raise Http404
    return HttpResponse(known[name].read_bytes(), content_type="image/png")


def _answer(request: HttpRequest, title: str, context: dict[str, object]) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, **context}
    return TemplateResponse(request, "admin/bookings/handbook.html", context)
