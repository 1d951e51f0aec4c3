"""The list of work orders: what it shows first, its filters, its search, and that it stays fast."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bookings import clock, offers, services
from bookings.admin import lists
from bookings.admin.orders.work_order_filters import in_closed_slot
from bookings.models import AppointmentSlot, Blackout, WorkOrder
from bookings.services import search_terms
from bookings.supply import slots
from tests.support import desk, helpers, plans

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer():
    return desk.person("viewer")


@pytest.fixture
def three():
    """One to review, one reviewed, one cancelled, in two areas on three days."""
    first = desk.book(desk.slot_in(days=2), "WO-1", OrderType="REPAIR", UserName="tech.jones")
    second = desk.book(desk.slot_in("BOSTON", "America/New_York", days=1), "WO-2", OrderType="INSTALL")
    third = desk.book(desk.slot_in(days=0), "WO-3", OrderType="REPAIR")
    services.review(work_order=second, by="ann")
    services.cancel(work_order=third, by="ann", reason="Other")
    return first, second, third


def test_what_needs_attention_comes_first(viewer, three):
    assert desk.numbers(viewer) == [three[0].order_num]
    assert desk.numbers(viewer, view="all") == [row.order_num for row in reversed(three)]


def test_a_row_tells_what_a_dispatcher_asks(viewer):
    slot = desk.slot_in(worker="tech.silva")
    due = slot.start + timedelta(hours=20)
    desk.book(
        slot,
        "WO-77",
        Account={"AccountNum": "C-9", "Name": "Ruth <Okafor>"},
        Location={"Address": {"AddrLine1": "1 Mill Lane", "Zip": "LS1 4AP"}},
        OrderType="REPAIR",
        UserName="tech.jones",
        RequiredParts=[{"ProdNum": "PUMP-1", "EstimatedDelivery": due.isoformat()}],
    )
    page = viewer.get(desk.LIST).content.decode()
    for text in ("WO-77", "Ruth &lt;Okafor&gt;", "C-9", "LS1 4AP", "1 Mill Lane", "Leeds", "tech.silva", "REPAIR"):
        assert text in page, text
    for text in ("asked: tech.jones", "1 of 1 late", "to review", "Europe/London", f"{slot.hours}"):
        assert text in page, text


def test_the_soonest_visit_is_the_first_to_review(viewer):
    late, soon = desk.book(desk.slot_in(days=5), "WO-1"), desk.book(desk.slot_in(days=1), "WO-2")
    assert desk.numbers(viewer) == [soon.order_num, late.order_num]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"view": "attention"}, [0]),
        ({"view": "all", "status": "booked"}, [1, 0]),
        ({"status": "cancelled"}, [2]),
        ({"view": "all", "status": "nonsense"}, []),
        ({"area": "BOSTON"}, [1]),
        ({"area": ["BOSTON", "LEEDS"]}, [2, 1, 0]),
        ({"area": "NOWHERE"}, []),
        ({"order_type": "REPAIR"}, [2, 0]),
        ({"worker": "tech.jones"}, []),
        ({"worker": "pool"}, [2, 1, 0]),
        ({"asked": "tech.jones"}, [0]),
        ({"reviewed": "yes"}, [1]),
        ({"reviewed": "no", "status": "booked"}, [0]),
        ({"cancelled": "today"}, [2]),
        ({"cancelled": "nonsense"}, []),
        ({"arrived": "today"}, [2, 1, 0]),
        ({"arrived": "yesterday"}, [2, 1, 0]),
        ({"arrived": "nonsense"}, []),
        ({"day": "nonsense"}, []),
        ({"until": "nonsense"}, []),
        ({"window": "nonsense"}, []),
        ({"view": "nonsense"}, [0]),
    ],
)
def test_each_filter(viewer, three, query, found):
    assert desk.numbers(viewer, **query) == [three[index].order_num for index in found]


def test_the_filters_by_day(viewer, three):
    first, second, third = three
    days = [row.visit_start.astimezone(row.area.zone).date() for row in three]
    assert desk.numbers(viewer, day=days[0]) == [first.order_num]
    assert desk.numbers(viewer, view="all", day=days[1], until=days[0]) == [second.order_num, first.order_num]
    assert desk.numbers(viewer, view="all", until=days[1]) == [third.order_num, second.order_num]
    # The last day before the first one is no range, but the one day.
    assert desk.numbers(viewer, view="all", day=days[1], until=days[2]) == [second.order_num]


def test_a_day_is_the_day_of_the_area_wherever_the_viewer_sits(viewer):
    # 23:30 in Los Angeles is the next day already in London, and two days on in Auckland's morning.
    helpers.make_area("LA", "America/Los_Angeles")
    slot = helpers.make_slot("LA", helpers.tomorrow(7) + timedelta(days=3, minutes=30))
    work_order = desk.book(slot, "WO-1")
    local = work_order.visit_start.astimezone(work_order.area.zone).date()
    assert local != work_order.visit_start.date()
    assert desk.numbers(viewer, day=local) == [work_order.order_num]
    assert desk.numbers(viewer, day=work_order.visit_start.date()) == []


def test_the_filter_by_parts(viewer):
    slot = desk.slot_in(capacity=4)

    def parts(when):
        return [{"ProdNum": "A", "EstimatedDelivery": when.isoformat()}]

    late = desk.book(slot, "WO-1", RequiredParts=parts(slot.start + timedelta(hours=1)))
    waiting = desk.book(slot, "WO-2", RequiredParts=parts(slot.start - timedelta(hours=1)))
    here = desk.book(slot, "WO-3", RequiredParts=parts(timezone.now() - timedelta(hours=1)))
    none = desk.book(slot, "WO-4")
    expected = {
        "late": [late],
        "waiting": [waiting, late],
        "some": [here, waiting, late],
        "none": [none],
        "nonsense": [],
    }
    for value, rows in expected.items():
        assert desk.numbers(viewer, parts=value) == [row.order_num for row in rows], value


def test_the_filter_by_window_takes_all_slots_of_the_period(viewer):
    pool, own, other = desk.slot_in(), desk.slot_in(worker="tech.silva"), desk.slot_in(days=1)
    one, two = desk.book(pool, "WO-1", UserName="x"), desk.book(own, "WO-2", UserName="tech.silva")
    desk.book(other, "WO-3")
    assert desk.numbers(viewer, window=pool.pk) == [two.order_num, one.order_num]


def test_bookings_in_closed_slots_stand_in_the_order_of_their_visits(viewer):
    slots = [desk.slot_in(hour=hour) for hour in (16, 10, 13)]
    orders = [desk.book(slot, f"WO-{number}") for number, slot in enumerate(slots)]
    desk.book(desk.slot_in(hour=11), "WO-OPEN")
    AppointmentSlot.objects.filter(pk__in=[slot.pk for slot in slots]).update(is_open=False)
    assert desk.numbers(viewer, view="closed") == [orders[place].order_num for place in (1, 2, 0)]


def test_bookings_in_closed_slots_are_counted_by_their_slots(monkeypatch):
    """In the areas that the viewer sees; with any other filter the bookings themselves are counted."""
    here, there = desk.slot_in(capacity=9), desk.slot_in("YORK", capacity=9)
    for slot, number in ((here, 3), (there, 2)):
        for place in range(number):
            desk.book(slot, f"{slot.area.code}-{place}", OrderType="GAS" if place else "OIL")
    desk.book(desk.slot_in(days=2), "OPEN")
    AppointmentSlot.objects.filter(pk__in=[here.pk, there.pk]).update(is_withdrawn=True)

    def listed(client, **query):
        with CaptureQueriesContext(connection) as captured:
            found = client.get(desk.LIST, {"view": "closed"} | query).context["cl"]
        assert found.result_count == len(found.result_list)
        return found.result_count, sum("COUNT(*) FROM (SELECT" in query["sql"] for query in captured.captured_queries)

    viewer, restricted = desk.person("viewer"), desk.person("viewer", here.area)
    for client in (viewer, restricted):
        client.get(desk.LIST)
    assert listed(viewer) == (5, 0)
    assert listed(viewer, area="YORK") == (2, 0)
    assert listed(viewer, area="NONE") == (0, 0)
    assert listed(viewer, area=["YORK", " "]) == (5, 0)  # the last one counts, and is none
    assert listed(restricted) == (3, 0)
    assert listed(restricted, area="YORK") == (0, 0)
    assert listed(viewer, order_type="GAS") == (3, 1)
    assert listed(viewer, status="cancelled") == (0, 1)
    monkeypatch.setattr(lists, "COUNTED", 4)
    found = viewer.get(desk.LIST, {"view": "closed"}).context["cl"]
    assert (found.result_count, found.counted) == (4, "4+")


@pytest.mark.parametrize("is_open", [True, False])
@pytest.mark.parametrize("is_withdrawn", [True, False])
@pytest.mark.parametrize("is_blacked_out", [True, False])
def test_what_has_a_slot_that_is_shown_is_what_the_rules_say(is_open, is_withdrawn, is_blacked_out):
    slot = desk.slot_in()
    desk.book(slot)
    span = {"start": slot.start, "end": slot.end, "closed_at": clock.now(), "reason": "Snow"}
    blackout = Blackout.objects.create(area=slot.area, **span) if is_blacked_out else None
    there = AppointmentSlot.objects.filter(pk=slot.pk)
    there.update(is_open=is_open, is_withdrawn=is_withdrawn, blackout=blackout)
    found = WorkOrder.objects.filter(in_closed_slot(clock.now()))
    assert found.exists() != there.filter(offers.SHOWN).exists()
    # Also where the slots are joined under another name, or another table has such a column.
    assert WorkOrder.objects.filter(pk__in=found).exists() == found.exists()
    names = r"is_open|is_withdrawn|blackout_id"
    assert not re.search(rf'(?<![."])\b({names})\b|(?<!\.)"({names})"', str(found.values("pk").query))


def test_bookings_in_closed_slots_need_attention_again(viewer):
    slot = desk.slot_in()
    work_order = desk.book(slot)
    services.review(work_order=work_order, by="ann")
    assert desk.numbers(viewer) == desk.numbers(viewer, view="closed") == []
    slots.close(slot=slot, by="sue", reason="Snow")
    assert desk.numbers(viewer) == desk.numbers(viewer, view="closed") == [work_order.order_num]


@pytest.mark.parametrize(
    "typed",
    [
        "{number}",
        "fu-{key}",
        "wo-4711/a",
        "WO-4711",
        "4711",
        "C-20",
        "mull",
        "MÜLLER söhne",
        "ls1 4",
        "LS14AP",
        "+44 113 496 0000",
        "0113 496 0000",
        "4960000",
        "pump-17",
        "  müller   4711 ",
    ],
)
def test_the_search_finds(viewer, typed):
    desk.book(desk.slot_in(days=1), "WO-1", Account={"AccountNum": "X", "Name": "Another customer"})
    work_order = desk.book(
        desk.slot_in(),
        "WO-4711/A",
        Account={"AccountNum": "C-20417", "Name": "Müller & Söhne"},
        Location={
            "Address": {"Zip": "LS1 4AP"},
            "Contacts": [{"Phones": [{"PhoneNum": "+44 113 496-0000"}]}],
        },
        RequiredParts=[{"ProdNum": "PUMP-17"}],
    )
    query = typed.format(number=work_order.order_num, key=work_order.pk)
    assert desk.numbers(viewer, q=query) == [work_order.order_num]


@pytest.mark.parametrize(
    "typed", ["stranger", "WO-4712", "ump-17", "%", "_", "müller stranger", "' OR 1=1", "-", "\\", "0"]
)
def test_the_search_does_not_find(viewer, typed):
    desk.book(desk.slot_in(), "WO-4711", Account={"AccountNum": "C-1", "Name": "Müller"})
    assert desk.numbers(viewer, q=typed) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("brandl", ["brandt"]),
        ("bradnt", ["brandt"]),
        ("brndt", ["brandt"]),
        ("brnadt hannah", ["brandt hannah", "hannah"]),
        ("hannah okafor", ["okafor", "hannah"]),
        ("wo4711b", ["wo4711a"]),
        ("okafro", ["okafor"]),  # which begins a word of the mail address
        ("zzzz", []),
        ("x", []),
        ("-", []),
        ("'; DROP", []),
    ],
)
def test_near_spellings_where_nothing_fits(viewer, typed, meant):
    desk.book(desk.slot_in(), "WO-4711/A", Account={"AccountNum": "C-1", "Name": "Hannah Brandt"})
    mail = {"LocationNum": "L-1", "ServiceAreaID": "LEEDS", "Email": "okafor.ruth@example.org"}
    desk.book(desk.slot_in(days=1), "WO-5", Account={"AccountNum": "C-2", "Name": "Ruth Okafor"}, Location=mail)
    answer = viewer.get(desk.LIST, {"q": typed, "area": "LEEDS"})
    found = answer.context["cl"].near()
    assert [text for text, _ in found] == meant
    for text, address in found:
        assert f"{text}</bdi></a>" in answer.content.decode()
        assert viewer.get(f"{desk.LIST}{address}").context["cl"].result_count == 1


def test_near_spellings_come_from_what_a_person_may_see():
    leeds, boston = desk.slot_in(), desk.slot_in("BOSTON", "America/New_York")
    desk.book(leeds, "WO-1", Account={"AccountNum": "C-1", "Name": "Hannah Brandt"})
    desk.book(boston, "WO-2", Account={"AccountNum": "C-2", "Name": "Ruth Okafor"})
    restricted = desk.person("viewer", leeds.area)
    assert restricted.get(desk.LIST, {"q": "okafro"}).context["cl"].near() == []
    assert [text for text, _ in restricted.get(desk.LIST, {"q": "brandl"}).context["cl"].near()] == ["brandt"]


def test_the_statements_for_near_spellings_do_not_grow(viewer):
    def statements():
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get(desk.LIST, {"q": "customar"}).context["cl"].near()
        return len(captured)

    slot = desk.slot_in(capacity=500)
    many(2, slot)
    search_terms.add_missing()
    statements()
    few = statements()
    for start in range(1, 3):
        many(60, desk.slot_in(days=start, capacity=500), prefix=f"Y{start}-")
    search_terms.add_missing()
    assert statements() <= few


def test_a_caller_is_told_of_the_next_visit_and_called_back(viewer):
    contact = {"Contacts": [{"Phones": [{"PhoneNum": "+44 113 496 0000"}]}]}
    account = {"AccountNum": "C-1", "Name": "Hannah Brandt"}
    later = desk.book(desk.slot_in(days=4), "WO-1", Account=account, Location=contact)
    sooner = desk.book(desk.slot_in(days=2), "WO-2", Account=account, Location=contact)
    soonest = desk.book(desk.slot_in(days=1), "WO-3", Account=account, Location=contact)
    services.cancel(work_order=soonest, by="ann", reason="Other")
    answer = viewer.get(desk.LIST, {"q": "brandt"})
    assert answer.context["cl"].next_visit() == sooner
    page = desk.text_of(answer)
    assert f"{sooner}</a>, {sooner.slot}, Hannah Brandt" in page
    # In the rows, too, when people search, and not in a list that is as wide as it can be.
    assert page.count("C-1 +44 113 496 0000") == 3
    assert "+44 113 496 0000" not in desk.text_of(viewer.get(desk.LIST, {"view": "all"}))
    services.cancel(work_order=sooner, by="ann", reason="Other")
    services.cancel(work_order=later, by="ann", reason="Other")
    assert "Next visit" not in desk.text_of(viewer.get(desk.LIST, {"q": "brandt"}))


def test_a_search_looks_everywhere_whatever_was_shown(viewer, three):
    assert desk.numbers(viewer, view="attention", q="WO-2") == [three[1].order_num]


def test_a_moved_booking_is_found_under_its_new_body_only(viewer, settings):
    settings.BOOKJOB_FOLLOWUP_POLICY = "move"
    desk.book(desk.slot_in(), "WO-1", RequiredParts=[{"ProdNum": "OLD-1"}])
    moved = desk.book(desk.slot_in(days=1), "WO-1", RequiredParts=[{"ProdNum": "NEW-1"}])
    assert desk.numbers(viewer, q="NEW-1") == [moved.order_num]
    assert desk.numbers(viewer, q="OLD-1") == []


def many(count, slot, prefix="X-", **columns):
    """Rows straight into the tables, since making so many bookings takes too long."""
    now = timezone.now()
    WorkOrder.objects.bulk_create(
        WorkOrder(
            order_num=f"{prefix}{number}",
            original_order=f"O-{prefix}{number}",
            claim=f"O-{prefix}{number}",
            slot=slot,
            area=slot.area,
            visit_start=slot.start,
            body="{}",
            fingerprint="",
            created_at=now,
            changed_at=now,
            **({"account_name": "Customer"} | columns),
        )
        for number in range(count)
    )


def test_queries_do_not_grow_with_the_rows_and_none_counts_the_table(viewer):
    slot = desk.slot_in(capacity=500)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get(desk.LIST, {"view": "all"}).status_code == 200
        return [query["sql"] for query in captured.captured_queries]

    many(2, slot)
    queries()  # the first page of a session notes when it began
    few = queries()
    WorkOrder.objects.all().delete()
    many(120, slot)
    assert len(queries()) == len(few)
    counts = [sql for sql in queries() if "COUNT(" in sql]
    assert counts
    # Whatever is counted is cut off first, inside.
    assert all(re.search(r"FROM \(SELECT .* LIMIT \d+\)", sql, re.S) for sql in counts), counts


def test_a_count_ends_where_nobody_pages_any_more(viewer, monkeypatch):
    monkeypatch.setattr(lists, "COUNTED", 60)
    many(75, desk.slot_in(capacity=500))
    answer = viewer.get(desk.LIST, {"view": "all"})
    assert answer.context["cl"].result_count == 60
    assert "60+ work orders" in re.sub(r"\s+", " ", answer.content.decode())
    assert len(desk.numbers(viewer, view="all")) == 50
    assert len(desk.numbers(viewer, view="all", p=2)) == 10


def test_what_is_cancelled_is_read_by_the_index_that_holds_nothing_else(viewer, three):
    statements = plans.statements_of(viewer, desk.LIST, {"view": "all", "status": "cancelled"})
    (count,) = [text for text in statements if "COUNT(" in text and "bookings_workorder" in text]
    assert "work_order_by_cancellation" in plans.plan_of(count)


def test_select_all_says_where_the_count_ended(monkeypatch):
    """Select all takes every row that is found, so it names no number that is smaller."""
    monkeypatch.setattr(lists, "COUNTED", 60)
    many(75, desk.slot_in(capacity=500))
    page = desk.text_of(desk.person("supervisor").get(desk.LIST, {"view": "all"}))
    assert "Select all 60+ work orders" in page
    assert "All 60+ selected" in page
    assert "Select all 60 " not in page


@pytest.fixture
def common(monkeypatch):
    """Two areas with 75 bookings in each, all of which a search finds, and which are many; Boston's came last."""
    monkeypatch.setattr(search_terms, "SOME", 60)
    monkeypatch.setattr(search_terms, "FEW", 70)
    leeds, boston = desk.slot_in(capacity=500), desk.slot_in("BOSTON", "America/New_York", capacity=500)
    many(75, leeds)
    many(75, boston, prefix="Y-")
    search_terms.add_missing()
    return leeds.area, boston.area


