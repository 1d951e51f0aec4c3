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


def new_profile(chromium):
    """Of a viewer far from both areas, so that a time of their own clock would be seen at once."""
    return chromium.new_context(timezone_id="Asia/Tokyo", locale="en-GB", reduced_motion="reduce")


@pytest.fixture(scope="package")
def profile(chromium, one_service):
    """Where all windows open, unless a test has one of its own.

    One small page stays: without it, Chromium would end the process of the pages between two tests, and begin each
    test with another, which has to read the theme's scripts and fonts first.
    """
    context = new_profile(chromium)
    context.new_page().goto(f"{one_service.url}/static/bookings/desk.css")
    yield context
    context.close()


@pytest.fixture
def own_profile(chromium):
    context = new_profile(chromium)
    yield context
    context.close()


def forget(profile):
    """What a test left in the browser: cookies, and what scripts keep. What they keep for a page went with it."""
    profile.clear_cookies()
    profile.pages[0].evaluate("localStorage.clear()")


@pytest.fixture
def open_page(profile, office):
    """A window in which a user is logged in. What goes wrong in it fails the test."""
    pages, faults = [], []

    def opened(name="dispatcher", size=browser.DESKTOP, scheme="light", profile=profile):
        page = profile.new_page()
        pages.append(page)
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
        page.on("request", lambda asked: faults.append(asked.url) if not asked.url.startswith(office.url) else None)
        profile.add_cookies([{"name": "sessionid", "value": scene.session_of(name), "url": office.url}])
        page.goto(f"{office.url}/admin/")
        return page

    yield opened
    for page in pages:
        page.close()
    forget(profile)
    assert faults == []
