"""A place is proposed to a booking that cannot stay, and at the same moment callers book it."""

import re
from datetime import timedelta

from tests.services.test_race_for_places import drop_guards
from tests.support.desk_over_http import Desk
from tests.support.helpers import at_once, tomorrow
from tests.support.scene import PASSWORD

PLACES = 4  # as many as the altered service holds between reading and writing
CLEAR = "/admin/bookings/blackout/clear/"


def office(service) -> Desk:
    script = "from tests.support import scene; scene.make_people()"
    made = service.manage("shell", "--no-imports", "--command", script)
    assert made.returncode == 0, made.stderr
    return Desk(service, "dispatcher", PASSWORD)


def meet(service, desk, number, together=at_once) -> tuple[int, int, int]:
    """Moves and bookings want the same places, which all were free: places taken, bookings moved, callers who got one.

    `together`: how the callers, and then the moves, come upon them.
    """
    start = tomorrow() + timedelta(hours=3 * number)
    anna, ben = f"anna{number}", f"ben{number}"
    body = service.make_slot(PLACES, start, anna)
    stay = [lambda order=order: service.book(f"STAYS-{number}-{order}", body).status for order in range(PLACES)]
    assert set(at_once(stay)) == {200}
    service.make_slot(PLACES, start, ben)
    days = {"day": start.date() - timedelta(days=1), "until": start.date() + timedelta(days=1)}
    page = desk.post(CLEAR, {"workers": anna, "reason": "Ill", **days})
    moves = re.findall(r'name="move" value="([^"]+)"', page)
    assert len(moves) == PLACES, "each of them is offered a place of Ben's"
    keys = re.findall(r"[?&]b=(\d+)", desk.address)
    confirm = {"b": keys, "move": moves, "do": "move"}
    calls = [lambda order=order: service.book(f"NEW-{number}-{order}", body).status for order in range(PLACES)]
    *statuses, _ = together([*calls, lambda: desk.post(f"{CLEAR}plan/", confirm, page)])
    ((taken,),) = service.database.execute("SELECT booked FROM bookings_appointmentslot WHERE worker = %s", ben)
    ((moved,),) = service.database.execute(
        "SELECT COUNT(*) FROM bookings_workorder o JOIN bookings_appointmentslot s ON s.id = o.slot_id"
        " WHERE s.worker = %s AND o.original_order LIKE %s",
        *(ben, f"STAYS-{number}-%"),
    )
    assert set(statuses) <= {200, 409}
    return taken, moved, statuses.count(200)


def test_each_place_goes_to_a_move_or_to_a_caller(service):
    desk = office(service)
    for number in range(3):
        taken, moved, booked = meet(service, desk, number)
        assert moved + booked == taken == PLACES
    ((orders,),) = service.database.execute("SELECT COUNT(*) FROM bookings_workorder WHERE status = 'booked'")
    ((places,),) = service.database.execute("SELECT SUM(booked) FROM bookings_appointmentslot")
    assert orders == places, "those that were not moved stay where they are"
    assert service.manage("verify_bookings").stdout == ""


def test_the_test_above_would_notice_a_missing_guard(start_service):
    service = start_service("tests.support.apps.unguarded", WEB_CONCURRENCY="1")
    drop_guards(service.database)

    def callers_first(calls):
        """The page with the moves was shown before, so that they would not notice."""
        *callers, moves = calls
        return [*at_once(callers), moves()]

    assert meet(service, office(service), 0, together=callers_first) == (2 * PLACES, PLACES, PLACES)
    assert "places for" in service.manage("verify_bookings").stdout
