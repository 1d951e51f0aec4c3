"""A dispatcher's day in a real browser, over the service as it is shipped."""

import csv
import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support import browser, helpers, scene

if not browser.find_chromium():
    pytest.skip("No Chromium here: apt-get install chromium, or name one in CHROMIUM.", allow_module_level=True)

AXE = Path(__file__).parent / "vendor" / "axe.min.js"


def new_booking(office, order="WO-9001"):
    """A technician books over the API, in the first slot of Leeds that is two days off; returns number and body."""
    slot = office.database.execute(
        'SELECT s.start, s."end" FROM bookings_appointmentslot s JOIN bookings_servicearea a ON a.id = s.area_id'
        " WHERE a.code = 'LEEDS' AND s.booked < s.capacity ORDER BY s.start DESC LIMIT 30"
    )[29]
    start, end = (str(moment).replace(" ", "T") for moment in slot)
    body = helpers.booking() | {
        "Account": {"AccountNum": "C-777", "Name": "Zora Quist"},
        "TimeConstraints": [{"Period": {"Start": zoned(start), "End": zoned(end)}}],
    }
    answer = office.book(order, body)
    assert answer.status == 200, answer.body
    return answer.json()["OrderNum"], body


def zoned(moment):
    return moment if re.search(r"[+-]\d\d(:?\d\d)?$", moment) else f"{moment}+00:00"


# What axe looks at that is not the same in both schemes; to look at all takes as much of the processor as the page.
COLOURS = ["color-contrast", "link-in-text-block"]
# Whose faults are never serious. Axe gives all faults of a rule the rule's own impact.
MILD = "axe._audit.rules.filter(rule => ['minor', 'moderate'].includes(rule.impact)).map(rule => rule.id)"