def test_of_many_that_a_search_finds_a_few_pages_are_counted(common):
    """It says so; what is done with all takes all of them."""
    supervisor = desk.person("supervisor")
    answer = supervisor.get(desk.LIST, {"q": "customer"})
    page = desk.text_of(answer)
    newest = "The newest 60 are listed. More may fit."
    assert re.search(rf"60\+ work orders <span[^>]*>{newest} Add a word to the search, or set a filter.", page)
    assert "Select all 60+ work orders" in page
    assert "Next visit" not in page
    assert [number[0] for number in desk.numbers(supervisor, q="customer")] == ["Y"] * 50
    assert len(desk.numbers(supervisor, q="customer", p=2)) == 10
    # The newest, also from lists that begin with the next visit.
    for view in ("attention", "closed"):
        assert [number[0] for number in desk.numbers(supervisor, q="customer", view=view)] == ["Y"] * 50
    # A thousand times as many would be on that page.
    assert len(desk.numbers(supervisor, q="customer", all="")) == 50
    assert answer.context["cl"].queryset.count() == 150


@pytest.mark.parametrize(("order", "series"), [("1", "X"), ("-1", "Y")])
def test_of_many_that_a_search_finds_a_column_sorts_all(common, order, series):
    """The page says so: its rows are the first of all in this order, and not the newest ones sorted."""
    supervisor = desk.person("supervisor")
    page = desk.text_of(supervisor.get(desk.LIST, {"q": "customer", "o": order}))
    assert "The first 60 in this order are listed. More may fit." in page
    assert [number[0] for number in desk.numbers(supervisor, q="customer", o=order)] == [series] * 50


