"""Pictures of the desk, for the README: `python -m tests.screenshots` writes them to var/screenshots/.

It starts the service over an SQLite database of its own, fills it with the demo, and stops it again. With --publish
those that the README and the other pages show are put into docs/screenshots/.
"""

import json
import os
import shutil
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from tests.support import browser, environment

FOLDER = environment.ROOT / "var" / "screenshots"
PUBLISHED = environment.ROOT / "docs" / "screenshots"
# By the name of a picture, in this order. What a row of a list leads to comes behind the list.
PAGES = {
    "board": "?day={next_monday}",
    "planner": "bookings/appointmentslot/planner/?area=LEEDS&area=BOSTON&day={next_monday}",
    "rules": "bookings/appointmentslot/rules/?area=LEEDS",
    "capacity": "bookings/appointmentslot/capacity/",
    "schedule": "bookings/schedule/",
    "list": "bookings/workorder/",
}
LOOKS = [
    ("", browser.DESKTOP, "light"),
    ("-dark", browser.DESKTOP, "dark"),
    ("-phone", browser.PHONE, "light"),
]


def take(chromium, url, password):
    today = date.today()
    next_monday = today + timedelta(days=7 - today.weekday())
    for ending, size, scheme in LOOKS:
        context = chromium.new_context(viewport=size, color_scheme=scheme, locale="en-GB", reduced_motion="reduce")
        page = context.new_page()
        browser.log_in(page, url, "supervisor", password)

        def shoot(name, page=page, ending=ending):
            page.wait_for_load_state("networkidle")
            page.screenshot(path=FOLDER / f"{name}{ending}.png")

        for name, path in PAGES.items():
            page.goto(f"{url}/admin/{path.format(next_monday=next_monday)}")
            # The board is read from top to bottom.
            page.set_viewport_size(size | {"height": 960} if name == "board" else size)
            if name == "schedule":
                page.locator("#result_list tbody th a").first.click()
            shoot(name)
        page.locator("#result_list tbody th a").nth(3).click()
        shoot("work-order")
        page.get_by_role("link", name="Cancel booking").click()
        shoot("cancel")
        context.close()


def main():
    if not browser.find_chromium():
        print("No Chromium here: apt-get install chromium, or name one in CHROMIUM.", file=sys.stderr)
        return 1
    os.environ["DJANGO_SETTINGS_MODULE"] = "bookjob_site.settings"
    # Only now: the fixtures' helpers import models.
    import django

    django.setup()
    from bookings.management.commands import load_demo
    from tests.conftest import Database, Service, manage

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(None, Path(folder))
        manage(database, "migrate", "--verbosity", "0")
        manage(database, "load_demo")
        password = json.loads(load_demo.PASSWORDS.read_text())["supervisor"]
        service = Service(database, Path(folder) / "gunicorn.log", "bookjob_site.wsgi")
        try:
            with browser.chromium() as chromium:
                take(chromium, service.url, password)
        finally:
            service.stop()
    for picture in sorted(FOLDER.glob("*.png")):
        print(picture.relative_to(environment.ROOT))
        if "--publish" in sys.argv and (PUBLISHED / picture.name).exists():
            shutil.copy(picture, PUBLISHED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