def seriously_wrong(page, rules=None):
    """What axe finds that keeps people from working: by all of its rules, or by some."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    asked = {"resultTypes": ["violations"]}
    if rules:
        asked["runOnly"] = rules
    found = page.evaluate(
        f"""async asked => {{
            if (!asked.runOnly)
                asked.rules = Object.fromEntries({MILD}.map(rule => [rule, {{enabled: false}}]));
            const {{violations}} = await axe.run(document, asked);
            return violations;
        }}""",
        asked,
    )
    return [
        (fault["id"], node["target"], node["failureSummary"])
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def test_from_the_board_to_a_place_that_is_free_again(open_page, office):
    number, body = new_booking(office)
    page = open_page()
    # The board says that something is new and leads to it.
    page.get_by_role("link", name="New since yesterday").click()
    page.get_by_role("link", name=number, exact=False).first.click()
    assert page.get_by_text("Zora Quist").first.is_visible()

    page.get_by_role("link", name="Review").click()
    page.get_by_label("Note").fill("Looks right")
    page.get_by_role("button", name="Review").click()
    page.get_by_text("1 reviewed.").wait_for()

    page.get_by_role("link", name="Move").click()
    choice = page.locator("label.desk-choice").first
    choice.click()
    page.get_by_role("button", name="Move", exact=True).click()
    page.get_by_text("moved to").wait_for()
    # The old place can be booked again over the API, by another order.
    again = office.book("WO-9002", body | {"Account": {"AccountNum": "C-778"}})
    assert again.status == 200, again.body

    page.get_by_role("link", name="Cancel booking").click()
    page.get_by_label("Reason").select_option("Customer cancelled")
    page.get_by_role("button", name="Cancel booking").click()
    page.get_by_text("1 cancelled.").wait_for()
    assert page.get_by_text("Cancelled by dispatcher: Customer cancelled").is_visible()
    history = page.get_by_role("region", name="History").inner_text()
    assert re.findall(r"\t(booked|reviewed|moved|cancelled)\t", history) == [
        "cancelled",
        "moved",
        "reviewed",
        "booked",
    ]
    # A copy of the old body would be a late one; this is a new wish.
    assert office.book("WO-9001", body | {"OrderType": "AGAIN"}).json()["OrderNum"] != number
    assert office.manage("verify_bookings").stdout == ""


def test_times_are_those_of_the_area_not_of_the_viewer(open_page, office):
    number, body = new_booking(office)
    period = body["TimeConstraints"][0]["Period"]
    hours = "-".join(
        f"{datetime.fromisoformat(moment).astimezone(ZoneInfo('Europe/London')):%H:%M}" for moment in period.values()
    )
    page = open_page()
    text = page.locator("#content").inner_text()
    assert "Europe/London" in text
    assert "Tokyo" not in text
    page.goto(f"{office.url}/admin/bookings/workorder/?view=all&q={number}")
    assert hours in page.locator("#result_list").inner_text()


def test_at_1280_by_800_the_board_needs_no_scrolling_and_the_list_shows_twelve(open_page, office):
    page = open_page()
    assert page.evaluate("document.documentElement.scrollHeight") <= 800
    page.goto(f"{office.url}/admin/bookings/workorder/?view=all")
    bottoms = page.evaluate(
        "[...document.querySelectorAll('#result_list tbody tr')].map(row => row.getBoundingClientRect().bottom)"
    )
    # The bar with the pages stands on the lowest 53 pixels.
    assert len([bottom for bottom in bottoms if bottom <= 800 - 53]) >= 12, bottoms
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_by_keyboard_alone(open_page, office):
    number, _ = new_booking(office)
    page = open_page()

    def tab_to(text, limit=90):
        page.wait_for_load_state()  # a page that is left before its scripts are there has an error of its own
        for _ in range(limit):
            page.keyboard.press("Tab")
            # A frame that scrolls takes the focus too, and holds the text of all that is in it.
            focused = page.evaluate(
                "document.activeElement.matches('a, button') ? document.activeElement.innerText : ''"
            )
            if text in focused:
                # The focus is seen wherever it is.
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
                return
        raise AssertionError(f"{text!r} is not reached by Tab")

    tab_to("New since yesterday")
    page.keyboard.press("Enter")
    page.wait_for_url("**/workorder/?view=all**")
    tab_to(number)
    page.keyboard.press("Enter")
    page.get_by_text("Zora Quist").first.wait_for()
    tab_to("Review")
    page.keyboard.press("Enter")
    page.get_by_label("Note").wait_for()
    page.get_by_label("Note").focus()
    page.keyboard.type("By keyboard")
    tab_to("Review")
    page.keyboard.press("Enter")
    page.get_by_text("1 reviewed.").wait_for()
    tab_to("Cancel booking")
    page.keyboard.press("Enter")
    page.get_by_label("Reason").focus()
    page.keyboard.type("Customer c")
    tab_to("Cancel booking")
    page.keyboard.press("Enter")
    page.get_by_text("1 cancelled.").wait_for()
    # The menu of the account opens upwards: what is in it comes before the button.
    tab_to("dispatcher@example.org")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Log out").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Log in again").first.wait_for()


def test_many_at_once_from_the_list(open_page, office):
    page = open_page("supervisor")
    page.goto(f"{office.url}/admin/bookings/workorder/")
    boxes = page.locator("#result_list input.action-select")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_label("Select action to run").select_option("cancel")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("heading", name="Cancel booking: 2 work orders").wait_for()
    page.get_by_label("Reason").select_option("Other")
    page.get_by_role("button", name="Cancel booking: 2 work orders").dblclick()
    page.get_by_text("2 cancelled.").wait_for()
    assert office.manage("verify_bookings").stdout == ""


def blackout_pages(office) -> list[str]:
    """The pages about blackouts, one of which was made by the command."""
    closed = office.manage("close_slots", "--area=LEEDS", "--from=2026-01-01", "--until=2199-12-31", "--reason=Fire")
    assert closed.returncode == 0, closed.stderr
    pages = ["", "add/", "1/change/", "act/open/?chosen=1:0"]
    return [f"bookings/blackout/{page}" for page in pages]


def test_an_area_is_closed_for_a_time_and_opened_again(open_page, office):
    page = open_page("supervisor")
    page.get_by_role("link", name="Blackouts").click()
    page.get_by_role("link", name="Close for a time").click()
    page.get_by_label("Area").select_option(label="Leeds (LEEDS)")
    page.get_by_label("First day").fill("2026-01-01")
    page.get_by_label("Last day").fill("2199-12-31")
    page.get_by_label("Reason").fill("Fire in the depot")
    page.get_by_role("button", name="Show affected bookings").click()
    page.get_by_role("button", name="Change something").click()
    page.get_by_label("Reason").fill("Fire")
    page.get_by_role("button", name="Show affected bookings").click()
    hidden = "SELECT COUNT(*) FROM bookings_appointmentslot WHERE blackout_id IS NOT NULL"
    assert office.database.execute(hidden) == [(0,)]
    page.get_by_role("button", name="Close for this time").click()
    page.get_by_text("slots closed.").wait_for()
    assert office.database.execute(hidden)[0][0] > 0
    # The whole of it is one person's work in one place: from there to a booking, and back to open it.
    page.get_by_role("region", name="Bookings").get_by_role("link").first.click()
    page.get_by_text("The slot is closed: Fire. Move or cancel the booking.").wait_for()
    page.go_back()
    page.get_by_role("link", name="Open").click()
    page.get_by_role("button", name="Open").click()
    page.get_by_text("1 opened.").wait_for()
    assert office.database.execute(hidden) == [(0,)]
    assert office.manage("verify_bookings").stdout == ""


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page, office):
    page = open_page("supervisor", size=browser.PHONE)
    work_order = office.database.execute("SELECT MIN(id) FROM bookings_workorder WHERE status = 'booked'")[0][0]
    for address in (
        "",
        "?span=week",
        "bookings/workorder/",
        f"bookings/workorder/{work_order}/change/",
        f"bookings/workorder/act/cancel/?chosen={work_order}:1",
        f"bookings/workorder/act/move/?chosen={work_order}:1",
        "bookings/appointmentslot/",
        *blackout_pages(office),
        "bookings/servicearea/",
        *DOCUMENTS,
    ):
        page.goto(f"{office.url}/admin/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
    # The work is done there too.
    page.goto(f"{office.url}/admin/bookings/workorder/")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="Review").click()
    page.get_by_role("button", name="Review").click()
    page.get_by_text("1 reviewed.").wait_for()


GREY_ON_GREY = """() => {
    const text = document.createElement("p");
    text.textContent = "Hard to read";
    Object.assign(text.style, {position: "fixed", top: 0, zIndex: 9999, color: "#777", background: "#888"});
    document.querySelector("main, [role=main], #content").prepend(text);
}"""


# What the theme's script does when a page is loaded, and the end of each change of a colour.
WEAR = """isDark => {
    document.documentElement.classList.toggle('dark', isDark);
    for (const change of document.getAnimations()) if (change instanceof CSSTransition) change.finish();
}"""
IS_DARK = "document.documentElement.classList.contains('dark')"


def seriously_wrong_in(page):
    """The same by the schemes in which there is any: each page is loaded once, in the scheme of the page before."""
    found, is_dark = {}, page.evaluate(IS_DARK)
    if wrong := seriously_wrong(page):
        found["dark" if is_dark else "light"] = wrong
    page.emulate_media(color_scheme="light" if is_dark else "dark")
    page.evaluate(WEAR, not is_dark)
    if wrong := seriously_wrong(page, COLOURS):
        found["light" if is_dark else "dark"] = wrong
    return found


def test_nothing_serious_keeps_anybody_out(open_page, office):
    assert open_page("supervisor", scheme="dark").evaluate(IS_DARK)
    page = open_page("supervisor")
    assert not page.evaluate(IS_DARK)
    page.add_init_script(path=AXE)
    work_order = office.database.execute("SELECT MIN(id) FROM bookings_workorder WHERE status = 'booked'")[0][0]
    addresses = [
        "",
        "?span=week",
        "bookings/workorder/",
        f"bookings/workorder/{work_order}/change/",
        *(f"bookings/workorder/act/{name}/?chosen={work_order}:1" for name in ("review", "move", "note", "cancel")),
        "bookings/appointmentslot/",
        "bookings/appointmentslot/1/change/",
        "bookings/appointmentslot/act/close/?chosen=1:4",
        "bookings/appointmentslot/add/",
        "bookings/appointmentslot/days/",
        *blackout_pages(office),
        "bookings/refusal/",
        "bookings/servicearea/",
        *DOCUMENTS,
    ]
    wrong = {}
    for address in addresses:
        page.goto(f"{office.url}/admin/{address}")
        page.wait_for_load_state("networkidle")
        if found := seriously_wrong_in(page):
            wrong[address] = found
    assert wrong == {}, json.dumps(wrong, indent=1)
    page.evaluate(GREY_ON_GREY)
    in_both = [[rule for rule, *_ in found] for found in seriously_wrong_in(page).values()]
    assert in_both == [["color-contrast"], ["color-contrast"]]


def test_the_content_security_policy_stops_nothing_that_belongs_there(open_page, office):
    """Each kind of page is opened and its scripts are used; `open_page` fails at any refusal of the browser."""
    page = open_page("supervisor")
    for address in (
        "",
        "bookings/workorder/?view=all",
        "bookings/appointmentslot/add/",
        "bookings/servicearea/1/change/",
    ):
        page.goto(f"{office.url}/admin/{address}")
        page.wait_for_load_state("networkidle")
    page.goto(f"{office.url}/api/v1/docs")
    page.get_by_text("/api/v1/appointments/search").first.wait_for()
    page.get_by_text("/api/v1/appointments/search").first.click()
    page.get_by_role("button", name="Try it out").wait_for()


def test_the_test_above_would_notice_what_does_not_belong_there(chromium, office):
    """A script that is smuggled into a page of the admin does not run, and sends nothing anywhere."""
    said = []
    context = chromium.new_context()
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    browser.log_in(page, office.url, "dispatcher", scene.PASSWORD)
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'document.title = "smuggled"';
            document.body.append(script);
            const picture = document.createElement('img');
            picture.src = 'https://elsewhere.example/' + document.title;
            document.body.append(picture);
        }"""
    )
    page.wait_for_load_state("networkidle")
    assert page.title() != "smuggled"
    assert len([text for text in said if "Content Security Policy" in text]) == 2, said
    context.close()