@pytest.mark.parametrize("number", [20, 30])
def test_what_came_last_and_stands_in_no_older_booking_is_counted(monkeypatch, number):
    """A file of bookings, or a new customer: by the newest bookings alone it would seem to be in each."""
    monkeypatch.setattr(search_terms, "SOME", 20)
    monkeypatch.setattr(search_terms, "FEW", 70)
    slot = desk.slot_in(capacity=500)
    many(75, slot, account_name="Else")
    many(number, slot, prefix="Y-")
    search_terms.add_missing()
    viewer = desk.person("viewer")
    for name, said in (("customer", f"{number} work orders"), ("else", "20+ work orders")):
        answer = viewer.get(desk.LIST, {"q": name})
        assert said in desk.text_of(answer)
        assert ("More may fit" in desk.text_of(answer)) == (name == "else")


def test_a_search_that_finds_a_good_part_of_few_bookings_counts_them_all(common, monkeypatch):
    """The newest ones alone would be enough for some pages: in a small office all are as soon counted."""
    monkeypatch.setattr(search_terms, "FEW", 200)
    answer = desk.person("viewer").get(desk.LIST, {"q": "customer"})
    assert "150 work orders" in desk.text_of(answer)
    assert "More may fit" not in desk.text_of(answer)


def test_what_narrows_a_search_is_counted_as_a_whole(common):
    viewer, day = desk.person("viewer"), WorkOrder.objects.filter(area=common[0]).first().visit_start.date()
    for query in ({"area": "LEEDS"}, {"day": day, "area": "LEEDS"}):
        answer = viewer.get(desk.LIST, {"q": "customer", **query})
        assert "75 work orders" in desk.text_of(answer)
        assert "More may fit" not in desk.text_of(answer)
    assert len(desk.numbers(viewer, q="customer", day=day, area="LEEDS")) == 75


