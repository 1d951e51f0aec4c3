"""Whatever many clients do at once, what they were told and what is in the database is one story."""

import dataclasses
import os

import pytest

from tests.conftest import Database, Service
from tests.services.test_race_for_places import drop_guards
from tests.support import histories

# Ten thousand in `make torture`.
OPERATIONS = int(os.environ.get("TORTURE_OPERATIONS") or 300)


@pytest.mark.parametrize("policy", ["single", "multiple", "move"])
def test_everything_that_was_answered_is_so(start_service, policy, figures):
    service = start_service(BOOKJOB_FOLLOWUP_POLICY=policy, WEB_CONCURRENCY="3")
    history = histories.run(service, operations=OPERATIONS, policy=policy)
    assert histories.check(history) == []
    verified = service.manage("verify_bookings")
    assert (verified.returncode, verified.stdout) == (0, "")
    figures(f"history, {policy}: {history.figures()}; nothing lost")


def test_the_test_above_would_notice_a_missing_guard(start_service):
    service = start_service("tests.support.apps.unguarded", WEB_CONCURRENCY="1")
    drop_guards(service.database)

    def is_seen(history):
        return histories.check(history) != []

    assert is_seen(histories.run(service, operations=150, technicians=8, staff=0, until=is_seen))


@pytest.fixture(scope="class")
def story(request, template_database, tmp_path_factory):
    """A short history that is right."""
    folder = tmp_path_factory.mktemp("story")
    database = Database(template_database, folder)
    service = Service(database, folder / "gunicorn.log", "bookjob_site.wsgi")
    try:
        yield histories.run(service, operations=200, technicians=4, staff=2)
    finally:
        service.stop()
        database.drop()


class TestTheCheckerNotices:
    """Each kind of lie, told about a history that is right."""

    def doctored(self, story, is_meant, **changes):
        """The history with the first call changed that `is_meant`."""
        place = next(index for index, call in enumerate(story.calls) if is_meant(call))
        calls = list(story.calls)
        calls[place] = dataclasses.replace(calls[place], **changes)
        return dataclasses.replace(story, calls=calls)

    def effective(self, story):
        return histories.read_effects(story.service.database)

    def test_nothing_where_nothing_is_wrong(self, story):
        assert histories.check(story) == []

    def test_an_acknowledged_booking_that_is_lost(self, story):
        done = self.effective(story)
        lie = {"ok": True, "number": "FU-999999", "parts": []}
        assert histories.check(self.doctored(story, lambda call: call.do == "book" and call.id not in done, answer=lie))

    def test_a_refusal_that_left_something(self, story):
        done = self.effective(story)
        lie = {"error": "slot_unavailable", "reason": "full", "number": None}
        assert histories.check(self.doctored(story, lambda call: call.do == "book" and call.id in done, answer=lie))

    def test_an_empty_search(self, story):
        lie = {"ok": True, "places": []}
        assert histories.check(self.doctored(story, lambda call: call.do == "search", answer=lie))

    def test_something_that_nobody_asked_for(self, story):
        done = self.effective(story)
        assert histories.check(self.doctored(story, lambda call: call.id in done, id="another"))

    def test_a_cancellation_that_came_to_nothing(self, story):
        done = self.effective(story)
        lie = {"ok": True, "number": "FU-1", "slot": story.slots[0]}
        assert histories.check(
            self.doctored(story, lambda call: call.do == "cancel" and call.id not in done, answer=lie)
        )

    def test_an_answer_from_before_its_call(self, story):
        """A stale read: right once, but not between this call and its answer."""
        repeated = next(call for call in story.calls if call.do == "book" and "ok" in call.answer)
        stale = dataclasses.replace(repeated, id="stale", start=repeated.start - 2000, end=repeated.start - 1000)
        assert histories.check(dataclasses.replace(story, calls=[*story.calls, stale]))

    @pytest.mark.parametrize(
        ("change", "undo"),
        [
            (
                "UPDATE bookings_appointmentslot SET capacity = capacity + 1",
                "UPDATE bookings_appointmentslot SET capacity = capacity - 1",
            ),
            (
                "UPDATE bookings_workorder SET original_order = original_order || 'x'",
                "UPDATE bookings_workorder SET original_order = replace(original_order, 'x', '')",
            ),
        ],
    )
    def test_rows_that_somebody_changed(self, story, change, undo):
        story.service.database.execute(change)
        try:
            assert histories.check(story)
        finally:
            story.service.database.execute(undo)
