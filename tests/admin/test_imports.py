"""Areas, workers and types of orders out of a file: what the page says is what it writes, and who may."""

import csv
import gzip
import io
from itertools import product

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from bookings.admin.records import area_files, imports
from bookings.models import Ability, AreaCode, OrderType, PostcodePrefix, ServiceArea, Worker
from bookings.supply import csv_files, first_sight, overlaps, turns
from bookings.supply.from_systems import area_rows, area_upserts
from tests.support import desk, helpers

pytestmark = pytest.mark.django_db

AREAS, WORKERS, TYPES = (f"/admin/bookings/{model}/" for model in ("servicearea", "worker", "ordertype"))
FILE = """area;name;time_zone;aliases;postcodes
LEEDS;Leeds;Europe/London;WC 7,WC 8;GB LS,GB WF1
MÜN;München;Europe/Berlin;;DE 80
MÜN;;;;DE 81
"""

ODD_CODES = [
    "-bob",
    "'-bob",
    "''=1",
    "A,B",
    'A,"B"',
    '"A"',
    "A;-B",
    "A;'-B",
    "'",
    "@a,'b",
    "+49 123 45678",
    '5",6',
    "=,=",
]


@pytest.fixture
def supervisor():
    return desk.person("supervisor")


def send(client, page, do, text="", file=None, **more):
    given = {"do": do, "text": text} | ({"file": SimpleUploadedFile("a.csv", file)} if file is not None else {})
    return client.post(f"{page}import/", given | more)


def write(client, page, text):
    """Look, and press the button of the page; the answer is the list."""
    seen = send(client, page, "look", text).context["preview"].digest
    return client.post(f"{page}import/", {"do": "perform", "text": text, "seen": seen}, follow=True)


def told(answer):
    preview = answer.context["preview"]
    return [(change.code, change.is_new, *change.lines) for change in preview.changes]


def refused(answer):
    return [(row.number, row.message) for row in answer.context["preview"].refused]


def faults(answer):
    return [fault for found in answer.context["form"].errors.values() for fault in found]


