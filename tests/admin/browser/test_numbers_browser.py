"""The page of numbers in a real browser: on a phone, in the dark, on paper, without script."""

from tests.admin.browser.test_browser import seriously_wrong, too_wide
from tests.support import browser

WORLD = """
import random
from django.core.management import call_command
from tests.support import helpers, weeks
with helpers.clock_stands_at(helpers.NOW):
    weeks.make_world(random.Random(3))
    helpers.make_area("LONG", name="The whole of the northern half " * 5)
    helpers.make_slot("LONG", helpers.NOW, worker="a.technician.with.a.very.long.name" * 5, capacity=3)
    call_command("update_numbers", "--all")
"""
IS_DARK = "document.documentElement.classList.contains('dark')"
DAYS = "day=2026-11-02&until=2026-11-30"
SIZES = [(browser.PHONE, "dark"), (browser.DESKTOP, "light"), ({"width": 1920, "height": 1080}, "dark")]


def test_each_number_as_chart_table_and_file(open_page, office):
    made = office.manage("shell", "--no-imports", "--command", WORLD)
    assert made.returncode == 0, made.stderr
    # By what makes the longest names, and over time.
    for size, scheme in SIZES:
        page = open_page("supervisor", size=size, scheme=scheme)
        for groups in ("utilisation=worker&lead=area&nothing=area&free=area&review=area", "refusals=week"):
            page.goto(f"{office.url}/admin/numbers/?{DAYS}&{groups}")
            assert too_wide(page) == []
            assert seriously_wrong(page) == []
            # The chart and the table of each number, and the bars have a size.
            cards = page.locator(".numbers-card")
            assert cards.count() == 7
            assert cards.locator("svg[role=img]").count() == cards.locator("table").count() == 7
            boxes = [box.bounding_box() for box in page.locator(".numbers-bar").all()]
            assert any(box and box["width"] > 5 and box["height"] > 5 for box in boxes)
    # Paper is white, and the screen is dark again afterwards.
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.printed = {IS_DARK} }})")
    assert page.evaluate(IS_DARK)
    page.pdf()
    assert page.evaluate("printed") is False
    page.wait_for_function(IS_DARK)
    page.emulate_media(media="print")
    assert page.get_by_role("region", name="Utilisation: table").evaluate("box => box.scrollHeight <= box.clientHeight")

    page = browser.without_script(page)
    page.goto(f"{office.url}/admin/numbers/?{DAYS}")
    card = page.get_by_role("region", name="Utilisation", exact=True)
    card.get_by_role("link", name="worker").click()
    assert card.get_by_role("columnheader", name="Worker").is_visible()
    page.get_by_role("textbox", name="Order type").fill("GAS")
    page.get_by_role("button", name="Show").click()
    # What the numbers are parted by stays.
    assert card.get_by_role("columnheader", name="Worker").is_visible()
    with page.expect_download() as file:
        card.get_by_role("link", name="CSV").click()
    assert file.value.suggested_filename == "utilisation.csv"
    page.context.close()
