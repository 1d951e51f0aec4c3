"""The capacity grid in a real browser, with every click counted."""

from datetime import date, timedelta

from tests.admin.browser.test_browser import seriously_wrong, too_wide
from tests.admin.browser.test_planner_browser import Clicks
from tests.support import browser

# Friday afternoons of three areas, and mornings that stay as they are.
FRIDAYS = """
from datetime import timedelta
from django.utils import timezone
from tests.support import helpers
noon = timezone.now().replace(hour=9, minute=0, second=0, microsecond=0)
friday = noon + timedelta(days=7 + (4 - noon.weekday()) % 7)
for area in ("HULL", "RIPON", "SELBY"):
    helpers.make_area(area)
    for week in range(4):
        for hours in (0, 5):
            helpers.make_slot(area, friday + timedelta(days=7 * week, hours=hours), worker="friday", capacity=2)
"""
CHANGED = "SELECT COUNT(*), MIN(capacity), MAX(capacity) FROM bookings_appointmentslot WHERE worker = 'friday'"


def christmas() -> date:
    """Four weeks and more from now, whatever the day is: the last day of the pattern."""
    return date.today() + timedelta(days=7 * 6)


def test_one_more_on_all_friday_afternoons(open_page, office, figures):
    made = office.manage("shell", "--no-imports", "--command", FRIDAYS)
    assert made.returncode == 0, made.stderr
    page = open_page("supervisor")
    click = Clicks(page)
    click(page.get_by_role("link", name="Capacity"))
    pattern = page.get_by_role("form", name="Change by a pattern")
    click(pattern.get_by_label("Fri"))
    # A field that is typed into is a click, too.
    for label, value in (("Begins from", "12:00"), ("Last day", str(christmas())), ("Order types", "any")):
        click(pattern.get_by_label(label))
        pattern.get_by_label(label).fill(value)
    click(pattern.get_by_role("button", name="+ places"))
    click(page.get_by_role("button", name="+1 place"))
    page.get_by_text("slots changed.").wait_for()
    figures(f"one more place on all Friday afternoons: {click.number} clicks")
    assert click.number <= 8
    assert office.database.execute(f"{CHANGED} AND capacity = 3") == [(12, 3, 3)]
    assert office.database.execute(CHANGED) == [(24, 2, 3)]


def test_by_keyboard_alone(open_page, office):
    page = open_page("supervisor")
    page.get_by_role("link", name="Capacity").focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("checkbox", name="Choose Leeds").first
    before = office.database.execute("SELECT SUM(capacity) FROM bookings_appointmentslot")[0][0]
    box.focus()
    page.keyboard.press("Space")
    page.get_by_role("form", name="Cells").get_by_role("button", name="+ places").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="+1 place").focus()
    page.keyboard.press("Enter")
    page.get_by_text("changed.").wait_for()
    assert office.database.execute("SELECT SUM(capacity) FROM bookings_appointmentslot")[0][0] > before


def test_without_script_on_a_phone_in_the_dark_and_on_paper(open_page, office):
    address = f"{office.url}/admin/bookings/appointmentslot/capacity/"
    for size, scheme in ((browser.DESKTOP, "light"), (browser.PHONE, "dark")):
        page = open_page("supervisor", size=size, scheme=scheme)
        page.goto(f"{address}?weeks=6&rows=windows")
        assert too_wide(page) == []
        assert seriously_wrong(page) == []
    page.emulate_media(media="print")
    assert page.get_by_role("form", name="Change by a pattern").is_hidden()
    page = browser.without_script(page)
    page.goto(address)
    page.get_by_role("checkbox", name="Choose Leeds").first.check()
    page.get_by_role("form", name="Cells").get_by_role("button", name="+ places").click()
    assert page.get_by_role("button", name="+1 place").is_visible()
    page.context.close()