class TestFiles:
    @pytest.mark.parametrize("line", ["\n", "\r\n"])
    @pytest.mark.parametrize("before", ["", "sep=;\n"])
    @pytest.mark.parametrize("mark", [";", ",", "\t"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
    def test_as_excel_writes_them(self, supervisor, encoding, mark, before, line):
        rows = list(csv.reader(io.StringIO(FILE), delimiter=";"))
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=mark, lineterminator=line).writerows(rows)
        file = (before.replace("\n", line) + text.getvalue()).encode(encoding)
        answer = send(supervisor, AREAS, "look", file=file)
        assert told(answer) == [
            (
                "LEEDS", True, "name: Leeds", "time zone: Europe/London", "codes added: WC 7, WC 8",
                "postcodes added: GB LS, GB WF1",
            ),
            ("MÜN", True, "name: München", "time zone: Europe/Berlin", "postcodes added: DE 80, DE 81"),
        ]  # fmt: skip
        assert refused(answer) == []

    @pytest.mark.parametrize(
        ("file", "fault"),
        [
            (b"", "The file is empty."),
            (b"PK\x03\x04rest", "This is a workbook, and no CSV."),
            (b"area\n\x81\xff\n", "The characters of this file cannot be read."),
            (b"\xff\xfe\x00\xd8a", "The characters of this file cannot be read."),
            ("area,name".encode("utf-16-le"), "This is no text file."),
            (gzip.compress(b"area", mtime=0), "This is no text file."),
            (b"name\nLeeds\n", "The column 'area' is missing."),
            (b"region,zone\n1,2\n", "No column is known."),
            (b'area,name\nLEEDS,"Le', "This is no CSV"),
            (b"area\n" + b"A" * imports.LONGEST, "This is longer than 400 KiB."),
            (b"area\n" + b"A" * 2 * imports.LONGEST, "This is longer than 400 KiB."),
            # As they are sent with the second button: in UTF-8, each line with two characters at its end.
            (b"area\n" + b"\xfc" * (imports.LONGEST * 2 // 3), "This is longer than 400 KiB."),
            (b"area\n" + b"A\n" * (imports.LONGEST * 2 // 5), "This is longer than 400 KiB."),
            (b"area\n" + b"".join(b"A%d\n" % number for number in range(1_001)), "The file has more than 1,000 rows."),
        ],
    )
    def test_those_that_are_none(self, supervisor, file, fault):
        for do in ("look", "perform"):
            answer = send(supervisor, AREAS, do, file=file)
            assert answer.status_code == 200
            assert fault in faults(answer)[0]
        assert not ServiceArea.objects.exists()

    def test_the_longest_in_both_steps(self, supervisor):
        text = "worker\n" + "\n".join(f"{number:06}" for number in range(4_000))
        text += "\n" * (imports.LONGEST // 2 - len(text.replace("\n", "\n\n")) // 2)
        for encoding in ("utf-8", "utf-16"):
            answer = send(supervisor, WORKERS, "look", file=text.encode(encoding))
            assert len(told(answer)) == 4_000
        crlf = answer.context["text"].replace("\n", "\r\n")
        assert imports.LONGEST - 5 < len(crlf) <= imports.LONGEST
        again = send(supervisor, WORKERS, "look", crlf)
        assert again.context["preview"].digest == answer.context["preview"].digest

    def test_a_file_with_too_many_postcodes(self, supervisor, monkeypatch):
        monkeypatch.setattr(area_files, "MOST_POSTCODES", 3)
        text = 'area,name,time_zone,postcodes\nA,A,UTC,1\nB,B,UTC,"2,3{}"\n'
        assert refused(send(supervisor, AREAS, "look", text.format(""))) == []
        answer = send(supervisor, AREAS, "look", text.format(",4"))
        assert "The file has more than 3 postcodes. Send it in parts." in faults(answer)[0]

    def test_no_more_rows_are_read_than_are_taken(self):
        rows = iter([area_rows.AreaRow(number, "", {}) for number in range(100)])
        with pytest.raises(csv_files.CsvError, match="more than 10 rows"):
            imports.bounded(rows, 10)
        assert next(rows).number == 11

    @pytest.mark.parametrize(
        ("page", "head"), [(AREAS, "area,name"), (WORKERS, "worker"), (TYPES, "order_type;name\n\n")]
    )
    def test_a_head_without_rows(self, supervisor, page, head):
        assert faults(send(supervisor, page, "look", head)) == ["line 1: There are no rows below the head."]

    def test_sent_twice(self, supervisor):
        """As two clicks do, without a script that holds the second one back."""
        seen = send(supervisor, AREAS, "look", FILE).context["preview"].digest
        given = {"do": "perform", "text": FILE, "seen": seen}
        first, second = (supervisor.post(f"{AREAS}import/", given) for _ in range(2))
        assert first.url == second.url == AREAS
        assert desk.said(supervisor.get(AREAS)) == [
            "2 service areas made, 0 changed, 0 as they were.",
            "What can be written of this is written already. This click changed nothing.",
        ]
        assert LogEntry.objects.count() == 2

    def test_nothing_at_all(self, supervisor):
        assert faults(send(supervisor, AREAS, "look", " \n")) == ["Choose a file, or type the rows."]

    def test_what_was_typed_comes_back(self, supervisor):
        answer = send(supervisor, AREAS, "edit", FILE)
        assert answer.context["form"]["text"].value() == FILE
        assert answer.context["form"].errors == {}

    @pytest.mark.parametrize(
        ("text", "fault", "rows"),
        [
            ("area\n\x00\n", "This is no text file.", []),
            ("area,name\nA,\ud83d", "", [2]),
            ("area\n\x07", "", [2]),
            ("area\n" + "x" * 500, "", [2]),
            (f"area\n{'x' * 200_000}", "This is no CSV", []),
            ("name,area\nLeeds\n", "", [2]),
            ("\n\nname,area\nLeeds\n", "", [4]),
        ],
    )
    def test_odd_characters_and_rows(self, supervisor, text, fault, rows):
        for page, code in ((AREAS, "area"), (WORKERS, "worker"), (TYPES, "order_type")):
            file = text.replace("area", code).encode(errors="surrogatepass")
            answer = send(supervisor, page, "look", file=file)
            assert answer.status_code == 200
            if fault:
                (said,) = faults(answer)
                assert fault in said
            else:
                assert [number for number, _ in refused(answer)] == rows


class TestAreas:
    def test_looks_first_and_writes_then(self, supervisor):
        answer = send(supervisor, AREAS, "look", FILE)
        assert not ServiceArea.objects.exists()
        assert "2 new, 0 changed, 0 stay as they are. Nothing is written yet." in desk.text_of(answer)
        done = write(supervisor, AREAS, FILE)
        assert desk.said(done) == ["2 service areas made, 0 changed, 0 as they were."]
        assert sorted(PostcodePrefix.objects.values_list("area__code", "country", "prefix")) == [
            ("LEEDS", "GB", "LS"), ("LEEDS", "GB", "WF1"), ("MÜN", "DE", "80"), ("MÜN", "DE", "81")]  # fmt: skip
        assert set(LogEntry.objects.values_list("object_repr", "change_message")) == {
            ("Leeds (LEEDS)", "Imported from a file."), ("München (MÜN)", "Imported from a file.")}  # fmt: skip
        # A second time it changes nothing, and has no button.
        again = send(supervisor, AREAS, "look", FILE)
        assert told(again) == []
        assert 'value="perform"' not in again.content.decode()

    def test_what_changes_what_is_refused_and_which_area_wins(self, supervisor):
        write(supervisor, AREAS, FILE)
        text = (
            "area,name,time_zone,postcodes\nLEEDS,Leeds City,,GB LS\nCITY,City,Europe/London,GB LS1\n"
            "YORK,York,Mars,GB YO\nHULL,Hull,Europe/London,GB LS\n"
        )
        answer = send(supervisor, AREAS, "look", text)
        assert told(answer) == [
            ("LEEDS", False, "name: Leeds City", "postcodes taken away: GB WF1"),
            ("CITY", True, "name: City", "time zone: Europe/London", "postcodes added: GB LS1"),
        ]
        assert [number for number, _ in refused(answer)] == [4, 5]
        assert refused(answer)[1][1] == "GB LS belongs to Leeds (LEEDS) already"
        assert answer.context["preview"].overlaps == [
            "GB LS1 of City (CITY) lies within GB LS of Leeds City (LEEDS): City (CITY) has it."
        ]
        done = write(supervisor, AREAS, text)
        assert desk.said(done)[0] == "1 service area made, 1 changed, 0 as they were."
        assert desk.said(done)[2] == "Line 5, HULL: GB LS belongs to Leeds (LEEDS) already."
        assert set(ServiceArea.objects.values_list("code", flat=True)) == {"LEEDS", "MÜN", "CITY"}

    def test_an_area_with_one_line_that_is_refused_keeps_all_that_it_has(self, supervisor):
        write(supervisor, AREAS, FILE)
        for line, fault in (("MÜN;Other;;;DE 82", "another name"), (f"MÜN;;;;{'8' * 21}", "more than 20 characters")):
            answer = send(supervisor, AREAS, "look", f"{FILE}{line}\n")
            assert told(answer) == []
            ((number, message),) = refused(answer)
            assert number == 5
            assert fault in message

    def test_each_row_without_a_code_is_refused_for_that(self, supervisor):
        answer = send(supervisor, AREAS, "look", "name,area\nLeeds\nYork,\n")
        why = "it lacks ServiceAreaID and TimeZone, which a new area needs"
        assert refused(answer) == [(2, why), (3, why)]

    @pytest.mark.parametrize("lines", ["YORK,York,UTC\nYORK,,,GB HG,Y\n", "YORK,York,UTC,GB HG,Y\nYORK\n"])
    def test_lists_stand_in_any_of_the_lines_of_an_area(self, supervisor, lines):
        answer = send(supervisor, AREAS, "look", f"area,name,time_zone,postcodes,aliases\n{lines}")
        assert told(answer)[0][-2:] == ("codes added: Y", "postcodes added: GB HG")

    def test_nothing_is_written_that_was_not_seen(self, supervisor):
        seen = send(supervisor, AREAS, "look", FILE).context["preview"].digest
        helpers.make_area("LEEDS", "Europe/London")
        answer = send(supervisor, AREAS, "perform", FILE, seen=seen)
        assert "Nothing was written: look again." in desk.said(answer)[0]
        assert ServiceArea.objects.count() == 1
        assert send(supervisor, AREAS, "perform", FILE).context["preview"].changes
        assert ServiceArea.objects.count() == 1

    def test_a_database_that_is_busy(self, supervisor, monkeypatch):
        def busy(*arguments, **options):
            raise OperationalError("locked")

        monkeypatch.setattr(area_upserts, "upsert_areas", busy)
        assert "import the file once more" in desk.said(write(supervisor, AREAS, FILE))[0]

    def test_the_history_has_what_was_written_before_the_database_was_busy(self, supervisor, monkeypatch):
        write_batch, batches = area_upserts._write_batch, []

        def busy(rows, *more):
            batches.append(rows)
            if len(batches) > 1:
                raise OperationalError("busy")
            return write_batch(rows, *more)

        monkeypatch.setattr(area_upserts, "_write_batch", busy)
        monkeypatch.setattr(turns.Pace, "batches", lambda pace, rows, weigh: ([row] for row in rows))
        assert "import the file once more" in desk.said(write(supervisor, AREAS, FILE))[0]
        assert list(ServiceArea.objects.values_list("code", flat=True)) == ["LEEDS"]
        assert [entry.object_repr for entry in LogEntry.objects.all()] == ["Leeds (LEEDS)"]

    def test_the_history_has_not_what_was_refused_at_last(self, supervisor, monkeypatch):
        helpers.make_area("LEEDS")
        write_one = area_upserts._write_one

        def changed_meanwhile(target, *more):
            if target.area.code == "LEEDS":
                raise IntegrityError
            write_one(target, *more)

        monkeypatch.setattr(area_upserts, "_write_one", changed_meanwhile)
        said = desk.said(write(supervisor, AREAS, "area,name,time_zone\nleeds,Other,\nYORK,York,UTC\n"))
        assert said[1] == "Line 2, leeds: it was changed at this moment: send it again."
        assert [entry.object_repr for entry in LogEntry.objects.all()] == ["York (YORK)"]

    def test_who_is_restricted_changes_the_own_areas_alone(self, supervisor):
        write(supervisor, AREAS, FILE)
        restricted = desk.person("supervisor", ServiceArea.objects.get(code="LEEDS"))
        text = 'area,name,time_zone,postcodes\nLEEDS,L,,"GB LS,DE 80"\nMÜN,M,,\nNEW,N,UTC,GB N\n'
        answer = send(restricted, AREAS, "look", text)
        assert refused(answer) == [
            (2, "DE 80 belongs to another area already"), (3, "there is no area 'MÜN'"), (4, "there is no area 'NEW'")
        ]  # fmt: skip
        done = write(restricted, AREAS, text.replace(",DE 80", ",GB LS2"))
        assert desk.said(done)[0] == "0 service areas made, 1 changed, 0 as they were."
        assert set(ServiceArea.objects.values_list("name", flat=True)) == {"L", "München"}

    def test_the_export_is_what_the_import_takes(self, supervisor):
        write(supervisor, AREAS, FILE)
        ServiceArea.objects.filter(code="LEEDS").update(cutoff_days=1, cutoff_time="17:00", safety_percent=80)
        file = supervisor.get(f"{AREAS}file/").content
        assert file.decode("utf-8-sig").splitlines()[0] == ",".join(area_rows.COLUMNS)
        answer = send(supervisor, AREAS, "look", file=file)
        assert (told(answer), refused(answer), answer.context["preview"].kept) == ([], [], 2)
        leeds = desk.person("viewer", ServiceArea.objects.get(code="LEEDS"))
        assert [line[:5] for line in leeds.get(f"{AREAS}file/").content.decode().splitlines()[1:]] == ["LEEDS"]

    @pytest.mark.parametrize("code", ODD_CODES)
    def test_the_export_of_odd_codes(self, supervisor, code):
        area = helpers.make_area(code, name=code)
        AreaCode.objects.bulk_create(AreaCode(area=area, code=f"{code}{n}") for n in "12")
        PostcodePrefix.objects.create(area=area, country=f"LAND {code}".upper(), prefix="1")
        answer = send(supervisor, AREAS, "look", file=supervisor.get(f"{AREAS}file/").content)
        assert (told(answer), refused(answer), answer.context["preview"].kept) == ([], [], 1)

    def test_a_thousand_by_as_many_statements_as_ten_and_shown_in_part(self, supervisor):
        counts = []
        for many in (10, 10, 1_000):
            text = "area,name,time_zone,postcodes\n" + "".join(f"A{n},A,UTC,P{n:04}\n" for n in range(many))
            with CaptureQueriesContext(connection) as found:
                answer = send(supervisor, AREAS, "look", text)
            counts.append(len(found))
        assert counts[1] == counts[2]
        assert len(answer.context["preview"].changes) == 1_000
        assert answer.content.decode().count("postcodes added:") == imports.SHOWN


class TestOverlaps:
    PAGE = f"{AREAS}overlaps/"

    def test_those_of_what_is_stored(self, supervisor):
        write(supervisor, AREAS, FILE + "CITY;City;Europe/London;;GB LS1\nBARE;Bare;UTC;;\n")
        text = desk.text_of(supervisor.get(self.PAGE))
        assert "GB LS1 of City (CITY) lies within GB LS of Leeds (LEEDS): City (CITY) has it." in text
        assert "Overlaps: 1" in text
        assert "Areas without postcodes" in text
        assert text.index("Areas without postcodes") < text.index("Bare")

    def test_what_is_not_shown_is_counted(self, supervisor, monkeypatch):
        for name, number in (("SHOWN", 1), ("COUNTED", 2)):
            monkeypatch.setattr(overlaps, name, number)
        monkeypatch.setattr(imports, "SHOWN", 2)
        bare = "".join(f"BARE{number};Bare;UTC;;\n" for number in range(3))
        write(supervisor, AREAS, FILE + "CITY;City;Europe/London;;GB LS1,GB LS2,GB LS3\n" + bare)
        text = desk.text_of(supervisor.get(self.PAGE))
        for said in ("Overlaps: more than 2", "1 of them are shown.", "The first 2 of 3 are shown."):
            assert said in text

    def test_no_other_area_is_named(self, supervisor):
        write(supervisor, AREAS, FILE + "CITY;City;Europe/London;;GB LS1\n")
        for code, count in (("CITY", 1), ("LEEDS", 1), ("MÜN", 0)):
            client = desk.person("viewer", ServiceArea.objects.get(code=code))
            text = desk.text_of(client.get(self.PAGE))
            assert f"Overlaps: {count}" in text
            assert ("another area" in text) == bool(count)
            assert len({name for name in ("Leeds (LEEDS)", "City (CITY)") if name in text}) == count

    def test_many_by_as_many_statements_as_few(self, supervisor):
        supervisor.get(self.PAGE)
        counts = []
        for many in (2, 20):
            for n in range(many):
                area = helpers.make_area(f"A{n}")
                PostcodePrefix.objects.get_or_create(area=area, country="", prefix="P" * (n + 1))
            with CaptureQueriesContext(connection) as found:
                supervisor.get(self.PAGE)
            counts.append(len(found))
        assert counts[0] == counts[1]


class TestWorkers:
    TEXT = "worker;name;active;order_types\nanna;Anna Hill;;REPAIR,INSTALL\nben;;no;\n"

    def test_looks_first_and_writes_then(self, supervisor):
        first_sight.note(workers=["ben", "Anna"], order_types=["REPAIR", "PUMP"])
        Ability.objects.create(worker_id="ben", order_type_id="PUMP")
        answer = send(supervisor, WORKERS, "look", self.TEXT)
        assert told(answer) == [
            ("anna", True, "name: Anna Hill", "can do: INSTALL, REPAIR"),
            ("ben", False, "active: no", "no longer: PUMP"),
        ]
        preview = answer.context["preview"]
        assert preview.notes == ["New order types: INSTALL"]
        assert [change.warnings for change in preview.changes] == [
            ["Anna is there, too, and differs in case alone."],
            ["Their slots are not offered. Bookings stay until staff move them."],
        ]
        assert not Worker.objects.filter(code="anna").exists()
        assert desk.said(write(supervisor, WORKERS, self.TEXT)) == ["1 worker made, 1 changed, 0 as they were."]
        assert set(Ability.objects.values_list("worker", "order_type")) == {("anna", "REPAIR"), ("anna", "INSTALL")}
        assert set(Worker.objects.values_list("code", "name", "is_active")) == {
            ("Anna", "", True), ("anna", "Anna Hill", True), ("ben", "", False)}  # fmt: skip
        assert told(send(supervisor, WORKERS, "look", self.TEXT)) == []
        assert sorted(entry.object_repr for entry in LogEntry.objects.all()) == ["Anna Hill (anna)", "ben"]

    def test_a_column_that_is_not_there_leaves_what_is(self, supervisor):
        write(supervisor, WORKERS, self.TEXT)
        write(supervisor, WORKERS, "worker,name\nanna,A\nben,\n")
        assert set(Worker.objects.values_list("code", "name", "is_active")) == {("anna", "A", True), ("ben", "", False)}
        assert Ability.objects.count() == 2

    def test_rows_that_make_no_sense(self, supervisor):
        text = f"worker,active,order_types\n,yes,\nanna,maybe,\n{'x' * 201},,\nben,,{'y' * 201}\njo,,\njo,,\njo,,,9\n"
        assert [number for number, _ in refused(send(supervisor, WORKERS, "look", text))] == [2, 3, 4, 5, 7, 8]

    def test_many_by_as_many_statements_as_few(self, supervisor):
        counts = []
        for many in (1, 1, 400):
            text = "worker,name,order_types\n" + "".join(f'w{n},W,"A{n},B"\n' for n in range(many))
            with CaptureQueriesContext(connection) as found:
                assert len(told(send(supervisor, WORKERS, "look", text))) == many
            counts.append(len(found))
        assert counts[1] == counts[2]

    def test_the_export_is_what_the_import_takes(self, supervisor):
        write(supervisor, WORKERS, self.TEXT)
        for page, count in ((WORKERS, 2), (TYPES, 2)):
            answer = send(supervisor, page, "look", file=supervisor.get(f"{page}file/").content)
            assert (told(answer), refused(answer), answer.context["preview"].kept) == ([], [], count)

    @pytest.mark.parametrize("code", ODD_CODES)
    def test_the_export_of_odd_codes(self, supervisor, code):
        first_sight.note(workers=[code], order_types=[code, f"{code}2"])
        Ability.objects.bulk_create(Ability(worker_id=code, order_type_id=one) for one in (code, f"{code}2"))
        for page, count in ((WORKERS, 1), (TYPES, 2)):
            answer = send(supervisor, page, "look", file=supervisor.get(f"{page}file/").content)
            assert (told(answer), refused(answer), answer.context["preview"].kept) == ([], [], count)

    def test_codes_that_are_alike_are_shown_in_their_order(self, supervisor):
        spellings = {"".join(letters) for letters in product("aA", "nN", "nN", "aA")}
        first_sight.note(workers=spellings - {"anna"}, order_types=[])
        warnings = send(supervisor, WORKERS, "look", self.TEXT).context["preview"].changes[0].warnings
        assert [text.split()[0] for text in warnings] == sorted(spellings - {"anna"})

    def test_types_of_orders(self, supervisor):
        text = "order_type,name,active\nREPAIR,Repair,\nOLD,,no\n"
        assert desk.said(write(supervisor, TYPES, text)) == ["2 order types made, 0 changed, 0 as they were."]
        assert set(OrderType.objects.values_list("code", "name", "is_active")) == {
            ("REPAIR", "Repair", True), ("OLD", "", False)}  # fmt: skip


@pytest.mark.parametrize("page", [AREAS, WORKERS, TYPES])
class TestWhoMay:
    def test_roles(self, page):
        for role, status in (("viewer", 403), ("dispatcher", 403), ("supervisor", 200)):
            client = desk.person(role)
            assert client.get(f"{page}import/").status_code == status
            assert send(client, page, "perform", FILE).status_code == status
            assert ("Import from a file" in client.get(page).content.decode()) == (status == 200)
            assert client.get(f"{page}file/").status_code == 200

    def test_restricted_to_areas(self, page):
        client = desk.person("supervisor", helpers.make_area("LEEDS"))
        assert client.get(f"{page}import/").status_code == (200 if page == AREAS else 403)

    def test_without_a_role_or_a_log_in(self, page, client, django_user_model):
        assert client.get(f"{page}import/").status_code == 302
        client.force_login(django_user_model.objects.create(username="new", is_staff=True))
        for name in ("import/", "file/", "overlaps/" if page == AREAS else "import/"):
            assert client.get(f"{page}{name}").status_code == 403

    def test_another_log_in_in_between_loses_nothing(self, page, supervisor):
        session = supervisor.session
        session["kept"] = [f"{page}import/", "text=area%0AA%0A", "were logged out"]
        session.save()
        answer = supervisor.get(f"{page}import/")
        assert answer.context["form"]["text"].value() == "area\nA\n"
        assert desk.said(answer) == ["You were logged out before this was saved. Here is your list again."]
