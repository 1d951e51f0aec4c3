"""Work orders as CSV and XLSX, written row by row while they are read: a million need no more memory than ten.

A text that a spreadsheet would run as a formula gets an apostrophe before it (bookings.supply.formulas), in both
formats: people who save the XLSX as CSV would have the formula otherwise.
"""

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from itertools import compress
from typing import IO, TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse

from bookings import clock
from bookings.models import WorkOrder
from bookings.supply.formulas import harmless

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.worksheet import Worksheet

CHUNK = 2_000
# What no file in UTF-8, or no XML 1.0, can hold. XlsxWriter writes control characters as spreadsheets do.
UNWRITABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")
# The longest text that a cell of a spreadsheet holds, the rows of a sheet, and the first day that all of them count
# alike.
MAX_CELL = 32_767
ROWS_OF_A_SHEET = 1_048_576
FIRST_DAY = date(1900, 3, 1)
SHOWN = {date: "yyyy-mm-dd", time: "hh:mm", datetime: "yyyy-mm-dd hh:mm"}

# With their widths in the XLSX, in characters.
COLUMNS = {
    "Number": 12,
    "Original order": 18,
    "State": 10,
    "Area": 16,
    "Day": 11,
    "From": 7,
    "To": 7,
    "Time zone": 18,
    "Worker of the slot": 18,
    "Worker asked for": 18,
    "Order type": 12,
    "Account": 14,
    "Customer": 26,
    "Location": 14,
    "Location name": 24,
    "Address": 40,
    "Postcode": 11,
    "Phone": 20,
    "Parts": 7,
    "Parts expected": 17,
    "Booked by": 16,
    "Booked at": 17,
    "Reviewed by": 16,
    "Reviewed at": 17,
    "Cancelled by": 16,
    "Cancelled at": 17,
    "Reason": 30,
}
COLUMN_NAMES = list(COLUMNS)


def csv_response(work_orders: QuerySet[WorkOrder], columns: Sequence[str]) -> HttpResponseBase:
    rows = _csv(work_orders, columns)
    return StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8", headers=_headers("csv"))


def xlsx_response(work_orders: QuerySet[WorkOrder], columns: Sequence[str]) -> HttpResponseBase:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return FileResponse(_xlsx(work_orders, columns), content_type=kind, headers=_headers("xlsx"))


def _headers(ending: str) -> dict[str, str]:
    name = f"work-orders-{clock.now():%Y%m%d-%H%M%S}.{ending}"
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


def _rows(work_orders: QuerySet[WorkOrder], columns: Sequence[str]) -> Iterator[list[Any]]:
    """Texts, numbers, days, times of day and moments of the area's clock; None where there is nothing."""
    chosen = [name in columns for name in COLUMNS]
    for work_order in work_orders.select_related("area", "slot").defer("body").iterator(CHUNK):
        cells = compress(_cells(work_order), chosen)
        yield [harmless(cell) if isinstance(cell, str) else cell for cell in cells]


def _cells(work_order: WorkOrder) -> list[Any]:
    area, slot = work_order.area, work_order.slot

    def local(instant: datetime | None) -> datetime | None:
        return instant and clock.local(instant, area.zone).replace(tzinfo=None, second=0, microsecond=0)

    start, end = slot.start.astimezone(area.zone), slot.end.astimezone(area.zone)
    return [
        work_order.order_num,
        work_order.original_order,
        work_order.status,
        area.name,
        start.date(),
        start.time(),
        end.time(),
        area.time_zone,
        slot.worker,
        work_order.worker,
        work_order.order_type,
        work_order.account_num,
        work_order.account_name,
        work_order.location_num,
        work_order.location_name,
        work_order.address,
        work_order.postcode,
        work_order.phone,
        work_order.part_count,
        local(work_order.parts_due_at),
        work_order.caller,
        local(work_order.created_at),
        work_order.reviewed_by,
        local(work_order.reviewed_at),
        work_order.cancelled_by,
        local(work_order.cancelled_at),
        work_order.cancel_reason,
    ]


def _csv(work_orders: QuerySet[WorkOrder], columns: Sequence[str]) -> Iterator[bytes]:
    # Without this mark, Excel reads UTF-8 as something else.
    yield "\ufeff".encode()
    line = io.StringIO()
    writer = csv.writer(line)
    for row in _with_head(work_orders, columns):
        writer.writerow(_text(cell) for cell in row)
        yield line.getvalue().encode(errors="replace")
        line.seek(0)
        line.truncate()


def _with_head(work_orders: QuerySet[WorkOrder], columns: Sequence[str]) -> Iterator[Iterable[Any]]:
    yield columns
    yield from _rows(work_orders, columns)


def _text(cell: Any) -> str:
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M}"
    return f"{cell:%H:%M}" if isinstance(cell, time) else "" if cell is None else str(cell)


def _xlsx(work_orders: QuerySet[WorkOrder], columns: Sequence[str]) -> IO[bytes]:
    """A file that is gone when it is closed. The rows go to the disk; what is in memory is one of them."""
    import xlsxwriter  # here: no start of the service waits for what an export needs

    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        formats = {kind: book.add_format({"num_format": shown}) for kind, shown in SHOWN.items()}
        sheet, line = _new_sheet(book, columns), 1
        for row in _rows(work_orders, columns):
            if line == ROWS_OF_A_SHEET:
                sheet, line = _new_sheet(book, columns), 1
            for column, cell in enumerate(row):
                _write_cell(sheet, line, column, cell, formats)
            line += 1
    file.seek(0)
    return file


def _new_sheet(book: "Workbook", columns: Sequence[str]) -> "Worksheet":
    count = len(book.worksheets())
    sheet = book.add_worksheet(f"Work orders {count + 1}" if count else "Work orders")
    sheet.freeze_panes(1, 1)
    bold = book.add_format({"bold": True})
    for column, name in enumerate(columns):
        sheet.set_column(column, column, COLUMNS[name])
        sheet.write_string(0, column, name, bold)
    return sheet


def _write_cell(sheet: "Worksheet", line: int, column: int, cell: Any, formats: dict[type, Any]) -> None:
    if isinstance(cell, int):
        sheet.write_number(line, column, cell)
    elif type(cell) in formats and not (isinstance(cell, date) and _day(cell) < FIRST_DAY):
        sheet.write_datetime(line, column, cell, formats[type(cell)])
    elif text := _text(cell):
        sheet.write_string(line, column, UNWRITABLE.sub("\ufffd", text)[:MAX_CELL])


def _day(cell: date) -> date:
    return cell.date() if isinstance(cell, datetime) else cell
