"""Ill, snow and the planner in a real browser, with every click counted."""

import json
import re
from datetime import datetime, timedelta

from tests.admin.browser.test_browser import AXE, resized, seriously_wrong, seriously_wrong_in, too_wide
from tests.support import browser, scene

# Bookings of a worker who falls ill, and of two areas in which it snows, all of them with room for them elsewhere.
CROWD = """
from datetime import timedelta
from django.utils import timezone
from tests.support import helpers
noon = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
def slot(area, day, hours, worker="", capacity=1):
    helpers.make_area(area)
    return helpers.make_slot(area, noon + timedelta(days=day, hours=hours), worker=worker, capacity=capacity)
def book(slot, order):
    location = {"LocationNum": order, "ServiceAreaID": slot.area.code, "Address": {"Zip": "YO1 7HH"},
                "Contacts": [{"LastName": "Okafor", "Phones": [{"PhoneNum": "+44 113 496 0001"}]}]}
    body = helpers.booking(slot.start, slot.end, Location=location, UserName=slot.worker,
                           Account={"AccountNum": order, "Name": "Customer " + order})
    helpers.make_booking(order, body)
"""
ILL = """
for number in range(7):
    book(slot("YORK", 2 + number // 2, 3 * (number % 2), "anna.abbott"), f"ILL-{number}")
for number in range(7):
    slot("YORK", 2 + number // 2, 3 * (number % 2), "ben.baker")
"""
SNOW = """
for area in ("HULL", "RIPON", "SELBY", "WHITBY"):
    for hour in (0, 3):
        place = slot(area, 2, hour, capacity=25)
        for number in range(25):
            book(place, f"SNOW-{area}-{hour}-{number}")
        slot(area, 3, hour, capacity=40)
"""


class Clicks:
    """Presses on a page, counted."""

    def __init__(self, page):
        self.page, self.number = page, 0

    def __call__(self, locator):
        locator.click()
        self.number += 1


def fill(office, script):
    made = office.manage("shell", "--no-imports", "--command", CROWD + script)
    assert made.returncode == 0, made.stderr


def close(page, click, days, reason):
    page.get_by_label("First day").fill(str(days[0]))
    page.get_by_label("Last day").fill(str(days[1]))
    page.get_by_label("Reason").fill(reason)
    click(page.get_by_role("button", name="Close and propose new times"))
    page.get_by_role("button", name="Move what is ticked").wait_for()


def day(days):
    from django.utils import timezone

    return (timezone.now() + timedelta(days=days)).date()


def test_a_worker_is_ill_for_a_week(open_page, office, figures):
    fill(office, ILL)
    page = open_page()
    click = Clicks(page)
    click(page.get_by_role("link", name="Ill or snow"))
    page.get_by_label("Workers").fill("anna.abbott")
    close(page, click, (day(0), day(7)), "Ill")
    assert page.get_by_text("same time").count() == 7
    # One customer is to be asked first.
    click(page.get_by_role("checkbox", name=re.compile("^Move ")).nth(3))
    click(page.get_by_role("button", name="Move what is ticked"))
    page.get_by_role("heading", name="Call list: 6 moved").wait_for()
    page.get_by_role("heading", name="Still here: 1 booking has to go elsewhere").wait_for()
    click(page.get_by_role("button", name="Move what is ticked"))
    # It holds all of the job, and not the last press alone.
    page.get_by_role("heading", name="Call list: 7 moved").wait_for()
    figures(f"a worker with 7 bookings is ill: {click.number} clicks")
    assert click.number <= 12
    left = "SELECT COUNT(*) FROM bookings_workorder WHERE original_order LIKE 'ILL-%%' AND reviewed_at IS NULL"
    assert office.database.execute(left) == [(0,)], "none needs a second review"
    assert office.manage("verify_bookings").stdout == ""