def test_of_many_that_a_search_finds_a_person_counts_those_of_their_areas(common):
    """Also where the newest ones, which are known by their keys, are all in another area."""
    leeds, _ = common
    viewer = desk.person("viewer", leeds)
    many(3, desk.slot_in(days=1, capacity=9), prefix="Z-", account_name="Else")
    search_terms.add_missing()
    assert "60+ work orders" in desk.text_of(viewer.get(desk.LIST, {"q": "customer"}))
    assert {number[0] for number in desk.numbers(viewer, q="customer", p=2)} == {"X"}
    WorkOrder.objects.filter(area=leeds, order_num__lt="X-3").delete()
    left = WorkOrder.objects.filter(area=leeds, order_num__startswith="X").count()
    assert 50 < left < 60
    answer = viewer.get(desk.LIST, {"q": "customer"})
    assert f"{left} work orders" in desk.text_of(answer)
    assert "More may fit" not in desk.text_of(answer)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL says how many rows it has read")
def test_a_word_that_many_newest_bookings_have_is_not_looked_up_in_the_index(viewer, common, monkeypatch):
    """It would read an entry of each, before the first one is known."""

    def read():
        statements = plans.statements_of(viewer, desk.LIST, {"q": "customer"})
        return [plans.rows_read(text) for text in statements if re.match(r"(WITH|SELECT work_order_id)", text)]

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SET LOCAL enable_sort = off")  # so few rows are read as a whole otherwise
    plans.prefer_indexes()
    assert read() == [search_terms.SOME + 1]  # and the oldest booking
    monkeypatch.setattr(search_terms, "NEWEST", 0)
    assert max(read()) >= 150


