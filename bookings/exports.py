"""Work orders as CSV and XLSX, written row by row while they are read: a million need no more memory than ten.

A text that a spreadsheet would run as a formula gets an apostrophe before it, in both formats: whoever saves the
XLSX as CSV would have the formula otherwise. (OWASP, CSV Injection.)
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from bookings.models import WorkOrder

CHUNK = 2_000
# Also behind white space and in their full-width forms, which some programs read alike.
FORMULA = re.compile(r"[\s]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]")
# What XML 1.0 cannot hold.
NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# The longest text that a cell of a spreadsheet holds.
MAX_CELL = 32_767

COLUMNS = [
    "Number",
    "Original order",
    "State",
    "Area",
    "Day",
    "From",
    "To",
    "Time zone",
    "Worker of the slot",
    "Worker asked for",
    "Order type",
    "Account",
    "Customer",
    "Location",
    "Location name",
    "Address",
    "Postcode",
    "Phone",
    "Parts",
    "Parts expected",
    "Booked by",
    "Booked at",
    "Reviewed by",
    "Reviewed at",
    "Cancelled by",
    "Cancelled at",
    "Reason",
]

CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml"'
    ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml"'
    ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
)
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
# The parts of a workbook with one sheet (ECMA-376), the sheet itself apart.
WORKBOOK = {
    "[Content_Types].xml": CONTENT_TYPES,
    "_rels/.rels": f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{PACKAGE}">'
    f'<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<?xml version="1.0" encoding="UTF-8"?><workbook xmlns="{SHEETS}" xmlns:r="{RELATIONS}">'
    '<sheets><sheet name="Work orders" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{PACKAGE}">'
    f'<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}


def csv_response(work_orders: QuerySet[WorkOrder]) -> StreamingHttpResponse:
    return _response(_csv(_rows(work_orders)), "text/csv; charset=utf-8", "csv")


def xlsx_response(work_orders: QuerySet[WorkOrder]) -> StreamingHttpResponse:
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return _response(_xlsx(_rows(work_orders)), kind, "xlsx")


def harmless(value: Any) -> str:
    """The text of a cell, which no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if FORMULA.match(text) else text


def _response(chunks: Iterable[bytes], content_type: str, ending: str) -> StreamingHttpResponse:
    name = f"work-orders-{timezone.now():%Y%m%d-%H%M%S}.{ending}"
    return StreamingHttpResponse(
        chunks,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _rows(work_orders: QuerySet[WorkOrder]) -> Iterator[list[str]]:
    yield COLUMNS
    for work_order in work_orders.select_related("area", "slot").defer("body").iterator(CHUNK):
        yield [harmless(cell) for cell in _cells(work_order)]


def _cells(work_order: WorkOrder) -> list[Any]:
    area, slot = work_order.area, work_order.slot
    start, end = slot.start.astimezone(area.zone), slot.end.astimezone(area.zone)

    def local(instant: Any) -> str:
        return f"{instant.astimezone(area.zone):%Y-%m-%d %H:%M}" if instant else ""

    return [
        work_order.order_num,
        work_order.original_order,
        work_order.status,
        area.name,
        f"{start:%Y-%m-%d}",
        f"{start:%H:%M}",
        f"{end:%H:%M}",
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


def _csv(rows: Iterable[list[str]]) -> Iterator[bytes]:
    # Without this mark, Excel reads UTF-8 as something else.
    yield "\ufeff".encode()
    line = io.StringIO()
    writer = csv.writer(line)
    for row in rows:
        writer.writerow(row)
        yield line.getvalue().encode(errors="replace")
        line.seek(0)
        line.truncate()


class _Outlet(io.RawIOBase):
    """What a ZIP file is written to; `taken` gives out what has come since."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.chunks.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data = b"".join(self.chunks)
        self.chunks.clear()
        return data


def _xlsx(rows: Iterable[list[str]]) -> Iterator[bytes]:
    outlet = _Outlet()
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in WORKBOOK.items():
            archive.writestr(name, text)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f'<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="{SHEETS}"><sheetData>'.encode())
            for row in rows:
                cells = "".join(
                    f'<c t="inlineStr"><is><t xml:space="preserve">{_xml(cell)}</t></is></c>' for cell in row
                )
                sheet.write(f"<row>{cells}</row>".encode())
                if data := outlet.taken():
                    yield data
            sheet.write(b"</sheetData></worksheet>")
    yield outlet.taken()


def _xml(text: str) -> str:
    return escape(NO_XML.sub("\ufffd", text)[:MAX_CELL])
