"""What all readers of CSV share, asked of each of them: short rows, wide heads, lines before the head."""

import csv
import io

import pytest

from bookings.models import OrderType, ServiceArea, Worker
from bookings.supply import csv_files
from bookings.supply.from_plans import plan_files, plans
from bookings.supply.from_systems import area_rows, record_files, slot_files, slot_rows
from tests.support import helpers

pytestmark = pytest.mark.django_db


def read_plans(text):
    return plan_files.read_template(text, is_toml=False, known={area.code: area for area in ServiceArea.objects.all()})


READERS = {
    "areas": (lambda text: list(area_rows.read_file(text, 1_000)), area_rows.COLUMNS, ["area"]),
    "workers": (lambda text: list(record_files.read_file(Worker, text)), record_files.COLUMNS[Worker], ["worker"]),
    "types": (lambda text: list(record_files.read_file(OrderType, text)), record_files.COLUMNS[OrderType], []),
    "slots": (lambda text: list(slot_files.read(text)), slot_rows.COLUMNS, slot_rows.REQUIRED),
    "plans": (read_plans, list(plans.KEYS), plans.NEEDED),
}
READ = pytest.mark.parametrize("name", READERS)


def faults(name, text):
    """What is wrong with the file as a whole, each with its line."""
    try:
        found = READERS[name][0](text)
    except csv_files.CsvError as error:
        return list(error.faults)
    return [(fault.line, fault.message) for fault in found if isinstance(fault, plans.Fault)]


@READ
@pytest.mark.parametrize("order", [1, -1])
def test_rows_that_are_shorter_than_the_head(name, order):
    """Whatever is missing, and whichever column stands first: a row, or why it is none."""
    helpers.make_area("LEEDS")
    read, columns, _ = READERS[name]
    for length in range(1, len(columns) + 1):
        text = io.StringIO()
        csv.writer(text).writerows([columns[::order], ["LEEDS"] * length])
        assert read(text.getvalue())


@READ
def test_a_head_as_long_as_the_file(name):
    columns = READERS[name][1]
    for more in ([f"x{number}" for number in range(40_000)], columns * 5_000, ["y" * 100_000]):
        found = faults(name, ",".join([*columns, *more]) + "\n")
        assert 2 <= len(found) <= 12
        assert sum(len(message) for _, message in found) < 1_500


@READ
def test_of_many_wrong_columns_ten_are_named(name):
    _, columns, needed = READERS[name]
    unknown = [f"x{number}" for number in range(len(columns) * 2 - len(needed or columns[:1]))]
    found = [message for _, message in faults(name, ",".join([*(needed or columns[:1]), *unknown]) + "\n")]
    assert len(found) == min(len(unknown), csv_files.NAMED) + 1
    assert found[0] == "The column 'x0' is unknown."


@READ
@pytest.mark.parametrize("above", ["\n", "\ufeff\r\n", " \n\n", ";;;\n", ",,\r\n\t\t\n", "sep=;\n\n"])
def test_lines_without_anything_above_the_head(name, above):
    columns, line = READERS[name][1], above.count("\n") + 1
    assert faults(name, f"{above}{';'.join([*columns, 'x'])}\n")[0] == (line, "The column 'x' is unknown.")
    rows = list(csv_files.read_rows(f"{above}{';'.join(columns)}\nA\n", columns))
    assert rows == [(line + 1, {columns[0]: "A", "": ""})]