def test_the_words_to_search_by_are_written_with_the_booking(viewer):
    work_order = desk.book(desk.slot_in(), "WO-1", Account={"AccountNum": "C-1"})
    number = str(work_order.pk)
    assert helpers.words_of(work_order) == {number, f"fu{number}", "1", "wo1", "c", "c1", "l", "l1"}


def test_without_anything_the_list_says_so(viewer):
    helpers.make_area()
    assert "Everything is reviewed." in viewer.get(desk.LIST).content.decode()
    assert "No booking fits. Remove a filter or search by phone number." in desk.text_of(
        viewer.get(desk.LIST, {"q": "x"})
    )
    assert "There is nothing here yet." in viewer.get("/admin/bookings/refusal/").content.decode()


def test_how_many_parts_are_late(viewer):
    slot = desk.slot_in()
    days = [slot.start - timedelta(hours=1), slot.start + timedelta(hours=1)]
    parts = [{"ProdNum": f"P-{number}", "EstimatedDelivery": day.isoformat()} for number, day in enumerate(days)]
    desk.book(slot, "WO-1", RequiredParts=parts)
    desk.book(slot, "WO-2", RequiredParts=[*parts, {"ProdNum": "P-3"}])
    page = viewer.get(desk.LIST).content.decode()
    assert "1 of 2 late" in page
    assert "1 of 3 late" in page