def count_of(page):
    return page.locator("span.action-counter").first.inner_text().strip()


DOCUMENTS = ["proof/", "help/", "help/?q=safety+margin", "help/connect.md", "help/operations.md"]
LISTS = [
    "bookings/workorder/?view=all",
    "bookings/workorder/",
    "bookings/appointmentslot/?area=LEEDS",
    "bookings/blackout/",
    "bookings/refusal/",
    "bookings/receiver/",
    "bookings/servicearea/",
    "auth/user/",
    "auth/group/",
]
FORMS = [
    "auth/user/1/change/",
    "auth/user/add/",
    "auth/group/1/change/",
    "bookings/servicearea/1/change/",
    "bookings/appointmentslot/add/",
    "bookings/appointmentslot/days/",
    "bookings/blackout/add/",
    "bookings/workorder/act/move/?chosen={work_order}:1",
    "bookings/workorder/act/cancel/?chosen={work_order}:1",
]
EACH_SIZE = [browser.PHONE, browser.DESKTOP, {"width": 1920, "height": 1080}]
SIZES = pytest.mark.parametrize("size", EACH_SIZE, ids=["390", "1280", "1920"])


def crowd(office):
    """Names as long as they are in life, in each column of each list."""
    run = office.database.execute
    run(
        "UPDATE bookings_servicearea SET name = 'Middlesbrough and surroundings',"
        " time_zone = 'America/Argentina/Buenos_Aires' WHERE code = 'LEEDS'"
    )
    days = [f"--from={date.today() + timedelta(days=1)}", "--days=5", "--weekdays=mon-sun"]
    hours = ["--hours=18:00-22:00", "--length=120", "--capacity=9"]
    seeded = office.manage("seed_slots", "--area=LEEDS", "--worker=konstantina.papadopoulos", *days, *hours)
    assert seeded.returncode == 0, seeded.stderr
    run(
        "UPDATE bookings_workorder SET order_type = 'ANNUAL-SERVICE', worker = 'theodora.montgomery', part_count = 4,"
        " account_name = 'Wolfeschlegelsteinhausen-Bergerdorff & Sons Ltd', location_name = 'Depot of the north',"
        " address = '81 Station Street, Middlesbrough', original_order = 'WO-2026/00' || id, parts_due_at = visit_start"
    )
    run("UPDATE bookings_refusal SET order_type = 'ANNUAL-SERVICE', caller = 'servicemobility-production'")
    run(
        "UPDATE bookings_blackout SET reason = 'Public holiday: depot and call centre are closed', worker = 'ann.baker'"
    )
    receiver = (
        "from bookings import clock; from bookings.models import Receiver;"
        "Receiver.objects.create(name='Mobility', url='https://example.org', connected_at=clock.now())"
    )
    made = office.manage("shell", "--command", receiver)
    assert made.returncode == 0, made.stderr


