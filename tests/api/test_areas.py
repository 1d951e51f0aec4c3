"""Which area a visit belongs to (contract, section 4): by code, by postcode, or by where the customer was visited."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from bookings import offers, wire
from bookings.models import AreaCode, PostcodePrefix, ServiceArea, WorkOrder, countries
from tests.conftest import SERVER
from tests.support.helpers import END, START, booking, clock_stands_at, make_area, make_booking, make_slot, search

pytestmark = pytest.mark.django_db


def area_of(**body) -> str | None:
    found = offers.find_area(wire.Search.model_validate(body))
    return found and found.code


def by_postcode(postcode, country="") -> str | None:
    return area_of(Location={"Address": {"Zip": postcode, "Country": country}})


class TestCodes:
    def test_an_area_has_several(self):
        leeds = make_area("LEEDS")
        make_area("YORK")
        leeds.codes.create(code="WC-7")
        for code in ("LEEDS", "leeds", " Leeds ", "WC-7", "wc-7\t"):
            assert area_of(Location={"ServiceAreaID": code}) == "LEEDS"
        make_slot()
        with clock_stands_at():
            assert make_booking(body=booking(Location={"LocationNum": "L-1", "ServiceAreaID": "wc-7"})).area == leeds

    def test_one_that_nothing_knows_is_no_area(self, settings):
        settings.BOOKJOB_DEFAULT_AREA = "LEEDS"
        make_area().postcode_prefixes.create(prefix="LS")
        assert area_of(Location={"ServiceAreaID": "X", "Address": {"Zip": "LS1"}}) is None

    def test_the_default_area_by_an_alias(self, settings):
        make_area().codes.create(code="WC-7")
        settings.BOOKJOB_DEFAULT_AREA = "wc-7"
        assert area_of() == "LEEDS"

    # Capital and small letters beyond A to Z, a letter that becomes two, one and two characters for one letter.
    BEYOND_ASCII = [
        ("MÜNCHEN", "münchen"),
        ("Straße", "STRASSE"),
        ("Zürich", "ZU\u0308RICH"),
        ("ЛИДС", "лидс"),
        ("ΛΙΝΤΣ", "λιντς"),
        ("Łódź", "\u3000łÓdŹ\t"),
    ]

    @pytest.mark.parametrize(("code", "other"), BEYOND_ASCII)
    def test_letters_beyond_ascii_are_compared_alike_on_every_database(self, code, other, settings):
        area = make_area(code)
        assert area_of(Location={"ServiceAreaID": other}) == code
        settings.BOOKJOB_DEFAULT_AREA = other
        assert area_of() == code
        with pytest.raises(IntegrityError), transaction.atomic():
            ServiceArea.objects.create(code=other, name="x", time_zone="UTC")
        with pytest.raises(IntegrityError), transaction.atomic():
            make_area("YORK").codes.create(code=other)
        with pytest.raises(ValidationError, match="has this code already"):
            AreaCode(area=area, code=other).clean()
        # The area's own code may be spelled in another way, by a form and by a command.
        area.code = other
        area.save()
        assert area_of(Location={"ServiceAreaID": code}) == other
        ServiceArea.objects.filter(pk=area.pk).update(code=code)
        assert area_of(Location={"ServiceAreaID": other}) == code

    @pytest.mark.parametrize(("code", "other"), BEYOND_ASCII)
    def test_an_alias_beyond_ascii(self, code, other):
        area = make_area("YORK")
        area.codes.create(code=code)
        assert area_of(Location={"ServiceAreaID": other}) == "YORK"
        with pytest.raises(IntegrityError), transaction.atomic():
            area.codes.create(code=other)
        area.code = other
        area.save()
        assert list(AreaCode.objects.values_list("code", "is_alias")) == [(other, False)]

    def test_what_the_release_before_writes_is_found(self):
        """It knows no folded codes; for letters from A to Z the triggers make the same ones."""
        with connection.cursor() as cursor:
            insert = "INSERT INTO bookings_servicearea (code, name, time_zone) VALUES (%s, 'x', 'Europe/London')"
            cursor.execute(insert, ["Leeds "])
            area = ServiceArea.objects.get()
            cursor.execute(
                "INSERT INTO bookings_areacode (area_id, code, is_alias) VALUES (%s, %s, %s)", [area.pk, " WC-7", True]
            )
            assert (area_of(Location={"ServiceAreaID": "LEEDS"}), area_of(Location={"ServiceAreaID": "wc-7"})) == (
                "Leeds ",
                "Leeds ",
            )
            cursor.execute("UPDATE bookings_servicearea SET code = 'York'")
        assert area_of(Location={"ServiceAreaID": "YORK"}) == "York"
        assert area_of(Location={"ServiceAreaID": "LEEDS"}) is None
        with pytest.raises(IntegrityError), transaction.atomic():
            make_area("HULL").codes.create(code="yoRK")

    @pytest.mark.parametrize("code", ["leeds", " LEEDS", "wc-7", "WC-7 "])
    def test_the_database_takes_none_twice(self, code):
        make_area("LEEDS").codes.create(code="WC-7")
        make_area("YORK")
        with pytest.raises(IntegrityError), transaction.atomic():
            ServiceArea.objects.create(code=code, name="x", time_zone="UTC")
        with pytest.raises(IntegrityError), transaction.atomic():
            make_area("YORK").codes.create(code=code)
        with pytest.raises(IntegrityError), transaction.atomic():
            ServiceArea.objects.filter(code="YORK").update(code=code)

    def test_follow_the_area(self):
        area = make_area("LEEDS")
        area.codes.create(code="old")
        area.code = "OLD"
        area.save()
        assert list(AreaCode.objects.values_list("code", "is_alias")) == [("OLD", False)]
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM bookings_servicearea")
        assert not AreaCode.objects.exists()


class TestPostcodes:
    @pytest.mark.parametrize("stored", ["GB", "GBR", "UK", "UNITED KINGDOM"])
    @pytest.mark.parametrize("sent", ["GB", "gbr", "UK", "U.K.", " United Kingdom ", "England", ""])
    def test_a_country_is_a_country(self, stored, sent):
        PostcodePrefix.objects.create(area=make_area(), prefix="LS", country=stored)
        assert by_postcode("LS1 4AP", sent) == "LEEDS"
        assert by_postcode("LS1 4AP", "USA") is None

    def test_the_vendors_default(self):
        boston = PostcodePrefix(area=make_area("BOSTON"), prefix="021", country="us")
        boston.clean()
        boston.save()
        for sent in ("USA", "US", "United States", "United States of America", "u.s.a."):
            assert by_postcode("02134", sent) == "BOSTON"

    def test_what_is_no_country_is_compared_as_it_is(self):
        PostcodePrefix.objects.create(area=make_area(), prefix="1", country="ATLANTIS")
        assert by_postcode("10", "Atlantis") == "LEEDS"
        assert by_postcode("10", "Utopia") is None

    def test_one_that_could_be_of_two_areas_is_of_none(self, settings):
        settings.BOOKJOB_DEFAULT_AREA = "WIEN"
        make_area("WIEN").postcode_prefixes.create(prefix="1010", country="AT")
        make_area("LAUSANNE").postcode_prefixes.create(prefix="1010", country="CH")
        assert (by_postcode("1010", "AUT"), by_postcode("1010", "Switzerland")) == ("WIEN", "LAUSANNE")
        assert by_postcode("1010") is None
        answer = search({"Location": {"Address": {"Zip": "1010"}}})
        assert answer.json() == {
            "StatusMsg": "Postcode 1010 is served in several countries: AT, CH. Add the country.",
            "TimeConstraints": [],
        }

    def test_one_area_in_two_countries_is_sure(self):
        for country in ("AT", "CH"):
            make_area().postcode_prefixes.create(prefix="1010", country=country)
        assert by_postcode("1010") == "LEEDS"

    def test_the_very_country_goes_before_any(self):
        make_area("ANY").postcode_prefixes.create(prefix="10", country="")
        make_area("WIEN").postcode_prefixes.create(prefix="10", country="AT")
        assert (by_postcode("1010", "Austria"), by_postcode("1010", "CH")) == ("WIEN", "ANY")

    def test_many_spellings_are_remembered_and_bounded(self):
        for number in range(2_000):
            countries.code_of(f"no country {number}")
        assert countries.spellings.cache_info().currsize <= 1_000


class TestManagedPlaces:
    """They come as a number alone."""

    @pytest.fixture(autouse=True)
    def _clock(self):
        with clock_stands_at():
            yield

    def visit(self, order, area, location="L-1", account="C-1"):
        make_slot(area, capacity=9) if not make_area(area).slots.exists() else None
        place = {"LocationNum": location, "ServiceAreaID": area, "Name": "The mill"}
        return make_booking(order, booking(Account={"AccountNum": account}, Location=place))

    def test_the_latest_visit_of_the_location(self):
        self.visit("WO-1", "LEEDS")
        self.visit("WO-2", "YORK")
        assert area_of(Location={"LocationNum": "L-1"}) == "YORK"
        answer = search({"Location": {"LocNumber": "L-1"}}).json()
        assert [each["Period"]["Start"] for each in answer["TimeConstraints"]] == [wire.vendor_time(START)]
        assert make_booking("WO-3", booking(START, END, Location={"LocationNum": "L-1"})).area.code == "YORK"

    def test_the_account_only_if_it_is_in_one_area(self):
        self.visit("WO-1", "LEEDS")
        self.visit("WO-2", "LEEDS", location="L-2")
        unknown = {"Account": {"AccountNum": "C-1"}, "Location": {"LocationNum": "L-9"}}
        assert area_of(**unknown) == "LEEDS"
        assert area_of(Account={"AccountNum": "C-1"}) == "LEEDS"
        self.visit("WO-3", "YORK", location="L-3")
        assert area_of(**unknown) is None

    def test_else_the_default_area(self, settings):
        settings.BOOKJOB_DEFAULT_AREA = "YORK"
        make_area("YORK")
        self.visit("WO-1", "LEEDS", location="", account="")
        assert area_of(Location={"LocationNum": "L-1"}) == "YORK"
        assert area_of() == "YORK"

    def test_history_is_asked_only_without_code_and_postcode(self):
        self.visit("WO-1", "LEEDS")
        for place in ({"ServiceAreaID": "X"}, {"Address": {"Zip": "LS1"}}):
            text, _ = offers.area_of(wire.Search.model_validate({"Location": place | {"LocationNum": "L-1"}}))
            assert offers.ORDERS not in text
            assert area_of(Location=place | {"LocationNum": "L-1"}) is None

    def test_what_was_tried_in_a_practice_area_is_no_history(self, settings):
        make_area("GYM", is_practice=True)
        number, account = {"Location": {"LocationNum": "L-1"}}, {"Account": {"AccountNum": "C-1"}}
        self.visit("TRY-1", "GYM")
        assert (area_of(**number), area_of(**account)) == (None, None)
        self.visit("WO-1", "LEEDS")
        self.visit("TRY-2", "GYM")
        assert (area_of(**number), area_of(**account)) == ("LEEDS", "LEEDS")
        real = make_booking("WO-2", booking(Account={"AccountNum": "C-1"}, Location={"LocationNum": "L-1"}))
        assert real in WorkOrder.objects.real()
        self.visit("WO-3", "YORK", location="L-3")
        assert area_of(**account) is None

    def test_by_an_index_however_many_visits_there_were(self, plan_of):
        visit = self.visit("WO-0", "LEEDS")
        columns = {"slot_id": visit.slot_id, "area_id": visit.area_id, "visit_start": START, "body": "{}"}
        columns |= {"created_at": START, "changed_at": START, "fingerprint": ""}
        WorkOrder.objects.bulk_create(
            WorkOrder(**columns, **dict.fromkeys(("order_num", "original_order", "claim"), f"X-{number}"))
            for number in range(3_000)
        )
        WorkOrder.objects.exclude(pk=visit.pk).update(location_num=F("order_num"), account_num=F("order_num"))
        job = wire.Search.model_validate({"Location": {"LocationNum": "L-1"}, "Account": {"AccountNum": "C-1"}})
        plan = plan_of(offers.area_of(job))
        assert plan.count("work_order_by_location") == 1
        assert plan.count("work_order_by_customer") == 3
        assert "SCAN visit" not in plan
        assert "Seq Scan on bookings_workorder" not in plan

    def test_no_statement_more_and_by_an_index(self, plan_of, django_assert_num_queries):
        self.visit("WO-1", "LEEDS")
        with django_assert_num_queries(1):
            search({"Location": {"LocationNum": "L-1"}})
        if not SERVER:  # of a table with one row PostgreSQL reads that row
            job = wire.Search.model_validate({"Location": {"LocationNum": "L-1"}, "Account": {"AccountNum": "C-1"}})
            plan = plan_of(offers.area_of(job))
            assert "work_order_by_location" in plan
            assert "work_order_by_customer" in plan
            assert "SCAN visit" not in plan