def test_the_worker_is_the_one_of_the_column(viewer):
    own = desk.book(desk.slot_in(worker="tech.silva"), "WO-1", UserName="tech.jones")
    pool = desk.book(desk.slot_in(days=1), "WO-2", UserName="tech.silva")
    assert desk.numbers(viewer, worker="tech.silva") == [own.order_num]
    assert desk.numbers(viewer, worker="Pool") == [pool.order_num]
    assert desk.numbers(viewer, asked="tech.silva") == [pool.order_num]


def test_a_list_says_what_it_is_narrowed_to_and_lets_go_of_each(viewer, three):
    def combined(**query):
        return viewer.get(desk.LIST, query).context["cl"].combined()

    assert combined() == [("only what needs attention", "?view=all")]
    assert combined(view="all") == []
    day = three[0].visit_start.astimezone(three[0].area.zone).date()
    found = combined(
        view="attention", worker="a&b", day=day, area=["BOSTON", "LEEDS"], arrived="today", window="9", parts="late"
    )
    texts = [text for text, _ in found]
    assert texts == [
        "only what needs attention",
        f"visit on {clock.day_text(day)}",
        "areas: BOSTON, LEEDS",
        "slot's worker: a&b",
        "parts: come after the visit",
        "came in today",
        "window: nothing",
    ]
    without = dict(found)["areas: BOSTON, LEEDS"]
    assert "worker=a%26b" in without
    assert "area=" not in without
    assert combined(q="x y", until=day) == [
        (f"visit until {clock.day_text(day)}", "?q=x+y"),
        ("search: x y", f"?until={day}"),
    ]