def too_wide(page):
    """What is cut off, or can be read only by scrolling sideways; a placeholder that its field cannot show."""
    return page.evaluate(
        """() => {
            const wide = document.documentElement.scrollWidth > innerWidth ? ['the page'] : [];
            const brush = document.createElement('canvas').getContext('2d');
            for (const box of document.querySelectorAll('#main *')) {
                const style = getComputedStyle(box);
                if (box.placeholder) brush.font = style.font;
                const padding = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
                const cuts = style.overflowX !== 'visible' && !box.matches('input, select, textarea, .desk-scroll');
                const isCut = cuts && box.scrollWidth > box.clientWidth + 1;
                const hides = box.placeholder && brush.measureText(box.placeholder).width + padding > box.clientWidth;
                const isOurs = !box.matches('[class*=simplebar-height], .sr-only, header *, .truncate, option');
                if (box.clientWidth > 0 && isOurs && (isCut || hides))
                    wide.push(`${box.tagName} ${box.className}: ${box.innerText.slice(0, 60)}${box.placeholder ?? ''}`);
            }
            return wide;
        }"""
    )


NEXT_FRAME = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
FRAMES = 100  # within which what the theme's scripts measure has followed a change of the size


def resized(page):
    """The page in each size, one after the other: yields the width, and what stays too wide in it.

    It is loaded once. What is too wide has to stay so, and what fits too, for some scripts follow a moment later.
    """
    for size in EACH_SIZE:
        page.set_viewport_size(size)
        looks = []
        while looks[-2:] != [[], []] and len(looks) < FRAMES:
            page.evaluate(NEXT_FRAME)
            looks.append(too_wide(page))
        yield size["width"], looks[-1]


def test_nothing_is_wider_than_its_box(open_page, office):
    blackout_pages(office)
    make_chief(office)
    refuse(office)
    crowd(office)
    page = open_page("chief")
    work_order = office.database.execute("SELECT MIN(id) FROM bookings_workorder WHERE status = 'booked'")[0][0]
    found = {}
    for address in [*LISTS, *FORMS, ""]:
        page.set_viewport_size(browser.PHONE)  # what scripts measure as a page loads must be right there as well
        page.goto(f"{office.url}/admin/{address.format(work_order=work_order)}")
        page.wait_for_load_state("networkidle")
        assert address in FORMS or not address or page.locator("#result_list tbody tr").count(), address
        # On a phone the board's weeks and a page's tables scroll in a frame of their own.
        if wide := {width: wide for width, wide in resized(page) if wide}:
            found[address] = wide
    assert found == {}, json.dumps(found, indent=1)


def test_the_test_above_would_notice_a_text_that_is_cut_off(open_page, office):
    crowd(office)
    page = open_page()
    page.goto(f"{office.url}/admin/bookings/workorder/?view=all")
    assert too_wide(page) == []
    page.add_style_tag(content=".desk-cell > bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }")
    assert too_wide(page) != []
    assert any(wide for _, wide in resized(page))


def test_each_list_answers_to_the_controls_of_the_theme(open_page, office):
    """The box in the head, the shift key, the counter, "select all", and no row below the bar of actions.

    Each list is loaded on a phone alone, and resized.
    """
    blackout_pages(office)
    make_chief(office)
    page = open_page("chief")
    for address in LISTS:
        page.set_viewport_size(browser.PHONE)  # what scripts measure as a page loads must be right there as well
        page.goto(f"{office.url}/admin/{address}")
        page.wait_for_load_state("networkidle")
        for size in EACH_SIZE:
            page.set_viewport_size(size)
            page.evaluate(NEXT_FRAME)
            answers_to_the_controls(page, f"{address} at {size['width']}")