def test_it_snows_in_four_areas(open_page, office, figures):
    fill(office, SNOW)
    page = open_page()
    click = Clicks(page)
    click(page.get_by_role("link", name="Ill or snow"))
    for area in ("Hull", "Ripon", "Selby", "Whitby"):
        click(page.get_by_label(f"{area} ("))
    close(page, click, (day(2), day(2)), "Snow")
    assert page.get_by_text("1 day later").count() == 200
    click(page.get_by_role("button", name="Move what is ticked"))
    page.get_by_role("heading", name="Call list: 200 moved").wait_for()
    figures(f"snow in four areas, 200 bookings: {click.number} clicks")
    assert click.number <= 20
    moved = "SELECT COUNT(*) FROM bookings_historyentry WHERE event = 'moved'"
    assert office.database.execute(moved) == [(200,)]
    # On paper: all that were moved with their phones, and nothing to press.
    page.emulate_media(media="print")
    assert not page.get_by_role("button", name="Print").first.is_visible()
    assert page.get_by_role("region", name="Moved bookings").get_by_text("+44 113 496 0001").count() == 200
    assert office.manage("verify_bookings").stdout == ""


def test_by_keyboard_alone(open_page, office):
    fill(office, ILL)
    page = open_page()
    page.goto(f"{office.url}/admin/bookings/blackout/clear/?workers=anna.abbott&until={day(7)}")
    page.get_by_label("Reason").focus()
    page.keyboard.type("Ill")
    page.keyboard.press("Enter")
    box = page.get_by_role("checkbox", name=re.compile("^Move ")).first
    box.wait_for()
    box.focus()
    page.keyboard.press("Space")
    assert not box.is_checked()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Call list: 6 moved").wait_for()


def plan_page(office) -> str:
    """A page with proposals and a call list."""
    fill(office, ILL)
    script = (
        "from bookings.supply.closing import blackouts; from bookings.models import ServiceArea;"
        "from bookings import clock; from datetime import timedelta;"
        "blackouts.close_slots(area=ServiceArea.objects.get(code='YORK'), worker='anna.abbott', start=clock.now(),"
        " end=clock.now() + timedelta(days=30), reason='Ill', by='dispatcher')"
    )
    made = office.manage("shell", "--no-imports", "--command", script)
    assert made.returncode == 0, made.stderr
    return "bookings/blackout/clear/plan/?b=1"


PLANNER = "bookings/appointmentslot/planner/"
PAGES = [
    "bookings/blackout/clear/",
    "bookings/appointmentslot/rules/",
    "bookings/appointmentslot/rules/?area=YORK&order_type=REPAIR",
    PLANNER,
    f"{PLANNER}?area=YORK&area=LEEDS&span=week",
    f"{PLANNER}?area=YORK&span=week&zoom=names",
]


def test_each_page_at_each_size(open_page, office):
    page = open_page()
    page.add_init_script(path=AXE)
    pages = [*PAGES, plan_page(office)]
    wrong = {}
    for address in pages:
        page.set_viewport_size(browser.PHONE)
        page.goto(f"{office.url}/admin/{address}")
        page.wait_for_load_state("networkidle")
        for width, wide in resized(page):
            # On a desk the colours of the other scheme are those of the widest screen.
            wrong_there = seriously_wrong(page) if width == 1280 else seriously_wrong_in(page)
            if any(found := [wide, wrong_there]):
                wrong[f"{address} at {width}"] = found
    assert wrong == {}, json.dumps(wrong, indent=1)


