"""CSV as planners send it: parted by commas, semicolons or tabs, which the head decides. No query here."""

import csv
import io
from collections.abc import Collection, Iterator

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class CsvError(ValueError):
    """The file as a whole cannot be read. `faults` are lines and what is wrong there."""

    def __init__(self, *faults: tuple[int, str]) -> None:
        super().__init__("\n".join(f"line {line}: {message}" for line, message in faults))
        self.faults = faults


def read_rows(
    text: str, columns: Collection[str], needed: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row that is not blank, with its line, by column. Cells beyond the head come under `""`.

    What is wrong with the head is told once, and not again for each row. Raises CsvError.
    """
    separator = _separator(text.lstrip("\ufeff").partition("\n")[0], columns)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        _check_head(head, separator, columns, needed)
        line = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if len(cells) == 1 < len(head) and any(other in cells[0] for other in SEPARATORS):
                    raise CsvError((line, f"The row is not parted by {SEPARATORS[separator]}, as the head is."))
                row = {name: cell.strip() for name, cell in zip(head, cells, strict=False)}
                yield line, row | {"": separator.join(cells[len(head) :])}
            line = reader.line_num + 1
    except csv.Error as error:
        raise CsvError((reader.line_num, f"This is no CSV: {error}.")) from None


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
