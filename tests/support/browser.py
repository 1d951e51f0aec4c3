"""The machine's own Chromium, driven by Playwright; nothing is downloaded."""

import contextlib
import os
import shutil
import tempfile

CANDIDATES = ["chromium", "chromium-browser", "google-chrome"]
# As root there is no sandbox; and nothing of the browser's own may want to reach the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


def find_chromium() -> str:
    """The path of the browser, or an empty text where there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CANDIDATES)), "")


@contextlib.contextmanager
def chromium():
    """A running browser with a profile of its own; yields a function that opens a context."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="bookjob-chromium-") as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=FLAGS, env={**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder}
        )
        try:
            yield browser
        finally:
            browser.close()


def log_in(page, url, name, password):
    page.goto(f"{url}/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/admin/")
