"""Pictures of the desk, for the README: `python -m tests.screenshots` writes them to var/screenshots/.

It starts the service over an SQLite database of its own, fills it with a dispatcher's day, and stops it again.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import browser, environment, scene

FOLDER = environment.ROOT / "var" / "screenshots"
LOOKS = [
    ("", browser.DESKTOP, "light"),
    ("-dark", browser.DESKTOP, "dark"),
    ("-phone", browser.PHONE, "light"),
]


def take(chromium, url):
    for ending, size, scheme in LOOKS:
        context = chromium.new_context(viewport=size, color_scheme=scheme, locale="en-GB", reduced_motion="reduce")
        page = context.new_page()
        browser.log_in(page, url, "supervisor", scene.PASSWORD)

        def shoot(name, page=page, ending=ending):
            page.wait_for_load_state("networkidle")
            page.screenshot(path=FOLDER / f"{name}{ending}.png")

        shoot("board")
        for name in ("planner", "rules"):
            page.goto(f"{url}/admin/bookings/appointmentslot/{name}/?area=LEEDS")
            shoot(name)
        page.goto(f"{url}/admin/bookings/workorder/")
        shoot("list")
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
    from tests.conftest import Database, Service, manage

    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(None, Path(folder))
        manage(database, "migrate", "--verbosity", "0")
        subprocess.run(
            [sys.executable, "-m", "tests.support.scene", "--bookings", "60"],
            cwd=environment.ROOT,
            env=os.environ | {"DATABASE_URL": database.url},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        service = Service(database, Path(folder) / "gunicorn.log", "bookjob_site.wsgi")
        try:
            with browser.chromium() as chromium:
                take(chromium, service.url)
        finally:
            service.stop()
    for picture in sorted(FOLDER.glob("*.png")):
        print(picture.relative_to(environment.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
