"""Service areas from other systems: JSON objects and files, one state to be reached."""

import contextlib
import io
from itertools import permutations

import pytest
from django.core.management import CommandError, call_command

from bookings.management.commands import import_areas
from bookings.models import AreaCode, PostcodePrefix, ServiceArea, countries
from bookings.supply import by_country, turns
from bookings.supply.from_systems import area_rows, area_upserts
from tests.support.helpers import make_area, make_slot

pytestmark = pytest.mark.django_db
LEEDS = {
    "ServiceAreaID": "LEEDS",
    "Name": "Leeds",
    "TimeZone": "Europe/London",
    "Aliases": ["WC 7", "WC 8"],
    "Postcodes": [{"Prefix": "WF1", "Country": ""}, {"Prefix": "LS", "Country": "GB"}],
    "CutoffDays": 1,
    "CutoffTime": "17:00",
    "SafetyPercent": 80,
}
YORK = {"ServiceAreaID": "YORK", "Name": "York", "TimeZone": "Europe/London"}


def upsert(*objects, **options):
    return area_upserts.upsert_areas(area_rows.read_objects(objects), by="erp", **options)


def counts(report) -> tuple[int, ...]:
    return report.created, report.changed, report.kept, report.refused_count


def everything() -> list:
    return [row for model in (ServiceArea, AreaCode, PostcodePrefix) for row in model.objects.order_by("pk").values()]


def found(code="LEEDS") -> dict:
    return area_rows.as_object(ServiceArea.objects.get(code=code))


class TestChainsOfRefusedRows:
    """Each row takes what the next one gives up, and the last one is refused: so are all."""

    NUMBER = 60

    @pytest.fixture
    def rows(self) -> list[dict]:
        for number in range(self.NUMBER):
            area = make_area(f"A-{number}")
            AreaCode.objects.create(area=area, code=f"alias {number}")
            PostcodePrefix.objects.create(area=area, country="GB", prefix=f"X{number}")
        rows = [
            {
                "ServiceAreaID": f"A-{number}",
                "Aliases": [f"alias {number + 1}"],
                "Postcodes": [{"Prefix": f"X{number + 1}", "Country": "GB"}],
            }
            for number in range(self.NUMBER)
        ]
        rows[-1]["TimeZone"] = "Europe/Nowhere"
        return rows

    @pytest.mark.parametrize("step", [1, -1])
    def test_they_cost_no_more_than_others(self, rows, step, monkeypatch):
        looked_at, objection = [], area_upserts._objection

        def count(target, *more):
            looked_at.append(target.row.number)
            return objection(target, *more)

        monkeypatch.setattr(area_upserts, "_objection", count)
        before = everything()
        assert counts(upsert(*rows[::step])) == (0, 0, 0, self.NUMBER)
        assert everything() == before
        assert len(looked_at) <= 2 * self.NUMBER

    def test_those_beside_it_are_written(self, rows):
        rows[-1].pop("TimeZone")
        rows[30]["TimeZone"] = "Europe/Nowhere"
        report = upsert(*rows)
        assert counts(report) == (0, self.NUMBER - 31, 0, 31)
        assert [refused.number for refused in report.refused] == [*range(1, 32)]
        assert report.refused[0].message == "alias 1 belongs to A-1 (A-1) already"
        assert found("A-31")["Aliases"] == ["alias 32"]
        assert found("A-30")["Aliases"] == ["alias 30"]

    def test_who_claims_a_prefix_first_has_it_whatever_the_country(self):
        claims = ["GB", "", "DE", "United Kingdom", ""]
        rows = [
            YORK | {"ServiceAreaID": f"Y-{number}", "Postcodes": [{"Prefix": "X1", "Country": country}]}
            for number, country in enumerate(claims)
        ]
        told = {refused.number: refused.message for refused in upsert(*rows).refused}
        assert {number: message.split(" has ")[0] for number, message in told.items()} == {
            2: "row 1", 3: "row 2", 4: "row 1", 5: "row 1",
        }  # fmt: skip


class TestOnePrefixInManyCountries:
    def row(self, code, countries, prefix="X1"):
        return YORK | {
            "ServiceAreaID": code, "Postcodes": [{"Prefix": prefix, "Country": country} for country in countries],
        }  # fmt: skip

    def test_no_more_than_three_hundred(self):
        words = [f"word {number}" for number in range(by_country.MOST + 1)]
        (refused,) = upsert(self.row("A", words)).refused
        assert refused.message == "the prefix X1 would stand for more than 300 countries"
        assert counts(upsert(self.row("A", words[:200]), self.row("B", words[200:300]))) == (2, 0, 0, 0)
        # With those that are stored; and from one area to another as many as there are.
        assert counts(upsert(self.row("C", words[300:]))) == (0, 0, 0, 1)
        assert counts(upsert(self.row("A", words[200:300]), self.row("B", words[:200]))) == (0, 2, 0, 0)

    @pytest.mark.parametrize("order", [1, -1])
    def test_each_is_compared_with_a_few(self, order, monkeypatch):
        """The calls grow with the prefixes, and not with their square."""
        calls, code_of = [], countries.code_of
        words = [f"word {number}" for number in range(by_country.MOST)]
        rows = [self.row("A", words), self.row("B", words, "X2")]
        monkeypatch.setattr(countries, "code_of", lambda country: calls.append(country) or code_of(country))
        for exchanged in (rows, [self.row("B", words), self.row("A", words, "X2")]):
            calls.clear()
            assert upsert(*exchanged[::order]).refused == []
            assert len(calls) < 40 * len(words)


class TestItWorks:
    def test_makes_what_is_new(self):
        assert counts(upsert(LEEDS, YORK)) == (2, 0, 0, 0)
        assert found() == LEEDS
        nothing = {"Aliases": [], "Postcodes": [], "CutoffDays": None, "CutoffTime": None, "SafetyPercent": 100}
        assert found("YORK") == YORK | nothing

    def test_what_it_gives_can_be_sent_back(self):
        upsert(LEEDS)
        before = everything()
        assert counts(upsert(found())) == (0, 0, 1, 0)
        assert everything() == before

    def test_changes_what_is_named_and_leaves_the_rest(self):
        upsert(LEEDS)
        kept = dict(AreaCode.objects.values_list("code", "pk"))
        assert counts(upsert({"ServiceAreaID": " leeds", "Name": "City", "Aliases": ["wc 7", 9]})) == (0, 1, 0, 0)
        assert found() == LEEDS | {"Name": "City", "Aliases": ["9", "WC 7"]}
        now = dict(AreaCode.objects.values_list("code", "pk"))
        assert {code: now[code] for code in ("LEEDS", "WC 7")} == {code: kept[code] for code in ("LEEDS", "WC 7")}

    def test_an_area_by_its_alias_keeps_its_own_code(self):
        upsert(LEEDS)
        assert counts(upsert({"ServiceAreaID": "wc 8", "SafetyPercent": "70"})) == (0, 1, 0, 0)
        assert found() == LEEDS | {"SafetyPercent": 70}

    def test_a_cut_off_is_taken_away(self):
        upsert(LEEDS)
        assert counts(upsert({"ServiceAreaID": "LEEDS", "CutoffDays": None, "CutoffTime": None})) == (0, 1, 0, 0)
        assert found() == LEEDS | {"CutoffDays": None, "CutoffTime": None}

    def test_countries_and_postcodes_are_those_of_searches(self):
        upsert(
            LEEDS | {"Postcodes": [{"Prefix": "ls 1", "Country": "United Kingdom"}, {"Prefix": "LS1", "Country": "UK"}]}
        )
        assert found()["Postcodes"] == [{"Prefix": "LS1", "Country": "GB"}]

    def test_a_dry_run_says_the_same_and_locks_nothing(self, monkeypatch):
        upsert(YORK)
        before = everything()
        rows = [LEEDS, YORK | {"Name": "Y"}, YORK, 7]
        with monkeypatch.context() as locked:
            locked.setattr(turns, "write", None)
            told = upsert(*rows, dry_run=True)
        assert everything() == before
        report = upsert(*rows)
        assert counts(told) == counts(report) == (1, 1, 0, 2)
        assert (told.refused, told.is_written, report.is_written) == (report.refused, False, True)

    def test_strict_writes_all_or_nothing(self):
        before = everything()
        assert not upsert(LEEDS, YORK | {"TimeZone": "Mars"}, strict=True).is_written
        assert everything() == before
        assert upsert(LEEDS, YORK, strict=True).is_written