def test_a_booking_is_moved_in_the_planner_by_keyboard_alone(open_page, office):
    fill(office, ILL)
    page = open_page()
    page.goto(f"{office.url}/admin/{PLANNER}?area=YORK&day={day(2)}&state=&worker=")
    page.get_by_role("link", name=re.compile("^Move FU-")).first.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Choose a window").wait_for()
    # From Anna's window with the arrow keys to Ben's.
    page.locator("tr", has_text="anna.abbott").locator(".planner-go").first.focus()
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("Move to 12:00-14:00, ben.baker"), focused
    page.keyboard.press("Enter")
    page.get_by_role("radio", checked=True).wait_for()
    page.get_by_role("button", name="Move", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_text("moved to").first.wait_for()
    # It leads back to where it was chosen.
    assert "/planner/" in page.url
    assert office.manage("verify_bookings").stdout == ""


def test_a_booking_is_dragged_to_a_window(open_page, office):
    fill(office, ILL)
    page = open_page()
    page.goto(f"{office.url}/admin/{PLANNER}?area=YORK&day={day(2)}")
    visit = page.locator("tr", has_text="anna.abbott").locator("[data-visit]").first
    target = page.locator("tr", has_text="ben.baker").locator(".planner-window").nth(1)
    visit.drag_to(target)
    page.wait_for_url("**/act/move/**")
    assert page.get_by_role("radio", checked=True).count() == 1
    # Where it cannot go, nothing happens.
    page.go_back()
    page.locator("[data-visit]").first.drag_to(
        page.locator("tr", has_text="anna.abbott").locator(".planner-window").nth(1)
    )
    assert "/planner/" in page.url


def test_without_script_all_of_it_is_links_and_forms(chromium, office):
    fill(office, ILL)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    browser.log_in(page, office.url, "dispatcher", scene.PASSWORD)
    page.goto(f"{office.url}/admin/{PLANNER}?area=YORK&day={day(2)}")
    page.locator("[aria-label^='Move FU-']").first.click()
    page.locator(".planner-yes .planner-go").first.click()
    page.get_by_role("button", name="Move", exact=True).click()
    assert page.get_by_text("moved to").count()
    page.goto(f"{office.url}/admin/bookings/blackout/clear/?workers=anna.abbott&until={day(7)}")
    page.get_by_label("Reason").fill("Ill")
    page.get_by_role("button", name="Close and propose new times").click()
    page.get_by_role("button", name="Move what is ticked").click()
    assert page.get_by_role("heading", name="Call list: 6 moved").count()
    context.close()


def test_what_comes_meanwhile_is_told_once_a_minute(open_page, office, own_profile):
    fill(office, ILL)
    page = open_page(profile=own_profile)  # its clock is that of all pages there
    asked = []
    page.context.on("request", lambda sent: asked.append(sent.url) if "/news/" in sent.url else None)
    # The board has asked where all that is here ends.
    page.wait_for_function("Object.values(localStorage).some(text => text.includes('since'))")
    page.clock.install()
    page.goto(f"{office.url}/admin/bookings/blackout/clear/")
    page.get_by_label("Reason").fill("Half a sen")
    title = page.title()
    # So that no slow machine makes a minute of it. Not at once: a moment that is over cannot be paused at.
    page.clock.pause_at(datetime.now() + timedelta(seconds=8))
    fill(office, 'book(slot("YORK", 9, 0), "NEW-1")\nbook(slot("YORK", 9, 3), "NEW-2")')
    page.clock.fast_forward(30_000)
    assert page.title() == title
    with page.expect_response("**/news/**"):
        page.clock.fast_forward(31_000)
    news = page.get_by_role("link", name="2 new: show")
    news.wait_for()
    assert page.title() == f"(2) {title}"
    assert page.get_by_label("Reason").input_value() == "Half a sen"
    number = len(asked)
    page.clock.fast_forward(40_000)
    assert len(asked) == number
    news.click()
    page.wait_for_url(f"{office.url}/admin/")
    assert not page.get_by_text("new: show").count()


def test_the_holidays_of_a_country_in_one_go(open_page, office, figures):
    page = open_page("supervisor")
    click = Clicks(page)
    click(page.get_by_role("link", name="Blackouts"))
    click(page.get_by_role("link", name="Close many days"))
    for area in ("Leeds", "Boston"):
        click(page.get_by_label(f"{area} ("))
    page.get_by_label("Holidays of").fill("GB-ENG")
    page.get_by_label("Year").fill(str(day(0).year + 1))
    click(page.get_by_role("button", name="Add these holidays"))
    page.get_by_label("Days").and_(page.locator("textarea")).wait_for()
    assert too_wide(page) == []
    assert seriously_wrong(page) == []
    click(page.get_by_role("button", name="Show what is affected"))
    assert page.get_by_role("cell", name="Christmas Day", exact=True).count() == 2
    assert seriously_wrong(page) == []
    click(page.get_by_role("button", name=re.compile(r"Close \d+ days")))
    page.get_by_text("Closed:").wait_for()
    figures(f"a year of holidays in two areas: {click.number} clicks")
    closed = "SELECT COUNT(*) FROM bookings_blackout WHERE reason = 'Christmas Day'"
    assert office.database.execute(closed) == [(2,)]


CROWDED_DAY = """
for number in range(40):
    for hours in (0, 3):
        slot("YORK", 2, hours, f"konstantina.worker{number:02}")
for number in range(0, 40, 3):
    first = AppointmentSlot.objects.filter(worker=f"konstantina.worker{number:02}").earliest("start")
    book(first, f"FULL-{number}")
"""


def test_forty_workers_on_one_screen(open_page, office, figures):
    fill(office, "from bookings.models import AppointmentSlot\n" + CROWDED_DAY)
    page = open_page(size={"width": 1920, "height": 1080})
    for span in ("", "week"):
        page.goto(f"{office.url}/admin/{PLANNER}?area=YORK&day={day(2)}&span={span}&zoom=numbers")
        # The line of a row, and not only its beginning, is on the screen without any scrolling.
        seen = page.evaluate(
            "[...document.querySelectorAll('.planner tbody tr')].filter(row => {"
            " const box = row.getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight }).length"
        )
        figures(f"rows of the planner on a screen of 1920 by 1080, {span or 'day'}: {seen}")
        assert seen >= 40


def test_the_marks_of_a_page_stay_when_a_drag_is_over(open_page, office):
    fill(office, ILL)
    page = open_page()
    page.goto(f"{office.url}/admin/{PLANNER}?area=YORK&day={day(2)}")
    page.get_by_role("link", name=re.compile("^Move FU-")).first.click()
    page.get_by_text("Choose a window").wait_for()
    marks = "[...document.querySelectorAll('.planner-window')].map(found => found.className + found.title)"
    before = page.evaluate(marks)
    assert any("planner-no" in mark for mark in before)
    assert any("planner-yes" in mark for mark in before)
    visit = page.locator("[data-visit]").first
    transfer = page.evaluate_handle("new DataTransfer()")
    visit.dispatch_event("dragstart", {"dataTransfer": transfer})
    assert page.evaluate(marks) != before
    visit.dispatch_event("dragend", {"dataTransfer": transfer})
    assert page.evaluate(marks) == before


SHUT = """
from bookings.models import AppointmentSlot
slot("YORK", 2, 0, "anna.abbott")
AppointmentSlot.objects.filter(area__code="YORK").update(is_open=False, closed_reason="Course")
"""


def test_what_the_app_does_not_show_is_opened_from_the_rules(open_page, office, figures):
    fill(office, SHUT)
    page = open_page("supervisor")
    click = Clicks(page)
    click(page.get_by_role("link", name="Ask the rules").first)
    page.get_by_label("Area").select_option("YORK")
    click(page.get_by_role("button", name="Ask", exact=True))
    page.get_by_text("All appointments in York").wait_for()
    click(page.get_by_role("link", name="Open the slot").first)
    click(page.get_by_role("button", name="Open", exact=True))
    page.get_by_text("1 appointment, as the technician sees them.").wait_for()
    figures(f"why the app shows nothing, and opening what was closed: {click.number} clicks")


def test_the_rules_by_keyboard_alone(open_page, office):
    fill(office, SHUT)
    page = open_page("supervisor")
    page.goto(f"{office.url}/admin/bookings/appointmentslot/rules/")
    page.get_by_label("Area").focus()
    page.keyboard.type("York")
    page.get_by_label("Postcode").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Open the slot").first.focus()
    page.keyboard.press("Enter")
    page.get_by_label("Reason").focus()
    page.keyboard.press("Enter")
    page.get_by_text("1 appointment, as the technician sees them.").wait_for()
