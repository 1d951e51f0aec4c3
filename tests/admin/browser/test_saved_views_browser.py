"""Saved views in a real browser: saved, opened, renamed and deleted, with every click counted."""

import re

from tests.admin.browser.test_browser import resized, seriously_wrong, too_wide
from tests.admin.browser.test_planner_browser import Clicks
from tests.support import browser


def test_a_view_is_saved_and_opened(open_page, office, figures):
    page = open_page("supervisor")
    there = f"{office.url}/admin/bookings/workorder/?view=all&area=BOSTON"
    page.goto(there)
    click = Clicks(page)
    views = page.locator("summary", has_text="Views")
    click(views)
    click(page.get_by_role("link", name="Save or change views"))
    click(page.get_by_label("Name"))
    page.get_by_label("Name").fill("Boston")
    click(page.get_by_label("Shared with all"))
    click(page.get_by_role("button", name="Save this view"))
    page.wait_for_url(there)
    page.get_by_text("The view Boston was saved.").wait_for()
    page = open_page("dispatcher", size=browser.PHONE, scheme="dark")
    page.goto(f"{office.url}/admin/bookings/workorder/")
    opening = Clicks(page)
    opening(page.locator("summary", has_text="Views"))
    assert too_wide(page) == []
    assert seriously_wrong(page) == []
    opening(page.get_by_role("link", name=re.compile(r"^Boston \(shared by ")))
    page.wait_for_url(re.compile("area=BOSTON"))
    figures(f"a view of a list: saved by {click.number} clicks, opened by {opening.number}")
    assert (click.number, opening.number) == (5, 2)


def test_without_script_and_in_every_size(open_page, office):
    page = open_page("supervisor", scheme="dark")
    for address in ("appointmentslot/planner/", "appointmentslot/capacity/", "workorder/"):
        page.goto(f"{office.url}/admin/bookings/{address}")
        page.locator("summary", has_text="Views").click()
        for width, wide in resized(page):
            assert wide == [], (address, width)
        assert seriously_wrong(page) == []
    page = browser.without_script(page)
    page.goto(f"{office.url}/admin/views/capacity/?query=weeks%3D3")
    page.get_by_label("Name", exact=True).fill("Three weeks")
    page.get_by_role("button", name="Save this view").click()
    page.wait_for_url(re.compile(r"capacity/\?weeks=3"))
    page.locator("summary", has_text="Views").click()
    page.get_by_role("link", name="Save or change views").click()
    page.get_by_label("New name of Three weeks").fill("3 weeks")
    page.get_by_role("button", name="Change").click()
    page.get_by_text("The view 3 weeks was changed.").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("heading", name="Delete the view 3 weeks?").wait_for()
    page.get_by_role("button", name="Delete").click()
    page.get_by_text("There are none yet.").wait_for()
    page.context.close()
