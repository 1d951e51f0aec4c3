"""One browser for all tests of this folder, and one service, which has the same office again at each test's begin."""

import pytest

from tests.conftest import Database, Service
from tests.support import browser, scene


@pytest.fixture(scope="package")
def chromium():
    """Not for longer: where Playwright runs, Django takes this thread for one that may not wait for a database."""
    with browser.chromium() as running:
        yield running


@pytest.fixture(scope="package")
def one_service(scene_database, tmp_path_factory):
    """To start one, and to let it read all templates, takes longer than most tests. No test here is about several."""
    folder = tmp_path_factory.mktemp("office")
    database = Database(scene_database, folder)
    service = Service(database, folder / "gunicorn.log", "bookjob_site.wsgi", WEB_CONCURRENCY="1")
    yield service
    service.stop()
    database.drop()


@pytest.fixture
def office(one_service, scene_database):
    """The running service; what the database holds is what tests/support/scene.py made, whatever a test left."""
    one_service.database.fill(scene_database)
    return one_service


@pytest.fixture
def open_page(chromium, office):
    """A window in which a user is logged in. What goes wrong in it fails the test."""
    contexts, faults = [], []

    def opened(name="dispatcher", size=browser.DESKTOP, scheme="light"):
        # Far from both areas, so that a time of the viewer's own clock would be seen at once.
        context = chromium.new_context(
            viewport=size, color_scheme=scheme, timezone_id="Asia/Tokyo", locale="en-GB", reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
        page.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith(office.url) else None)
        context.add_cookies([{"name": "sessionid", "value": scene.session_of(name), "url": office.url}])
        page.goto(f"{office.url}/admin/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []
