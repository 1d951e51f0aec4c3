"""The machine's own Chromium, driven by Playwright; nothing is downloaded."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from unittest import mock

# The first is the engine alone, without windows and menus: it takes a quarter less of the processor.
CANDIDATES = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
# As root there is no sandbox; and nothing of the browser's own may want to reach the network. Pages of one profile
# share a process, which has the scripts and fonts of the theme then.
FLAGS = [
    "--no-sandbox",
    "--renderer-process-limit=1",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONGEST = 60_000  # milliseconds that a page may take to show something: the machine may be busy
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def find_chromium() -> str:
    """The path of the browser, or an empty text where there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CANDIDATES)), "")


# What a test does with a piece of a page, or reads of it.
DOES = "check clear click dblclick drag_to fill focus hover press select_option set_checked set_input_files uncheck"
READS = "all all_inner_texts bounding_box count evaluate evaluate_all get_attribute inner_text input_value is_checked"
READS += " is_disabled is_enabled is_hidden is_visible text_content"


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Whatever a test does with a page, or reads of it, waits until the page and its scripts are loaded.

    Before, a row may be missing, and a click or a key finds a page whose scripts do not listen yet. Playwright itself
    waits for the one piece that is meant. Where a click leads is waited for by Playwright until the next page begins;
    after a key, a test waits for something of the next page.
    """
    from playwright.sync_api import Browser, Locator, Page

    def when_loaded(call: Callable, page_of: Callable = lambda piece: piece.page) -> Callable:
        def called(piece, *arguments, **named):
            page_of(piece).wait_for_load_state()
            return call(piece, *arguments, **named)

        return called

    open_context = Browser.new_context

    def patient_context(browser: Browser, **options):
        context = open_context(browser, **options)
        context.set_default_timeout(LONGEST)
        return context

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(Browser, "new_context", patient_context))
        for name in f"{DOES} {READS}".split():
            stack.enter_context(mock.patch.object(Locator, name, when_loaded(getattr(Locator, name))))
        itself = {"page_of": lambda page: page}
        stack.enter_context(mock.patch.object(Page, "evaluate", when_loaded(Page.evaluate, **itself)))
        for name in ("keyboard", "mouse"):
            asked = when_loaded(getattr(Page, name).fget, **itself)
            stack.enter_context(mock.patch.object(Page, name, property(asked)))
        yield


@contextlib.contextmanager
def chromium():
    """A running browser with a profile of its own; yields a function that opens a context."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="bookjob-chromium-") as folder, sync_playwright() as playwright, patience():
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=FLAGS, env={**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder}
        )
        try:
            yield browser
        finally:
            browser.close()


def without_script(page, size=DESKTOP):
    """A page of the same session in which no script runs. Its context is for the test to close."""
    plain = page.context.browser.new_context(java_script_enabled=False, viewport=size)
    plain.add_cookies(page.context.cookies())
    return plain.new_page()


def log_in(page, url, name, password):
    page.goto(f"{url}/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/admin/")