def test_what_needs_attention_is_not_carried_into_the_first_filter(viewer, three):
    """What the form sends after a first look, with one more field filled in."""
    page = viewer.get(desk.LIST).content.decode()
    form = re.search(r'<select name="view">(.*?)</select>', page, re.S)[1]
    assert re.findall(r'value="(\w*)" selected', form) == [""]
    assert desk.numbers(viewer, view="", reviewed="yes") == [three[1].order_num]


def test_a_page_that_is_there_no_longer_is_the_last_one(viewer, three):
    answer = viewer.get(desk.LIST, {"p": "7", "area": "LEEDS", "status": "booked"})
    assert answer.status_code == 200
    assert [row.original_order for row in answer.context["cl"].result_list] == ["WO-1"]
    assert answer.context["cl"].page_num == 1
    for model in ("servicearea", "appointmentslot", "blackout", "refusal"):
        assert viewer.get(f"/admin/bookings/{model}/", {"p": "-3"}).status_code == 200


def test_a_day_is_listed_on_one_page(viewer):
    slot = desk.slot_in(capacity=70)
    for number in range(60):
        desk.book(slot, f"WO-{number}")
    day = slot.start.astimezone(slot.area.zone).date()
    assert len(desk.numbers(viewer, view="all")) == 50
    assert len(desk.numbers(viewer, view="all", day=day)) == 60


def test_a_day_shows_no_more_rows_at_once_than_are_soon_drawn(viewer):
    slot = desk.slot_in(capacity=500)
    many(255, slot)
    day = slot.start.astimezone(slot.area.zone).date()
    assert len(desk.numbers(viewer, view="all", day=day)) == 250
    assert len(desk.numbers(viewer, view="all", day=day, p=2)) == 5
    assert len(desk.numbers(viewer, view="all", day=day, all="")) == 255