class TestTheRowsAreOneState:
    MOVED = (
        {"ServiceAreaID": "LEEDS", "Aliases": ["B"], "Postcodes": [{"Prefix": "YO", "Country": "GB"}]},
        {"ServiceAreaID": "YORK", "Aliases": ["C"], "Postcodes": [{"Prefix": "HU"}]},
        {"ServiceAreaID": "HULL", "Aliases": ["A"], "Postcodes": [{"Prefix": "LS"}]},
    )

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    @pytest.mark.parametrize("size", [1, 100])
    def test_areas_exchange_codes_and_postcodes_in_any_order(self, order, size, monkeypatch):
        """In one transaction each, so that what both states have in common finds an area all the time."""
        for code, alias, prefix in (("LEEDS", "A", "LS"), ("YORK", "B", "YO"), ("HULL", "C", "HU")):
            upsert(YORK | {"ServiceAreaID": code, "Aliases": [alias], "Postcodes": [{"Prefix": prefix}]})
        monkeypatch.setattr(turns, "LEAST", size)
        monkeypatch.setattr(turns, "BATCH", dict.fromkeys(turns.BATCH, size))
        write = turns.write

        def looked_at_after_it(step):
            done = write(step)
            assert set(AreaCode.objects.values_list("code", flat=True)) >= {"A", "B", "C"}
            assert set(PostcodePrefix.objects.values_list("prefix", flat=True)) == {"LS", "YO", "HU"}
            return done

        monkeypatch.setattr(turns, "write", looked_at_after_it)
        assert counts(upsert(*(self.MOVED[number] for number in order))) == (0, 3, 0, 0)
        for row in self.MOVED:
            postcodes = [{"Country": ""} | postcode for postcode in row["Postcodes"]]
            assert found(row["ServiceAreaID"])["Aliases"] == row["Aliases"]
            assert found(row["ServiceAreaID"])["Postcodes"] == postcodes

    def test_a_row_that_is_refused_gives_nothing_up(self):
        upsert(LEEDS)
        before = everything()
        taken = YORK | {"Postcodes": [{"Prefix": "WF1"}]}
        report = upsert(taken, {"ServiceAreaID": "LEEDS", "Postcodes": [], "SafetyPercent": 0})
        assert [row.message for row in report.refused] == [
            "WF1 belongs to Leeds (LEEDS) already",
            "SafetyPercent: Ensure this value is greater than or equal to 1",
        ]
        assert everything() == before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (7, "it is no object"),
        ({"ServiceAreaID": "HULL"}, "it lacks Name and TimeZone, which a new area needs"),
        ({"Name": "x"}, "it lacks ServiceAreaID and TimeZone, which a new area needs"),
        (YORK | {"TimeZone": "Mars"}, "'Mars' is not an IANA time zone"),
        (YORK | {"Name": ["x"]}, "Name is neither a text nor a number"),
        (YORK | {"Name": "x" * 201}, "Name: Ensure this value has at most 200 characters (it has 201)"),
        (YORK | {"Name": "x\0"}, "Name holds a character that cannot be printed"),
        (YORK | {"SafetyPercent": 101}, "SafetyPercent: Ensure this value is less than or equal to 100"),
        (YORK | {"SafetyPercent": "many"}, "value must be an integer"),
        (YORK | {"CutoffDays": 1}, "A cut-off needs both its days and its time"),
        (YORK | {"CutoffDays": 1, "CutoffTime": "soon"}, "value has an invalid format"),
        (YORK | {"Aliases": "WC 9"}, "Aliases is no list"),
        (YORK | {"Aliases": [""]}, "Aliases holds an empty one"),
        (YORK | {"Aliases": ["wc 7 "]}, "WC 7 belongs to Leeds (LEEDS) already"),
        (YORK | {"Aliases": ["leeds"]}, "LEEDS belongs to Leeds (LEEDS) already"),
        (YORK | {"Postcodes": ["LS"]}, "Postcodes is no list of objects with a Prefix"),
        (YORK | {"Postcodes": [{"Prefix": "A" * 21}]}, "Postcodes holds a prefix of more than 20 characters"),
        (YORK | {"Postcodes": [{"Prefix": " "}]}, "Postcodes holds an empty one"),
        (YORK | {"Postcodes": [{"Prefix": "LS"}]}, "GB LS belongs to Leeds (LEEDS) already"),
        (YORK | {"Postcodes": [{"Prefix": "WF1", "Country": "FR"}]}, "WF1 belongs to Leeds (LEEDS) already"),
        ({"ServiceAreaID": "LEEDS", "TimeZone": "Asia/Tokyo"}, "made on its present clock"),
    ],
)
def test_what_is_refused_is_named_and_the_others_are_written(row, message):
    upsert(LEEDS)
    make_slot()
    report = upsert(YORK | {"ServiceAreaID": "RIPON"}, row)
    assert [refused.number for refused in report.refused] == [2]
    assert message in report.refused[0].message
    assert (report.created, report.changed) == (1, 0)


