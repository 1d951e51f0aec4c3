"""What a test of the browser does waits for a page whose scripts are late; without that it would be left to chance."""

import contextlib

import pytest

from tests.support import browser

if not browser.find_chromium():
    pytest.skip("No Chromium here: apt-get install chromium, or name one in CHROMIUM.", allow_module_level=True)

PAGE = """<title>Late</title><button>Press</button><p>Here</p><script defer src="late.js"></script>"""
LATE = """const says = text => document.querySelector("p").textContent = text;
document.querySelector("button").onclick = () => says("Pressed");
document.onkeydown = event => says(event.key);"""
DEEDS = {
    "click": (lambda page: page.get_by_role("button").click(), "Pressed"),
    "key": (lambda page: page.keyboard.press("a"), "a"),
    "mouse": (lambda page: page.mouse.click(20, 20), "Pressed"),
    "look": (lambda page: page.get_by_text("Here").inner_text(), "Here"),
    "script": (lambda page: page.evaluate("1 + 1"), "Here"),
}


@pytest.fixture
def late(chromium):
    """A page that has begun, and a function that lets its script come."""
    with contextlib.closing(chromium.new_context(viewport=browser.DESKTOP)) as context:
        page, held = context.new_page(), []
        page.route("**/page", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        page.route("**/late.js", lambda route: held.append(route))
        page.goto("http://late.test/page", wait_until="commit")
        page.get_by_role("button").wait_for()

        def let_it_come():
            for _ in range(1_500):  # its request may be later than the button
                if held:
                    break
                page.wait_for_timeout(10)
            held[0].fulfill(body=LATE, content_type="text/javascript")

        yield page, let_it_come


@pytest.mark.parametrize("deed", DEEDS)
def test_it_waits_for_the_scripts(late, deed):
    from playwright.sync_api import TimeoutError

    (page, let_it_come), (does, says) = late, DEEDS[deed]
    page.set_default_timeout(200)  # as long as it likes: the page is not loaded before its script is
    with pytest.raises(TimeoutError):
        does(page)
    page.set_default_timeout(browser.LONGEST)
    let_it_come()
    does(page)
    page.get_by_text(says, exact=True).wait_for()


@pytest.mark.parametrize("deed", ["click", "key", "mouse"])
def test_the_test_above_would_notice_impatience(late, deed, monkeypatch):
    from playwright.sync_api import Page

    (page, let_it_come), (does, _) = late, DEEDS[deed]
    with monkeypatch.context() as impatient:
        impatient.setattr(Page, "wait_for_load_state", lambda page: None)
        does(page)
    let_it_come()
    page.wait_for_load_state()
    assert page.get_by_role("paragraph").inner_text() == "Here"
