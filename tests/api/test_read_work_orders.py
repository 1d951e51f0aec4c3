"""The customer's own systems read work orders: one by its number, all as a feed."""

import base64
import io
import json
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client

from bookings import services, wire
from bookings.access import tokens
from bookings.models import AreaRestriction, WorkOrder
from bookings.services import feed
from bookings.supply import slots
from tests.support.helpers import NOW, booking, clock_stands_at, error, make_booking, make_slot, sample

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock():
    with clock_stands_at():
        yield


@pytest.fixture(autouse=True)
def reader(django_user_model):
    user = django_user_model.objects.create_user("erp")
    user.user_permissions.add(Permission.objects.get(codename="read_workorder_by_api"))
    return user


def get(path="", *, token=None, **query):
    headers = {"x-access-token": tokens.issue_token("erp") if token is None else token}
    return Client().get(f"/api/v1/workorders{path}", query, headers=headers)


def numbers(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [work_order["OrderNum"] for work_order in answer.json()["WorkOrders"]]


def read_on(cursor="", **query):
    """All pages from a cursor on: (numbers, the cursor to go on with)."""
    found, more = [], True
    while more:
        answer = get(cursor=cursor, **query)
        found += numbers(answer)
        cursor, more = answer.json()["Next"], answer.json()["More"]
    return found, cursor


class TestOne:
    def test_the_statements(self, django_assert_num_queries):
        """User, two of permissions, areas, the work order with its slot, part orders, parts, history."""
        make_slot()
        work_order = make_booking("WO-1", booking(RequiredParts=[{"ProdNum": "A"}, {"ProdNum": "B", "Urgency": "x"}]))
        with django_assert_num_queries(8):
            get(f"/{work_order.order_num}")

    def test_it_works(self):
        slot = make_slot(worker="a")
        work_order = make_booking("WO-100234", sample("book_full.json"))
        answer = get(f"/{work_order.order_num}")
        assert answer.status_code == 200
        found = answer.json()
        part_orders = [order.part_order_num for order in work_order.part_orders.all()]
        assert found["History"][0].pop("RequestID")
        assert found == {
            "OrderNum": work_order.order_num,
            "OriginalOrderNum": "WO-100234",
            "RootOrderNum": "",
            "Status": "booked",
            "Created": wire.vendor_time(NOW),
            "Changed": wire.vendor_time(NOW),
            "Reviewed": "",
            "Cancelled": "",
            "CancelReason": "",
            "Caller": "tech.jones",
            "Place": {
                "ServiceAreaID": "LEEDS",
                "TimeZone": "Europe/London",
                "Worker": "a",
                "Desc": "Fri 4 Dec 2026, 13:00-15:00 (Europe/London)",
                "Period": {"Start": "2026-12-04T13:00:00.000Z", "End": "2026-12-04T15:00:00.000Z"},
            },
            "OrderedParts": [
                {"PartOrderNum": part_orders[0], "Parts": ["PUMP-17B", "SEAL-3"]},
                {"PartOrderNum": "PO-EXT-77", "Parts": ["HOSE-2"]},
            ],
            "RequiredParts": [
                {
                    "ProdNum": "PUMP-17B",
                    "Replaces": "PUMP-17",
                    "Desc": "Drain pump, new type",
                    "Qty": "1.0000",
                    "PartStatus": "in stock",
                    "PartOrderNum": part_orders[0],
                    "EstimatedDelivery": "2026-12-03T10:00:00.000Z",
                },
                {
                    "ProdNum": "SEAL-3",
                    "Replaces": "",
                    "Desc": "",
                    "Qty": "4.0000",
                    "PartStatus": "",
                    "PartOrderNum": part_orders[0],
                    "EstimatedDelivery": "",
                },
                {
                    "ProdNum": "HOSE-2",
                    "Replaces": "",
                    "Desc": "",
                    "Qty": "0.5000",
                    "PartStatus": "ordered by the worker",
                    "PartOrderNum": "PO-EXT-77",
                    "EstimatedDelivery": "",
                },
            ],
            "History": [
                {
                    "At": wire.vendor_time(NOW),
                    "Event": "booked",
                    "By": "tech.jones",
                    "Via": "api",
                    "Reason": "",
                    "Details": {
                        "after": {
                            "slot": slot.pk,
                            "area": slot.area_id,
                            "start": "2026-12-04T13:00:00+00:00",
                            "end": "2026-12-04T15:00:00+00:00",
                            "worker": "a",
                        }
                    },
                }
            ],
            "Body": sample("book_full.json"),
        }

    def test_the_body_is_not_rounded(self):
        make_slot()
        text = json.dumps(booking(x="NUMBER")).replace('"NUMBER"', "0.1000000000000000055511151231257827")
        work_order = make_booking(body=text)
        assert text.encode() in get(f"/{work_order.order_num}").content

    def test_an_unknown_number(self):
        answer = get("/FU-99")
        assert (answer.status_code, answer.json()) == (
            404,
            error(404, "not_found", "There is nothing at this address."),
        )


class TestWhoMay:
    def test_a_booking_with_two_slashes_too_many_hears_of_its_address_not_of_its_token(self):
        for path in ("/WO-1/followup//", ""):
            headers = {"x-access-token": tokens.issue_token("tech.jones")}
            assert Client().post(f"/api/v1/workorders{path}", headers=headers).status_code == 405

    @pytest.mark.parametrize("path", ["", "/FU-1"])
    def test_a_technicians_token_does_not_do(self, path, django_user_model):
        django_user_model.objects.create_user("tech.jones")
        for token in (
            tokens.issue_token("tech.jones"),
            tokens.issue_token("stranger"),
            tokens.issue_token("erp", claims={"iss": "another issuer"}),
            tokens.issue_token("erp", claims={"iss": ""}),
        ):
            answer = get(path, token=token)
            assert answer.json() == error(
                403,
                "forbidden",
                "Your log-in or key does not allow this: it needs the scope work_orders:read. Ask an administrator.",
                scope="work_orders:read",
            )
        assert get(path, token="").status_code == 401

    def test_a_user_who_is_not_active_any_more_does_not_do(self, reader):
        reader.is_active = False
        reader.save()
        assert get().status_code == 403

    def test_whoever_is_restricted_to_areas_reads_only_those(self, reader):
        make_slot()
        hull = make_slot("HULL")
        make_booking("WO-1")
        there = make_booking("WO-2", booking(Location={"LocationNum": "L", "ServiceAreaID": "HULL"}))
        AreaRestriction.objects.create(user=reader).areas.add(hull.area)
        assert numbers(get()) == [there.order_num]
        assert get(f"/{WorkOrder.objects.get(original_order='WO-1').order_num}").status_code == 404

    # As they are spelled in a body; the last ones are no other order's number.
    ROOTS = (
        ('"WO-9"', "WO-9"),
        ("1002", "1002"),
        ("1002.0", "1002"),
        ("1.002e3", "1002"),
        ("1002.5", "1002.5"),
        ('"WO-5"', ""),
        ("true", ""),
        ("null", ""),
        ('""', ""),
        ('["WO-1"]', ""),
        (f'"{"9" * 500}"', ""),
    )

    def test_the_root_of_a_chain_of_follow_ups_is_shown(self):
        slot = make_slot(capacity=99)
        for order, (given, shown) in enumerate(self.ROOTS):
            body = json.dumps(booking(slot.start, slot.end, OriginalOrderNum="?")).replace('"?"', given)
            work_order = make_booking(f"WO-{order}", body)
            found = get(f"/{work_order.order_num}").json()
            assert (found["OriginalOrderNum"], found["RootOrderNum"]) == (f"WO-{order}", shown), given

    def test_an_order_that_left_the_readers_areas_is_gone(self, reader):
        here, there = make_slot(), make_slot("HULL", capacity=2)
        work_order, other = make_booking("WO-1"), make_booking("WO-2", in_area("HULL"))
        _, everything = read_on()
        AreaRestriction.objects.create(user=reader).areas.add(here.area)
        found, cursor = read_on()
        assert found == [work_order.order_num]
        services.move(work_order=work_order, slot=there, by="dispatcher")
        gone = {"OrderNum": work_order.order_num, "Status": "gone"}
        for query in ({}, {"status": "booked"}):
            assert get(cursor=cursor, **query).json()["WorkOrders"] == [gone]
        _, cursor = read_on(cursor)
        assert read_on(cursor) == ([], cursor)
        # A reader of all areas sees where it is now; what was never in the reader's areas is never gone.
        services.review(work_order=other, by="dispatcher")
        assert read_on(cursor)[0] == []
        services.move(work_order=WorkOrder.objects.get(pk=work_order.pk), slot=here, by="dispatcher")
        assert get(cursor=cursor).json()["WorkOrders"][0]["Place"]["ServiceAreaID"] == "LEEDS"
        AreaRestriction.objects.all().delete()
        assert set(read_on(everything)[0]) == {work_order.order_num, other.order_num}


class TestEpochs:
    """What a restore does to a reader: the database stands where it stood, the cursor does not."""

    STALE = (
        "The cursor is from before the database was restored, and changes may be missing after it. Begin anew without a"
        " cursor, and read all work orders again."
    )

    def test_a_cursor_from_before_a_new_epoch(self):
        make_slot(capacity=9)
        make_booking("WO-1")
        _, before = read_on()
        call_command("new_epoch", stdout=io.StringIO())
        make_booking("WO-2")
        detail = get(cursor=before).json()["detail"]
        assert (detail["params"]["error"], detail["message"]) == ("invalid_request", self.STALE)
        found, cursor = read_on()
        assert len(found) == 2
        assert read_on(cursor) == ([], cursor)
        call_command("new_epoch", stdout=io.StringIO())
        assert get(cursor=cursor).status_code == 400

    def test_a_cursor_that_is_ahead_begins_one(self):
        make_slot(capacity=9)
        work_order = make_booking("WO-1")
        _, before = read_on()
        ahead = feed.Cursor(0, feed.read_cursor(before).place + 500)
        assert get(cursor=str(ahead)).json()["detail"]["message"] == self.STALE
        # Also for those whose cursors the database has passed by then.
        assert get(cursor=before).status_code == 400
        assert read_on()[0] == [work_order.order_num]

    # Without a signature, as earlier releases had it, with none at all, and with the one of another place.
    @pytest.mark.parametrize(
        "text", ["feed:{}", "feed:0:{}", "feed:0:{}:", "feed:0:{}:0123456789abcdef", "feed:0:{}:{}"]
    )
    def test_a_made_up_cursor_that_is_ahead_begins_none(self, text):
        """Readers with other cursors read on."""
        make_slot(capacity=9)
        make_booking("WO-1")
        _, before = read_on()
        signature = base64.urlsafe_b64decode(before).decode().split(":")[-1]
        ahead = text.format(feed.read_cursor(before).place + 500, signature)
        answer = get(cursor=base64.urlsafe_b64encode(ahead.encode()).decode())
        assert answer.json()["detail"]["message"] == self.STALE
        assert read_on(before) == ([], before)

    def test_a_cursor_of_the_release_without_epochs(self):
        make_slot(capacity=9)
        _, second = make_booking("WO-1"), make_booking("WO-2")
        place = feed.read_cursor(get(limit=1).json()["Next"]).place
        old = base64.urlsafe_b64encode(f"feed:{place}".encode()).decode()
        assert numbers(get(cursor=old)) == [second.order_num]
        feed.begin_epoch()
        assert get(cursor=old).status_code == 400

    def test_an_epoch_is_never_one_that_was(self):
        assert feed.begin_epoch() < feed.begin_epoch()


def in_area(code):
    return booking(Location={"LocationNum": "L", "ServiceAreaID": code})


class TestTheFeed:
    def test_it_works(self):
        make_slot(capacity=9)
        booked = [make_booking(f"WO-{number}").order_num for number in range(5)]
        answer = get(limit=2)
        assert (numbers(answer), answer.json()["More"]) == (booked[:2], True)
        rest, cursor = read_on(answer.json()["Next"], limit=2)
        assert rest == booked[2:]
        assert read_on(cursor) == ([], cursor)

    def test_what_changes_comes_again_at_the_end_and_nothing_else_does(self):
        make_slot(capacity=9)
        first, second, third = (make_booking(f"WO-{number}") for number in range(3))
        page = get(limit=1)
        assert numbers(page) == [first.order_num]
        services.cancel(work_order=first, by="dispatcher", reason="")
        services.cancel(work_order=second, by="dispatcher", reason="")
        rest, cursor = read_on(page.json()["Next"], limit=1)
        assert rest == [third.order_num, first.order_num, second.order_num]
        assert read_on(cursor) == ([], cursor)
        services.review(work_order=third, by="dispatcher")
        assert read_on(cursor)[0] == [third.order_num]

    def test_a_closed_slot_is_news_of_its_bookings(self):
        slot = make_slot(capacity=9)
        first, second = make_booking("WO-1"), make_booking("WO-2")
        services.review(work_order=first, by="dispatcher")
        _, cursor = read_on()
        slots.close(slot=slot, by="supervisor", reason="storm")
        assert read_on(cursor)[0] == [first.order_num, second.order_num]

    def test_by_status_and_by_time(self):
        make_slot(capacity=9)
        first = make_booking("WO-1")
        with clock_stands_at(NOW + timedelta(hours=1)):
            second = make_booking("WO-2")
            services.cancel(work_order=second, by="dispatcher", reason="")
        assert numbers(get(status="booked")) == [first.order_num]
        assert numbers(get(status="cancelled")) == [second.order_num]
        since = wire.vendor_time(NOW + timedelta(minutes=1))
        assert numbers(get(modified_since=since)) == [second.order_num]
        assert numbers(get(modified_since=since, status="booked")) == []
        for since, found in (("0001-01-01T00:00:00Z", 2), ("9999-12-31T23:59:59-14:00", 2), ("", 2)):
            assert len(numbers(get(modified_since=since))) == found, since

    def test_more_changes_than_are_numbered_at_once(self, monkeypatch):
        monkeypatch.setattr(feed, "BATCH", 2)
        make_slot(capacity=9)
        booked = [make_booking(f"WO-{number}").order_num for number in range(5)]
        assert read_on()[0] == booked

    def test_a_full_batch(self):
        make_slot(capacity=2000)
        one = make_booking()
        fields = [
            field
            for field in WorkOrder._meta.concrete_fields
            if field.name not in ("id", "order_num", "claim", "original_order")
        ]
        WorkOrder.objects.bulk_create(
            WorkOrder(
                order_num=f"X-{number}",
                claim=str(number),
                original_order=str(number),
                **{field.attname: getattr(one, field.attname) for field in fields},
            )
            for number in range(600)
        )
        found, _ = read_on(limit=500)
        assert len(found) == len(set(found)) == 601

    @pytest.mark.parametrize(
        "query",
        [
            {"cursor": "x"},
            {"cursor": "ä"},
            {"cursor": "ZmVlZDotMQ=="},
            {"limit": "0"},
            {"limit": "501"},
            {"limit": "x"},
            {"status": "lost"},
            {"modified_since": "yesterday"},
            *({"modified_since": text} for text in ("2026-11-30", "20261130T090000Z", "20261130090000Z")),
            {"modified_since": "2026-11-30T09:00:00 02:00"},  # a plus sign that was not encoded
        ],
    )
    def test_a_bad_query(self, query):
        answer = get(**query)
        assert (answer.status_code, answer.json()["detail"]["params"]["error"]) == (400, "invalid_request")
        (name,) = query
        assert answer.json()["detail"]["message"].startswith(name)

    def test_the_statements_do_not_grow_with_the_page(self, django_assert_num_queries):
        """User, two of permissions, areas, what is new, epoch and place, its end, the page and three of its parts."""
        make_slot(capacity=99)
        for number in range(3):
            make_booking(f"WO-{number}", booking(RequiredParts=[{"ProdNum": "A"}]))
        get()
        with django_assert_num_queries(11):
            assert len(numbers(get())) == 3
        for number in range(3, 30):
            make_booking(f"WO-{number}", booking(RequiredParts=[{"ProdNum": "A"}]))
        get()
        with django_assert_num_queries(11):
            assert len(numbers(get())) == 30


class TestWhileRowsChange:
    def test_nothing_is_lost_and_nothing_repeated(self, start_service, empty_database):
        """Bookings come and go all the time; readers page. At the end each has seen every last state once."""
        service = start_service()
        service.manage("load_demo", "--empty")
        token = service.manage("issue_token", "api").stdout.strip()
        body = service.make_slot(capacity=500)
        done = threading.Event()

        def book_some(worker):
            for number in range(40):
                assert service.book(f"WO-{worker}-{number}", body).status == 200

        def read(seen):
            cursor = ""
            while True:
                was_done = done.is_set()
                answer = service.request("GET", f"/api/v1/workorders?limit=7&cursor={cursor}", x_access_token=token)
                page = answer.json()
                seen += [work_order["OrderNum"] for work_order in page["WorkOrders"]]
                cursor = page["Next"]
                if was_done and not page["More"]:
                    return

        seen = [[], []]
        writers = [threading.Thread(target=book_some, args=[worker]) for worker in range(3)]
        readers = [threading.Thread(target=read, args=[one]) for one in seen]
        for thread in writers + readers:
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        for thread in readers:
            thread.join()
        expected = sorted(number for (number,) in service.database.execute("SELECT order_num FROM bookings_workorder"))
        assert len(expected) == 120
        for one in seen:
            assert sorted(one) == expected
