"""A day to print in a real browser: on paper, in the dark, on a phone, without script."""

import re

from tests.admin.browser.test_browser import seriously_wrong, too_wide
from tests.support import browser

# Three workers on one day, one of them with more than a page holds.
DAY = """
from datetime import timedelta
from tests.support import desk
for hour, worker, number in ((9, "anna", 1), (12, "ben", 12), (15, "cleo", 2)):
    place = desk.slot_in("RIPON", days=9, hour=hour, worker=worker, capacity=12)
    for other in range(number):
        desk.book(place, f"WO-{worker}-{other}", RequiredParts=[{"ProdNum": "P-1"}, {"ProdNum": "P-2"}])
print(place.start.date())
"""
COLOURS = """() => [...document.querySelectorAll('body, .paper, .paper *')].map(found => {
    const style = getComputedStyle(found);
    return [style.color, style.backgroundColor].join(' on ');
})"""


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def test_each_worker_begins_a_page_black_on_white(open_page, office):
    made = office.manage("shell", "--no-imports", "--command", DAY)
    assert made.returncode == 0, made.stderr
    page = open_page(scheme="dark")
    page.goto(f"{office.url}/admin/?day={made.stdout.split()[-1]}&area=RIPON")
    page.get_by_role("link", name="Day to print").click()
    assert page.locator(".paper-visit").count() == 15
    whole = page.url
    alone = {}
    for worker in ("anna", "ben", "cleo"):
        page.goto(f"{whole}&worker={worker}")
        alone[worker] = pages(page.pdf(format="A4"))
    assert alone["anna"] == alone["cleo"] == 1
    assert alone["ben"] > 1
    page.goto(whole)
    assert pages(page.pdf(format="A4")) == sum(alone.values())
    page.emulate_media(media="print")
    assert page.get_by_role("form", name="Day, areas and workers").is_hidden()
    assert set(page.evaluate(COLOURS)) <= {"rgb(0, 0, 0) on rgba(0, 0, 0, 0)", "rgb(0, 0, 0) on rgb(255, 255, 255)"}


def test_on_a_phone_in_the_dark_and_without_script(open_page, office):
    made = office.manage("shell", "--no-imports", "--command", DAY)
    address = f"{office.url}/admin/bookings/workorder/day/?day={made.stdout.split()[-1]}"
    for size, scheme in ((browser.DESKTOP, "light"), (browser.PHONE, "dark")):
        page = open_page("viewer", size=size, scheme=scheme)
        page.goto(address)
        assert too_wide(page) == []
        assert seriously_wrong(page) == []
    page = browser.without_script(page)
    page.goto(address)
    page.get_by_text("Workers (all)").click()
    page.get_by_role("checkbox", name="cleo").check()
    page.get_by_role("button", name="Show").click()
    assert page.locator(".paper-visit").count() == 2
    page.context.close()