def answers_to_the_controls(page, where):
    boxes, head = page.locator("#result_list input.action-select"), page.locator(".action-toggle").first
    assert last_row_is_free(page, "[class*='lg:sticky']"), where
    number = boxes.count()
    if not number:
        return  # a list without actions, or without rows
    head.check()
    assert page.locator("#result_list input.action-select:checked").count() == number, where
    assert count_of(page) == f"{number} of {number} selected", where
    assert last_row_is_free(page), where
    if page.locator("span.question").count():
        page.locator("span.question a").click()
        assert page.locator("input.select-across").first.input_value() == "1", where
        page.locator("span.clear a").click()
    else:
        head.uncheck()
    assert page.locator("#result_list input.action-select:checked").count() == 0, where
    if number > 2:
        boxes.nth(0).click()
        boxes.nth(2).click(modifiers=["Shift"])
        assert page.locator("#result_list input.action-select:checked").count() == 3, where
        assert count_of(page) == f"3 of {number} selected", where
        head.check()
        head.uncheck()  # as it was, for the next size


def last_row_is_free(page, bar="#changelist-actions"):
    """Scrolled to the end, the last row ends above the bar; raises where it does not, however late the bar comes."""
    return page.wait_for_function(
        """name => {
            window.scrollTo(0, document.documentElement.scrollHeight);
            const rows = document.querySelectorAll('#result_list tbody tr');
            const top = document.querySelector(name).getBoundingClientRect().top;
            return !rows.length || rows[rows.length - 1].getBoundingClientRect().bottom <= top;
        }""",
        arg=bar,
    )


def make_chief(office):
    script = (
        "from django.contrib.auth.models import User; from tests.support import scene;"
        "scene.make_session(User.objects.create_superuser('chief', 'chief@example.org'))"
    )
    answer = office.manage("shell", "--command", script)
    assert answer.returncode == 0, answer.stderr


def test_places_are_changed_in_all_that_the_filters_find(open_page, office):
    page = open_page("supervisor")
    page.goto(f"{office.url}/admin/bookings/appointmentslot/")
    page.locator(".action-toggle").first.check()
    page.locator("span.question a").click()
    page.get_by_label("Select action to run").select_option("resize")
    page.get_by_role("button", name="Run").click()
    heading = page.locator("#desk-what").inner_text()
    assert int(re.search(r"(\d+) appointment slots", heading)[1]) > 50


def test_all_that_the_filters_find_is_exported(open_page, office):
    for number in range(60):
        new_booking(office, f"WO-{9100 + number}")
    page = open_page("supervisor")
    page.goto(f"{office.url}/admin/bookings/workorder/?view=all&area=LEEDS")
    page.locator(".action-toggle").first.check()
    on_page = page.locator("#result_list input.action-select:checked").count()
    page.locator("span.question a").click()
    page.get_by_label("Select action to run").select_option("csv")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("checkbox", name="Phone").uncheck()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text(encoding="utf-8-sig").splitlines()))
    stored = office.database.execute(
        "SELECT COUNT(*) FROM bookings_workorder w JOIN bookings_servicearea a ON a.id = w.area_id"
        " WHERE a.code = 'LEEDS'"
    )
    assert len(rows) == stored[0][0]
    assert len(rows) > on_page
    assert "Number" in rows[0]
    assert "Phone" not in rows[0]


def test_filters_say_what_they_do_and_stay(open_page, office):
    page = open_page()
    page.goto(f"{office.url}/admin/bookings/workorder/")
    assert page.get_by_text("Listed: only what needs attention").is_visible()
    # What was shown at first is not carried into a question.
    page.get_by_label("Slot's worker").fill("pool")
    page.get_by_role("button", name="Show", exact=True).click()
    says = page.locator(".desk-says")
    assert "slot's worker: pool" in says.inner_text()
    assert "attention" not in says.inner_text()
    page.locator("select[name=area]").select_option("LEEDS")
    page.get_by_role("button", name="Show", exact=True).click()
    before = page.url
    # Through an action and back.
    page.locator("#result_list input.action-select").first.check()
    page.get_by_label("Select action to run").select_option("note")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("textbox", name="Note").fill("Rings back")
    page.get_by_role("button", name="Add a note").click()
    page.get_by_text("1 noted.").wait_for()
    assert page.url == before
    page.get_by_role("link", name="Drop slot's worker: pool").click()
    # Before the styles are there, the text is as the template has it.
    assert " ".join(page.locator(".desk-says").inner_text().split()).startswith("Listed: area: Leeds")


