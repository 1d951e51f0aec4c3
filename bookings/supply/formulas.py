"""Texts that a spreadsheet would run as a formula: an apostrophe before them in files, which is taken off in reading.

Also within a text where a program that parts the columns by semicolons or tabs would begin a new cell. (OWASP, CSV
Injection.) A telephone number is none, and stays as it is.
"""

import re

# Also behind white space and in their full-width forms, which some programs read alike.
SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# Behind apostrophes, too: so that what is taken off again is what was put there.
FORMULA = re.compile(rf"'*(?:\s*[{SIGNS}]|[\t\r\n])")
# Where a cell may begin within a text: what parts cells, with all white space around it, so that time grows with the
# text alone. Whether one begins there is looked at in each.
BETWEEN = re.compile(r"([;|\s]+)('?)")
PARTS_CELLS = re.compile(r"[;|\t\r\n]")
SIGN = re.compile(rf"'*[{SIGNS}]")
PHONE = re.compile(r"\+\d[\d\s()/.-]{6,}")


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    if PHONE.fullmatch(text):
        return text
    text = BETWEEN.sub(lambda at: f"{at[1]}'{at[2]}" if _is_formula(at, at.start(2)) else at[0], text)
    return f"'{text}" if FORMULA.match(text) else text


def meant(text: str) -> str:
    """What `harmless` made a cell of, or what a person wrote in a spreadsheet with an apostrophe before it."""
    if text.startswith("'") and FORMULA.match(text, 1):
        text = text[1:]
    return BETWEEN.sub(lambda at: at[1] if at[2] and _is_formula(at, at.end()) else at[0], text)


def _is_formula(between: re.Match[str], begin: int) -> bool:
    return bool(PARTS_CELLS.search(between[1]) and SIGN.match(between.string, begin))