def test_two_rows_for_one_area():
    upsert(LEEDS)
    report = upsert({"ServiceAreaID": "LEEDS", "Name": "City"}, {"ServiceAreaID": "wc 7", "Name": "Town"})
    assert [tuple(row) for row in report.refused] == [(2, "wc 7", "row 1 has LEEDS, too")]
    assert found()["Name"] == "City"


@pytest.mark.parametrize("more", [{"Aliases": ["X"]}, {"Postcodes": [{"Prefix": "X"}]}])
def test_of_two_rows_for_the_same_thing_the_first_is_written(more):
    report = upsert(YORK | more, YORK | {"ServiceAreaID": "HULL"} | more)
    assert counts(report) == (1, 0, 0, 1)
    assert [tuple(row) for row in report.refused] == [(2, "HULL", "row 1 has X, too")]


class TestAreasOfTheCaller:
    def test_others_are_not_there_and_none_is_made(self):
        upsert(LEEDS)
        mine = make_area("YORK")
        before = everything()
        report = upsert({"ServiceAreaID": "WC 7", "Name": "x"}, YORK | {"ServiceAreaID": "HULL"}, areas={mine.pk})
        assert [row.message for row in report.refused] == ["there is no area 'WC 7'", "there is no area 'HULL'"]
        assert everything() == before

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"Aliases": ["WC 7"]}, "WC 7 belongs to another area already"),
            ({"Postcodes": [{"Prefix": "LS", "Country": "GB"}]}, "GB LS belongs to another area already"),
            (
                {"Postcodes": [{"Prefix": "LS1", "Country": "GB"}]},
                "GB LS1 lies within GB LS, which belongs to another area",
            ),
            # A request that names no country would go to the longer one, or nowhere.
            (
                {"Postcodes": [{"Prefix": "LS1", "Country": "IE"}]},
                "IE LS1 lies within GB LS, which belongs to another area",
            ),
            (
                {"Postcodes": [{"Prefix": "LS", "Country": "IE"}]},
                "IE LS lies within GB LS, which belongs to another area",
            ),
        ],
    )
    def test_what_others_have_is_not_taken_nor_named(self, more, message):
        upsert(LEEDS)
        report = upsert({"ServiceAreaID": "YORK"} | more, areas={make_area("YORK").pk})
        assert [row.message for row in report.refused] == [message]

    def test_prefixes_of_another_country_that_are_seen_are_no_hindrance(self):
        upsert(LEEDS)
        areas = {make_area(code).pk for code in ("YORK", "LEEDS")}
        row = {"ServiceAreaID": "YORK", "Postcodes": [{"Prefix": "LS1", "Country": "IE"}]}
        assert counts(upsert(row, areas=areas)) == (0, 1, 0, 0)


