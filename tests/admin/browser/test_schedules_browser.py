"""A schedule made, changed and put back in a real browser, with every click counted."""

import re
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from tests.admin.browser.test_browser import resized, seriously_wrong, too_wide
from tests.admin.browser.test_planner_browser import Clicks
from tests.support import browser

LONDON = ZoneInfo("Europe/London")
YORK = "INSERT INTO bookings_servicearea (code, name, time_zone) VALUES ('YORK', 'York', 'Europe/London')"
SLOTS = (
    "SELECT COUNT(*) FROM bookings_appointmentslot s JOIN bookings_servicearea a ON a.id = s.area_id"
    " WHERE a.code = 'YORK' AND NOT s.is_withdrawn AND s.start > %s"
)


def number_of_slots(office) -> int:
    """From tomorrow on: which ones of today are left depends on the hour."""
    tonight = datetime.combine(datetime.now(LONDON).date(), time(23, 59), LONDON)
    ((number,),) = office.database.execute(SLOTS, f"{tonight.astimezone(UTC):%Y-%m-%d %H:%M:%S+00:00}")
    return number


def test_made_changed_and_put_back(open_page, office, figures):
    office.database.execute(YORK)
    page = open_page("supervisor")
    click = Clicks(page)
    click(page.get_by_role("link", name=re.compile(r"Schedules\s*$")))
    click(page.locator("a[href$='/schedule/add/']").first)
    click(page.get_by_label("Area", exact=True))
    page.get_by_label("Area", exact=True).select_option(label="York (YORK)")
    click(page.get_by_label("Hours", exact=True))
    page.get_by_label("Hours", exact=True).fill("08:00-12:00")
    click(page.get_by_role("button", name="Show what changes"))
    page.get_by_text(re.compile(r"YORK: \d+ slots created")).wait_for()
    assert number_of_slots(office) == 0
    for width, wide in resized(page):
        assert wide == [], width
    assert seriously_wrong(page) == []
    click(page.get_by_role("button", name="Save", exact=True))
    page.get_by_text("Version 1").wait_for()
    made, clicks = number_of_slots(office), click.number
    assert made == 2 * 60
    click(page.get_by_role("link", name="Change", exact=True))
    click(page.get_by_label("Minutes of a slot"))
    page.get_by_label("Minutes of a slot").fill("240")
    click(page.get_by_role("button", name="Show what changes"))
    click(page.get_by_role("button", name="Save", exact=True))
    page.get_by_text("Version 2").wait_for()
    assert number_of_slots(office) == 60
    changed = click.number - clicks
    click(page.get_by_role("button", name="Undo the last change"))
    click(page.get_by_role("button", name="Save", exact=True))
    page.get_by_text("Version 3").wait_for()
    assert number_of_slots(office) == made
    figures(f"a schedule: made by {clicks} clicks, changed by {changed}, put back by {click.number - clicks - changed}")
    assert (clicks, changed, click.number - clicks - changed) == (6, 4, 2)


def test_without_script_in_the_dark_and_on_a_phone(open_page, office):
    office.database.execute(YORK)
    address = f"{office.url}/admin/bookings/schedule"
    page = open_page("supervisor", size=browser.PHONE, scheme="dark")
    for name in ("add", "import"):
        page.goto(f"{address}/{name}/")
        assert too_wide(page) == []
        assert seriously_wrong(page) == []
    page = browser.without_script(page, browser.PHONE)
    page.goto(f"{address}/add/")
    page.get_by_label("Area", exact=True).select_option(label="York (YORK)")
    page.get_by_label("Hours", exact=True).fill("8-12")
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_text("Hours '8-12' is not like 08:00-12:00.").wait_for()
    page.get_by_label("Hours", exact=True).fill("08:00-12:00")
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Version 1").wait_for()
    assert number_of_slots(office) > 0
    page.context.close()
