"""A first area from a file in a real browser, with every click counted."""

import re

from tests.admin.browser.test_browser import resized, seriously_wrong, too_wide
from tests.admin.browser.test_planner_browser import Clicks
from tests.support import browser

AREAS = """area;name;time_zone;postcodes
YORK;York;Europe/London;GB YO
YORK;;;GB LS29
CITY;City;Europe/London;GB YO1
HULL;Hull;Mars;
"""
WORKERS = "worker;name;order_types\nanna.hill;Anna Hill;REPAIR,INSTALL\n"


def test_a_first_area_with_its_worker_from_files(open_page, office, figures, tmp_path):
    for name, text in (("areas", AREAS), ("workers", WORKERS)):
        (tmp_path / f"{name}.csv").write_bytes(text.encode("cp1252"))
    page = open_page("supervisor")
    click = Clicks(page)
    click(page.get_by_role("link", name=re.compile(r"Areas\s*$")))
    click(page.get_by_role("link", name="Import from a file"))
    click.number += 1  # the choice of the file
    page.get_by_label("File", exact=True).set_input_files(tmp_path / "areas.csv")
    click(page.get_by_role("button", name="Show what changes"))
    page.get_by_text("GB YO1 of City (CITY) lies within GB YO of York (YORK): City (CITY) has it.").wait_for()
    assert page.get_by_text("is not an IANA time zone").is_visible()
    for width, wide in resized(page):
        assert wide == [], width
    assert seriously_wrong(page) == []
    click(page.get_by_role("button", name="Import all but the refused lines"))
    page.get_by_text("2 service areas made, 0 changed, 0 as they were.").wait_for()
    click(page.get_by_role("link", name=re.compile(r"Workers\s*$")))
    click(page.get_by_role("link", name="Import from a file"))
    click.number += 1
    page.get_by_label("File", exact=True).set_input_files(tmp_path / "workers.csv")
    click(page.get_by_role("button", name="Show what changes"))
    click(page.get_by_role("button", name="Import", exact=True))
    page.get_by_text("1 worker made").wait_for()
    figures(f"a first area with its postcodes and a worker with abilities, from two files: {click.number} clicks")
    assert click.number <= 10
    found = "SELECT prefix FROM bookings_postcodeprefix p JOIN bookings_servicearea a ON a.id = p.area_id"
    assert sorted(office.database.execute(f"{found} WHERE a.code = 'YORK'")) == [("LS29",), ("YO",)]


def test_without_script_in_the_dark_and_on_a_phone(open_page, office):
    address = f"{office.url}/admin/bookings/servicearea"
    page = open_page("supervisor", size=browser.PHONE, scheme="dark")
    for name in ("import", "overlaps"):
        page.goto(f"{address}/{name}/")
        assert too_wide(page) == []
        assert seriously_wrong(page) == []
    page = browser.without_script(page)
    page.goto(f"{address}/import/")
    page.get_by_label("Or type or paste it here").fill(AREAS)
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_role("button", name="Change something").click()
    assert page.get_by_label("Or type or paste it here").input_value() == AREAS
    page.get_by_role("button", name="Show what changes").click()
    page.get_by_role("button", name="Import all but the refused lines").click()
    page.get_by_text("2 service areas made").wait_for()
    page.context.close()