def test_what_another_one_took_meanwhile_is_refused(monkeypatch):
    upsert(YORK, LEEDS)
    write = turns.write

    def after_another(step):
        monkeypatch.setattr(turns, "write", write)
        assert counts(upsert({"ServiceAreaID": "LEEDS", "Aliases": ["X"]})) == (0, 1, 0, 0)
        return write(step)

    monkeypatch.setattr(turns, "write", after_another)
    report = upsert({"ServiceAreaID": "YORK", "Aliases": ["X"]}, {"ServiceAreaID": "LEEDS", "Name": "City"})
    assert counts(report) == (0, 1, 0, 1)
    assert report.refused[0].message == "X belongs to Leeds (LEEDS) already"


def test_the_queries_do_not_grow_with_the_rows(django_assert_max_num_queries):
    rows = [{"ServiceAreaID": f"A{number}", "Name": "A", "TimeZone": "UTC"} for number in range(40)]
    rows = [
        row | {"Aliases": [f"X{n}"], "Postcodes": [{"Prefix": f"P{n}Q{i}"} for i in range(20)]}
        for n, row in enumerate(rows)
    ]
    upsert(*rows)
    with django_assert_max_num_queries(10):
        assert counts(upsert(*rows)) == (0, 0, 40, 0)


FILE = """area,name,time_zone,aliases,postcodes,cutoff_days,cutoff_time,safety_percent
LEEDS,Leeds,Europe/London,"WC 7,WC 8","GB LS,WF1",1,17:00,80
"""


class TestFiles:
    def run(self, folder, text, *flags) -> list[str]:
        (folder / "areas.csv").write_text(text)
        output = io.StringIO()
        with contextlib.suppress(SystemExit):
            call_command("import_areas", str(folder / "areas.csv"), *flags, stdout=output)
        return output.getvalue().splitlines()

    def test_works(self, tmp_path):
        assert self.run(tmp_path, FILE) == ["1 area created, 0 changed, 0 kept, 0 rows refused."]
        assert found() == LEEDS
        assert self.run(tmp_path, FILE) == ["0 areas created, 0 changed, 1 kept, 0 rows refused."]

    def test_a_column_that_is_not_there_leaves_what_is_and_an_empty_cell_empties_a_list(self, tmp_path):
        upsert(LEEDS)
        self.run(tmp_path, "area;name;aliases;cutoff_days;cutoff_time\nLEEDS;;;;\n")
        assert found() == LEEDS | {"Aliases": [], "CutoffDays": None, "CutoffTime": None}

    def test_a_head_without_rows(self, tmp_path):
        assert self.run(tmp_path, "area,name\n")[-1] == "There are no rows below the head."

    def test_a_dry_run_changes_nothing(self, tmp_path):
        assert self.run(tmp_path, FILE, "--dry-run")[-1] == "This was a dry run: nothing was written."
        assert not ServiceArea.objects.exists()

    def test_refused_rows(self, tmp_path):
        text = FILE + "YORK,York,Mars,,,,,\n"
        assert self.run(tmp_path, text)[0].startswith("line 3 is refused: TimeZone: 'Mars' is not an IANA time zone")
        (tmp_path / "areas.csv").write_text(text)
        with pytest.raises(SystemExit):
            call_command("import_areas", str(tmp_path / "areas.csv"), stdout=io.StringIO())
        with pytest.raises(CommandError, match="1 row was refused, and with --strict nothing was written"):
            call_command("import_areas", str(tmp_path / "areas.csv"), "--strict", stdout=io.StringIO())

    def test_more_postcodes_than_are_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(import_areas, "MOST_POSTCODES", 3)
        self.run(tmp_path, 'area,name,time_zone,postcodes\nLEEDS,Leeds,UTC,LS1\nYORK,York,UTC,"YO1,YO2"\n')
        assert PostcodePrefix.objects.count() == 3
        with pytest.raises(CommandError, match=r"line 3: The file has more than 3 postcodes. Send it in parts."):
            self.run(tmp_path, 'area,postcodes\nLEEDS,LS1\nYORK,"YO1,YO2,YO3"\nnext,')
        assert PostcodePrefix.objects.count() == 3

    @pytest.mark.parametrize(("text", "message"), [("", "The file is empty"), ("name\nx\n", "'area' is missing")])
    def test_refused_files(self, tmp_path, text, message):
        (tmp_path / "areas.csv").write_text(text)
        with pytest.raises(CommandError, match=message):
            call_command("import_areas", str(tmp_path / "areas.csv"))