def test_the_last_page_of_what_needs_attention_reviewed(open_page, office):
    """Everything on a page is reviewed: the page is gone, the filters stay, and the page before it is shown."""
    for number in range(51):
        new_booking(office, f"WO-{9200 + number}")
    waiting = (
        "SELECT COUNT(*) FROM bookings_workorder w JOIN bookings_servicearea a ON a.id = w.area_id"
        " WHERE a.code = 'LEEDS' AND w.status = 'booked' AND w.reviewed_at IS NULL"
    )
    page = open_page("dispatcher")
    page.goto(f"{office.url}/admin/bookings/workorder/?view=attention&area=LEEDS&p=2")
    rows = page.locator("#result_list input.action-select").count()
    assert 50 + rows == office.database.execute(waiting)[0][0]
    page.locator(".action-toggle").first.check()
    page.get_by_label("Select action to run").select_option("review")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("button", name=re.compile(r"^Review\b")).click()
    page.get_by_text(f"{rows} reviewed.").wait_for()
    assert office.database.execute(waiting) == [(50,)]
    assert "area: Leeds" in page.locator(".desk-says").inner_text()
    assert page.locator("#result_list input.action-select").count() == 50


def test_thirty_are_looked_at_in_thirty_five_presses(open_page, office, figures):
    """From the board, by keys; one is skipped, and what is skipped waits."""
    for number in range(30):
        new_booking(office, f"WO-{9300 + number}")
    waiting = "SELECT COUNT(*) FROM bookings_workorder WHERE status = 'booked' AND reviewed_at IS NULL"
    before = office.database.execute(waiting)[0][0]
    page, presses = open_page(), 0

    def press(key):
        nonlocal presses
        presses += 1
        with page.expect_navigation():
            page.keyboard.press(key)

    page.locator("a.desk-tile", has_text="To review").click()
    page.locator("#result_list tbody th a").first.click()
    page.wait_for_url("**/change/**")  # its keys come with it
    presses += 2
    seen = {page.url.partition("?")[0]}
    press("n")
    seen.add(page.url.partition("?")[0])
    for _ in range(29):
        press("r")
        page.get_by_text("1 reviewed.").wait_for()
        seen.add(page.url.partition("?")[0])
    figures(f"{len(seen)} looked at in {presses} presses")
    assert (len(seen), presses) == (31, 32)
    assert office.database.execute(waiting)[0][0] == before - 29
    # Keys do nothing in a field, and help says which there are.
    page.keyboard.press("?")
    said = page.get_by_role("dialog").inner_text()
    for line in ("r Review and next", "n Skip", "m Move", "c Cancel booking"):
        assert line in said, said
    assert seriously_wrong(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    with page.expect_navigation():
        page.keyboard.press("c")
    page.get_by_label("More about it").fill("more nrcmp")
    assert page.get_by_label("More about it").input_value() == "more nrcmp"
    page.goto(f"{office.url}/admin/bookings/workorder/")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "searchbar"


@SIZES
def test_the_menu_opens_and_closes(open_page, office, size):
    """Beside the page on a wide screen, where it stays as it was left, and over the page on a narrow one."""
    page, is_wide = open_page(size=size), size["width"] >= 1280
    menu, button = page.locator("#nav-sidebar"), page.get_by_role("button", name="Menu", exact=True)

    def is_open():
        assert button.get_attribute("aria-expanded") == str(menu.is_visible()).lower()
        return menu.is_visible()

    assert is_open() == is_wide
    button.click()
    assert is_open() != is_wide
    page.reload()
    assert not is_open()
    button.click()
    assert is_open()
    if not is_wide:
        page.get_by_role("button", name="Close the menu").click()
        assert not is_open()
        button.click()
        assert is_open()
    page.keyboard.press("Escape")
    assert is_open() == is_wide
    assert is_wide or button.evaluate("it => it === document.activeElement")


# The theme's own script asks as well, and fails.
KEEPS_NOTHING = """for (const name of ["getItem", "setItem"]) {
    const act = Storage.prototype[name];
    Storage.prototype[name] = function (key, ...values) {
        if (/^(desk|bookjob)-/.test(key)) throw new DOMException("nothing is kept", "SecurityError");
        return act.call(this, key, ...values);
    };
}"""


def test_where_the_browser_keeps_nothing(open_page, office):
    """Each look of ours into the storage fails; the menu, and what comes after it in the file, work all the same."""
    page = open_page()
    page.add_init_script(KEEPS_NOTHING)
    page.goto(f"{office.url}/admin/bookings/blackout/")
    button = page.get_by_role("button", name="Menu", exact=True)
    button.click()
    assert not page.locator("#nav-sidebar").is_visible()
    assert button.get_attribute("aria-expanded") == "false"
    page.evaluate("document.documentElement.classList.add('dark'); dispatchEvent(new Event('beforeprint'))")
    assert not page.evaluate("document.documentElement.classList.contains('dark')")


HEARD = """key => {
    let heard = 0;
    addEventListener("keydown", () => heard += 1);
    document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    return heard;
}"""


def test_the_theme_hears_no_letter(open_page, office):
    """Newer releases add a row at `c`, and show keys of their own at `?`; they listen at the window."""
    page = open_page("supervisor")
    page.goto(f"{office.url}/admin/bookings/servicearea/")
    assert [page.evaluate(HEARD, key) for key in ("c", "f", "[", "?")] == [0, 0, 0, 0]
    assert page.evaluate(HEARD, "Escape") > 0


def test_the_button_of_a_move_is_on_the_screen(open_page, office):
    work_order = office.database.execute("SELECT MIN(id) FROM bookings_workorder WHERE status = 'booked'")[0][0]
    page = open_page()
    page.goto(f"{office.url}/admin/bookings/workorder/act/move/?chosen={work_order}:1")
    button = page.get_by_role("button", name="Move", exact=True)
    assert button.bounding_box()["y"] + button.bounding_box()["height"] <= 800
    said = page.get_by_text("Later days: choose").inner_text()
    assert int(re.match(r"(\d+) free", said)[1]) == page.locator("input[name=slot]").count()


def is_in_sight(page, box):
    """Within the window, and nothing lies over it."""
    return page.evaluate(
        """name => {
            const box = document.querySelector(name), {left, top, bottom} = box.getBoundingClientRect();
            const seen = document.elementFromPoint(left + 20, (top + bottom) / 2);
            return top >= 0 && bottom <= innerHeight && box.contains(seen);
        }""",
        box,
    )


@SIZES
def test_who_is_moved_and_the_button_stay_in_sight(open_page, office, size):
    number, _ = new_booking(office)
    ((key,),) = office.database.execute(f"SELECT id FROM bookings_workorder WHERE order_num = '{number}'")
    page = open_page(size=size)
    page.goto(f"{office.url}/admin/bookings/workorder/act/move/?chosen={key}:1")
    height = page.evaluate("document.documentElement.scrollHeight")
    for part in (0, 0.3, 0.6):
        page.evaluate("top => window.scrollTo(0, top)", (height - size["height"]) * part)
        page.evaluate(NEXT_FRAME)
        assert is_in_sight(page, ".desk-sight"), part
        assert is_in_sight(page, ".desk-send button"), part
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    # What the top says: who, and when now.
    assert "Zora Quist" in page.locator(".desk-sight").inner_text()
    assert "Europe/London" in page.locator(".desk-sight").inner_text()


def test_a_booking_is_found_from_every_page(open_page, office):
    number, _ = new_booking(office)
    page = open_page("supervisor")
    pages = [
        "",
        "bookings/appointmentslot/",
        "bookings/refusal/",
        "bookings/blackout/add/",
        "bookings/workorder/1/change/",
    ]
    for address in pages:
        page.goto(f"{office.url}/admin/{address}")
        page.keyboard.press("/")
        page.keyboard.type("zora quist")
        page.keyboard.press("Enter")
        page.wait_for_url("**/workorder/?view=all&q=zora+quist")
        assert page.locator("#result_list tbody tr").count() == 1, address
    page.keyboard.press("/")
    page.locator("#searchbar").fill("zora qiust")
    page.keyboard.press("Enter")
    page.get_by_text("No booking fits.").wait_for()
    assert seriously_wrong(page) == []
    page.get_by_role("link", name="zora quist").click()
    page.get_by_text("Next visit:").wait_for()
    assert number in page.locator("#result_list").inner_text()


def test_text_survives_the_end_of_the_session(open_page, office):
    work_order = office.database.execute("SELECT MIN(id) FROM bookings_workorder WHERE status = 'booked'")[0][0]
    page = open_page()
    page.goto(f"{office.url}/admin/bookings/workorder/act/note/?chosen={work_order}:1")
    page.get_by_role("textbox", name="Note").fill("Rings back at noon & later")
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Add a note").click()
    page.get_by_text("What you typed is kept").wait_for()
    assert seriously_wrong(page) == []
    page.get_by_label("Username").fill("dispatcher")
    page.get_by_label("Password").fill(scene.PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Here is your note again").first.wait_for()
    assert page.get_by_role("textbox", name="Note").input_value() == "Rings back at noon & later"
    page.get_by_role("button", name="Add a note").click()
    page.get_by_text("1 noted.").wait_for()


@pytest.mark.parametrize("token", ["", "x" * 32], ids=["none", "another"])
def test_text_survives_another_csrf_token(open_page, office, token):
    work_order = office.database.execute("SELECT MIN(id) FROM bookings_workorder WHERE status = 'booked'")[0][0]
    page = open_page()
    page.goto(f"{office.url}/admin/bookings/workorder/act/note/?chosen={work_order}:1")
    page.get_by_role("textbox", name="Note").fill("Rings back at noon & later")
    page.context.clear_cookies(name="csrftoken")
    if token:
        page.context.add_cookies([{"name": "csrftoken", "value": token, "url": office.url}])
    page.get_by_role("button", name="Add a note").click()
    page.get_by_text("Nothing was changed yet").first.wait_for()
    assert page.get_by_role("textbox", name="Note").input_value() == "Rings back at noon & later"


LONG = {
    "Account": {"AccountNum": "C" * 150, "Name": "W" * 160},
    "UserName": "worker." + "x" * 150,
    "Location": {
        "LocationNum": "L" * 150,
        "ServiceAreaID": "LEEDS",
        "Address": {"AddrLine1": "A" * 200, "City": "\u202egnirts\u202c", "Zip": "LS1 4AP"},
        "Contacts": [
            {"FirstName": "\u0646\u0648\u0631\u0629", "LastName": "N" * 150, "Email": f"{'e' * 100}@example.org"}
        ],
    },
}


@pytest.mark.parametrize("size", [browser.DESKTOP, browser.PHONE], ids=["desktop", "phone"])
def test_long_and_right_to_left_texts_stay_in_their_boxes(open_page, office, size):
    _, body = new_booking(office, "O" * 150)
    longest = office.book("P" * 150, body | LONG)
    assert longest.status == 200, longest.body
    key = office.database.execute("SELECT MAX(id) FROM bookings_workorder")[0][0]
    page = open_page("supervisor", size=size)
    for address in (f"{key}/change/", f"act/cancel/?chosen={key}:1", f"act/move/?chosen={key}:1"):
        page.goto(f"{office.url}/admin/bookings/workorder/{address}")
        wide = page.evaluate(
            """() => [...document.querySelectorAll('#content :is(.desk-card, .desk-card dd, .desk-card p)')]
                .filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.innerText.slice(0, 60))"""
        )
        assert wide == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], address
    page.goto(f"{office.url}/admin/bookings/workorder/{key}/change/")
    assert page.evaluate("getComputedStyle(document.querySelector('#content dd')).unicodeBidi") == "plaintext"
    assert page.locator("bdi").count() > 3


COPY = """
from django.utils import timezone
from bookings.models import WorkOrder
row = WorkOrder.objects.first()
row.status, row.cancelled_at, row.cancelled_by = "cancelled", timezone.now(), "ann"
copies = []
for number in range(170):
    row.pk, row.order_num, row.original_order = None, f"COPY-{number}", f"COPY-{number}"
    copies.append(WorkOrder(**{field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}))
WorkOrder.objects.bulk_create(copies)
"""


def test_what_is_listed_is_printed(open_page, office):
    """All bookings of a range at once; a list of several pages says that it prints one, and shows all when asked."""
    made = office.manage("shell", "--command", COPY)
    assert made.returncode == 0, made.stderr
    ((number,),) = office.database.execute("SELECT COUNT(*) FROM bookings_workorder")
    page = open_page()
    rows, prints = page.locator("#result_list tbody tr"), page.locator(".desk-print")

    def is_printed(count):
        page.emulate_media(media="print")
        assert rows.count() == count
        assert rows.first.is_visible()
        assert rows.last.is_visible()
        assert cut_frames(page) == []
        page.emulate_media(media="screen")

    page.goto(f"{office.url}/admin/bookings/workorder/?view=all&day=2000-01-01&until=2199-12-31")
    assert prints.inner_text() == "Print"
    is_printed(number)
    page.goto(f"{office.url}/admin/bookings/workorder/?view=all")
    assert prints.inner_text() == "Print page"
    is_printed(50)
    with page.expect_navigation():
        page.get_by_role("link", name="Show all").click()
    assert prints.inner_text() == "Print"
    is_printed(number)


def cut_frames(page):
    """What of the list would be left out on paper, because a frame around it scrolls."""
    return page.evaluate(
        """() => {
            const frames = [];
            for (let box = document.querySelector('#result_list').parentElement; box; box = box.parentElement)
                if (getComputedStyle(box).overflowY !== 'visible' && box.clientHeight < box.scrollHeight - 1)
                    frames.push(box.className || box.tagName);
            return frames;
        }"""
    )


def test_a_day_is_printed_as_it_is_listed(open_page, office):
    page = open_page("supervisor")
    page.goto(f"{office.url}/admin/bookings/appointmentslot/?day=2000-01-01&until=2199-12-31")
    assert page.get_by_role("button", name="Print").is_visible()
    rows = page.locator("#result_list tbody tr").count()
    assert rows > 100
    page.emulate_media(media="print")
    assert cut_frames(page) == []
    assert page.locator("#result_list").bounding_box()["height"] > rows * 20
    for name in (".desk-bar", "[class*='lg:sticky']", "#nav-sidebar"):
        assert not page.locator(name).first.is_visible(), name


def refuse(office):
    body = helpers.booking() | {"Location": {"LocationNum": "L-1", "ServiceAreaID": "NOWHERE"}}
    assert office.book("Wo-Lost", body).status == 404


def test_refusals_show_what_was_refused(open_page, office):
    refuse(office)
    page = open_page("supervisor")
    page.goto(f"{office.url}/admin/bookings/refusal/?q=wo-LOST")
    assert seriously_wrong(page) == []
    assert page.locator("#result_list tbody tr").count() == 1
    page.locator("#result_list tbody th a").first.click()
    page.get_by_text("none: the place belongs to no area").wait_for()
    assert "NOWHERE" in page.locator(".desk-body").inner_text()
    assert seriously_wrong(page) == []
    page.get_by_role("link", name="Wo-Lost", exact=True).click()
    page.wait_for_url("**/workorder/?view=all&q=Wo-Lost")


def test_a_page_that_does_not_exist_leads_back(chromium, office):
    context = chromium.new_context(viewport=browser.DESKTOP)
    page = context.new_page()
    browser.log_in(page, office.url, "dispatcher", scene.PASSWORD)
    answer = page.goto(f"{office.url}/admin/nothing/")
    assert answer.status == 404
    assert page.get_by_text(answer.headers["x-request-id"]).is_visible()
    assert seriously_wrong(page) == []
    page.get_by_role("link", name="To the board").click()
    page.wait_for_url(f"{office.url}/admin/")
    context.close()
