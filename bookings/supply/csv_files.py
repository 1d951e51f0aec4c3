"""CSV as planners send it: parted by commas, semicolons or tabs, which the head decides. No query here.

Excel writes UTF-8 with a mark ("CSV UTF-8"), UTF-16 with tabs ("Unicode Text"), or the Windows code page of Western
Europe ("CSV"), sometimes with `sep=;` before the head.
"""

import csv
import io
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Collection, Iterator

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class CsvError(ValueError):
    """The file as a whole cannot be read. `faults` are lines and what is wrong there."""

    def __init__(self, *faults: tuple[int, str]) -> None:
        super().__init__("\n".join(f"line {line}: {message}" for line, message in faults))
        self.faults = faults


SAID_SEPARATOR = re.compile("\ufeff?sep=.\r?\n")
ZIP = b"PK\x03\x04"


def decoded(data: bytes) -> str:
    """The text of a file, in whichever of these encodings. Raises CsvError."""
    if data.startswith(ZIP):
        raise CsvError((1, 'This is a workbook, and no CSV. Save it in Excel as "CSV UTF-8".'))
    encodings = ["utf-16"] if data.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CsvError((1, 'The characters of this file cannot be read. Save it as UTF-8, in Excel "CSV UTF-8".'))


def read_rows(
    text: str, columns: Collection[str], needed: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row that is not blank, with its line, by column. Cells beyond the head come under `""`.

    What is wrong with the head is told once, and not again for each row. Raises CsvError.
    """
    said = SAID_SEPARATOR.match(text)
    before, text = (1, text[said.end() :]) if said else (0, text.lstrip("\ufeff"))
    separator = _separator(text.partition("\n")[0], columns)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(head, separator, columns, needed)
        line = before + reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) == 1 < len(head) and any(other in cells[0] for other in SEPARATORS):
                    raise CsvError((line, f"The row is not parted by {SEPARATORS[separator]}, as the head is."))
                row = {name: cell.strip() for name, cell in zip(head, cells, strict=False)}
                yield line, row | {"": separator.join(cells[len(head) :])}
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise CsvError((before + reader.line_num, f"This is no CSV: {error}.")) from None


def _separator(head: str, columns: Collection[str]) -> str:
    """The one that makes the most known columns out of the head."""
    return max(SEPARATORS, key=lambda mark: sum(name.strip(' "\r') in columns for name in head.split(mark)))


def _check_head(head: list[str], separator: str, columns: Collection[str], needed: Collection[str]) -> None:
    faults = [f"The column {name!r} stands there twice." for name in dict.fromkeys(head) if head.count(name) > 1]
    if head and not set(head) & set(columns):
        faults = ["No column is known."]
    else:
        faults += [f"The column {name!r} is unknown." for name in dict.fromkeys(head) if name not in columns]
        faults += [f"The column {name!r} is missing." for name in needed if head and name not in head]
    if faults:
        hint = f"The columns are {', '.join(columns)}, parted by commas, semicolons or tabs."
        raise CsvError(*((1, message) for message in faults), (1, hint))
