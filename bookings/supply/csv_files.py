"""CSV as planners send it: parted by commas, semicolons or tabs, which the head decides. No query here.

Excel writes UTF-8 with a mark ("CSV UTF-8"), UTF-16 with tabs ("Unicode Text"), or the Windows code page of Western
Europe ("CSV"), sometimes with `sep=;` before the head.
"""

import csv
import io
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class CsvError(ValueError):
    """The file as a whole cannot be read. `faults` are lines and what is wrong there."""

    def __init__(self, *faults: tuple[int, str]) -> None:
        super().__init__("\n".join(f"line {line}: {message}" for line, message in faults))
        self.faults = faults


# What may stand before the head: a mark, what Excel is told, and lines without anything in them.
BEFORE_HEAD = re.compile(r"\ufeff?(?:sep=.\r?\n)?(?:[\s,;]*\n)?")
ZIP = b"PK\x03\x04"
# So many columns are named that are wrong, and so much of each: a head can be as long as the file.
NAMED, SHOWN_LENGTH = 10, 60


def decoded(data: bytes) -> str:
    """The text of a file, in whichever of these encodings. Raises CsvError."""
    if data.startswith(ZIP):
        raise CsvError((1, 'This is a workbook, and no CSV. Save it in Excel as "CSV UTF-8".'))
    encodings = ["utf-16"] if data.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise CsvError((1, 'This is no text file. Save it as UTF-8, in Excel "CSV UTF-8".'))
        return text
    raise CsvError((1, 'The characters of this file cannot be read. Save it as UTF-8, in Excel "CSV UTF-8".'))


def read_rows(
    text: str, columns: Collection[str], needed: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row that is not blank, with its line, by column. Cells beyond the head come under `""`.

    Of a row that is shorter than the head, the columns that are needed are empty, and the others are not there. What is
    wrong with the head is told once, and not again for each row. Raises CsvError.
    """
    start = found.end() if (found := BEFORE_HEAD.match(text)) else 0
    before, text = text.count("\n", 0, start), text[start:]
    separator = _separator(text.partition("\n")[0], columns)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(before + 1, head, columns, needed)
        line = before + reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) == 1 < len(head) and any(other in cells[0] for other in SEPARATORS):
                    raise CsvError((line, f"The row is not parted by {SEPARATORS[separator]}, as the head is."))
                row = dict.fromkeys(needed, "") | dict(zip(head, map(str.strip, cells), strict=False))
                yield line, row | {"": separator.join(cells[len(head) :])}
            line = before + reader.line_num + 1
    except csv.Error as error:
        raise CsvError((before + reader.line_num, f"This is no CSV: {error}.")) from None


def parts(cell: str) -> list[str]:
    """The parts of a cell that is a list, by commas; one with a comma in it stands in quotes. It has no line breaks."""
    return [part for text in next(csv.reader([cell], skipinitialspace=True), []) if (part := text.strip())]


def joined(several: Iterable[str]) -> str:
    """A cell of which `parts` makes the same."""
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow(several)
    return cell.getvalue()


def _separator(head: str, columns: Collection[str]) -> str:
    """The one that makes the most known columns out of the head."""
    return max(SEPARATORS, key=lambda mark: sum(name.strip(' "\r') in columns for name in head.split(mark)))


def _check_head(line: int, head: list[str], columns: Collection[str], needed: Collection[str]) -> None:
    names = Counter(head)
    if len(head) > 2 * len(columns):
        faults = [f"The head has {len(head):,} columns."]
    elif head and not names.keys() & set(columns):
        faults = ["No column is known."]
    else:
        faults = _of_each("stands there twice", (name for name, number in names.items() if number > 1))
        faults += _of_each("is unknown", (name for name in names if name not in columns))
        faults += _of_each("is missing", (name for name in needed if head and name not in names))
    if faults:
        hint = f"The columns are {', '.join(columns)}, parted by commas, semicolons or tabs."
        raise CsvError(*((line, message) for message in faults), (line, hint))


def _of_each(what: str, names: Iterable[str]) -> list[str]:
    return [f"The column {name[:SHOWN_LENGTH]!r} {what}." for name in islice(names, NAMED)]
