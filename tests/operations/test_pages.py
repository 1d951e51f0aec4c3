"""The documentation: its tables are what the code says, and its links lead somewhere."""

import re

import pytest
from django.apps import apps

from tests import pages
from tests.support.environment import ROOT

EVERY = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not {".venv", "var", "node_modules"} & set(path.relative_to(ROOT).parts)
]
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"")


@pytest.mark.django_db
@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_its_tables_are_what_the_code_says(page):
    """Where they are not: make docs"""
    assert pages.drawn(page.read_text()) == page.read_text()


def test_the_example_is_what_the_settings_say():
    """Where it is not: make docs"""
    assert (ROOT / ".env.example").read_text() == pages.example()


def test_each_table_stands_once():
    names = [name for page in pages.PAGES for _, name in pages.MARK.findall(page.read_text())]
    assert sorted(names) == sorted(pages.TABLES)


def test_the_architecture_names_each_table_and_what_decides():
    text = (ROOT / "docs" / "architecture.md").read_text()
    _, _, diagram = text.partition("erDiagram")
    tables = {model.__name__ for model in apps.get_app_config("bookings").get_models()}
    files = [file for folder in ("offers", "services") for file in (ROOT / "bookings" / folder).glob("[a-z]*.py")]
    assert [name for name in sorted(tables) if not re.search(rf"\b{name}\b", diagram)] == []
    assert [file.name for file in files if f"`{file.stem}`" not in text] == []


def test_operations_names_each_check():
    text = "".join(path.read_text() for path in (ROOT / "bookings").rglob("*.py"))
    ours = set(re.findall(r"bookjob\.[EW]\d+", text))
    assert len(ours) >= 3
    assert set(re.findall(r"^\| `(bookjob\.\w+)`", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)) == ours


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ +(.+?)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = []
    for link in (first or second for first, second in LINK.findall(text)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            found.append(link)
    return found


@pytest.mark.parametrize("page", EVERY, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert broken(page) == []


def unknown_files(text: str) -> list[str]:
    """Files of Python that a page names and that are not there, whatever folders it leaves out."""
    known = {f"/{path.relative_to(ROOT)}" for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    named = re.findall(r"`([\w./-]+\.py)(?:::\w+)?`", text)
    return [name for name in named if not any(path.endswith(f"/{name}") for path in known)]


@pytest.mark.parametrize("page", EVERY, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(page):
    assert unknown_files(page.read_text()) == []


def test_the_test_above_would_notice_a_file_that_is_gone():
    assert unknown_files("`tests/pages.py`, `pages.py::drawn`, `manage.py`, `es.py`, `gone/pages.py`") == [
        "es.py", "gone/pages.py",
    ]  # fmt: skip


def test_the_test_above_would_notice(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One thing\n[a](#one-thing) [b](page.md#other) [c](none.md) [d](https://example.org/none)\n")
    assert broken(page) == ["page.md#other", "none.md"]


SAID = ["bookings/**/*.py", "bookjob_site/**/*.py", "conformance/**/*.py", "templates/**/*.html", "docs/*.md", "*.md"]
SAID += ["bookings/static/**/*.js", "deploy/**/*"]
TESTS = ["tests/**/*.py", "tests/**/*.sh", "bench/**/*.py"]
FEW = re.compile(r"\b(?:nobody|somebody|whoever|whom)\b", re.IGNORECASE)
NONE = re.compile(r"\b(?:he|his|him|she|her|hers)\b", re.IGNORECASE)


# The words themselves, and a user of Unix who is called so.
EXEMPT = {"test_pages.py", "postgres.py", "as_on_the_page.sh"}


def said(words: re.Pattern, patterns: list[str]) -> list[str]:
    files = {file for pattern in patterns for file in ROOT.glob(pattern) if file.is_file() and file.suffix != ".pyc"}
    assert len(files) > 200
    return [f"{file.name}: {word}" for file in files for word in words.findall(file.read_text())]


def test_words_that_are_hard_for_those_who_learned_english_are_few():
    assert len(said(FEW, SAID)) <= 5, said(FEW, SAID)
    assert said(NONE, SAID) == []
    assert [one for one in said(FEW, TESTS) if one.partition(":")[0] not in EXEMPT] == []
    assert FEW.findall("Nobody knows whom.") == ["Nobody", "whom"]


def test_every_page_can_be_reached_from_the_readme():
    reached, next_ones = set(), [ROOT / "README.md"]
    while next_ones:
        page = next_ones.pop()
        reached.add(page)
        links = (first or second for first, second in LINK.findall(page.read_text()))
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links if ".md" in link}
        next_ones += targets - reached - set(next_ones)
    assert set((ROOT / "docs").glob("*.md")) <= reached
