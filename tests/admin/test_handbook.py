"""Help on the desk: the documents, as they are in docs/, and the search in them."""

import re

import pytest
from django.test import Client

from bookings.admin import handbook
from tests.support import desk
from tests.support.environment import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.once]
NAMES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


@pytest.fixture
def client():
    return desk.person("viewer")


def test_each_document_is_for_one_reader(client):
    listed = [f"{name}.md" for names in handbook.GUIDE.values() for name in names]
    assert sorted(listed) == NAMES
    page = client.get("/admin/help/").content.decode()
    assert all(f'href="/admin/help/{name}"' in page for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_document_is_shown_and_leads_somewhere(client, name):
    page = client.get(f"/admin/help/{name}").content.decode()
    article = page[page.index("<article") : page.index("</article>")]
    anchors = set(re.findall(r' id="([^"]+)"', article))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors | {"content", "main"}
    for link in re.findall(r'(?:href|src)="([^"#:]+)(?:#[^"]*)?"', article):
        assert client.get(f"/admin/help/{link}").status_code == 200, link


def test_links_out_of_the_documents_stay_as_text(client):
    assert "](../CHANGELOG.md)" in (ROOT / "docs" / "changes.md").read_text()
    page = client.get("/admin/help/changes.md").content.decode()
    assert "CHANGELOG.md" in page
    assert "../CHANGELOG.md" not in page


def test_a_search_leads_to_the_section(client):
    page = client.get("/admin/help/", {"q": "Slot_Pointer booking"}).content.decode()
    assert 'href="/admin/help/connect.md#4-where-a-booking-names-its-slot"' in page
    first = re.search(
        r'href="/admin/help/(\w+\.md#[^"]+)"', client.get("/admin/help/?q=safety+margin").content.decode()
    )
    assert first[1] == "slots.md#cut-off-and-safety-margin"


@pytest.mark.parametrize("words", ["zebra crossing", "<script>alert(1)</script>", "x" * 5000, "\x00", "% _ [ (", "ß"])
def test_a_search_for_anything(client, words):
    answer = client.get("/admin/help/", {"q": words})
    assert answer.status_code in (200, 400)
    assert b"<script>alert(1)" not in answer.content


@pytest.mark.parametrize("name", ["none.md", "..%2FREADME.md", "screenshots/none.png", "screenshots/..%2Fdesk.md"])
def test_no_other_file_is_served(client, name):
    assert client.get(f"/admin/help/{name}").status_code == 404


def test_only_staff_read_them():
    for address in ("", "desk.md", "screenshots/list.png"):
        assert Client().get(f"/admin/help/{address}").status_code == 302


def test_an_installation_without_the_folder(client, monkeypatch):
    monkeypatch.setattr(handbook, "pages", dict)
    assert "The documents are not installed" in client.get("/admin/help/").content.decode()


def test_the_menu_has_it(client):
    assert 'href="/admin/help/"' in client.get(desk.LIST).content.decode()
