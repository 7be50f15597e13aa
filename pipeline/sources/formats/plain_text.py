"""Characters that look like others, or like nothing: in an id they hide a patient, in a cell its number."""

import re
import unicodedata
from collections.abc import Callable

import pandas as pd

INVISIBLE = "".join(
    map(
        chr,
        (0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF),
    )
)
"""Characters that only say how others are shown, such as the marks of direction around a copied text."""
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63"
MINUS = "\u2212\ufe63"
SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
"""East Asian forms of the characters of ASCII."""
ENCODED_TWICE = re.compile("[\u00c2-\u00c5][\u0080-\u00bf\u0152-\u0178\u2018-\u203a\u20ac\u2122]|\ufffd")
"""UTF-8 that was read as a single-byte encoding and written again, and the sign for lost characters."""
SPREADSHEET = re.compile(
    r"=.+|#{2,}|#(?:REF|VALUE|NAME|NUM|NULL|SPILL|CALC|BUSY|FIELD|BLOCKED|CONNECT|GETTING_DATA|DIV/0)[!?]?"
)
"""What a spreadsheet leaves for a value: a formula, an error, or the sign of a column that was too narrow."""
COMPUTED = re.compile(r"(?![+-]?[0-9]+(?:[.,][0-9]+)?$)[-=+@\t\r](?=.*\w).*", re.DOTALL)
"""What a spreadsheet computes when it opens a CSV file (OWASP, CSV Injection); numbers and lines it shows."""
_WORDS = FULL_WIDTH | dict.fromkeys(map(ord, INVISIBLE)) | {ord(space): " " for space in SPACES}
_ID = _WORDS | {ord(dash): "-" for dash in DASHES}
_NUMBER = _WORDS | {ord(dash): "-" for dash in MINUS} | {0x066A: "%", 0x066B: "."}


def plain_id(text: str) -> str:
    """Return an id without invisible characters, with hyphens and letters as a keyboard writes them."""
    return unicodedata.normalize("NFC", text).translate(_ID).strip()


def plain_words(text: str) -> str:
    """Return a text without invisible characters, its accents composed: two ways to write Zürich are one."""
    return unicodedata.normalize("NFC", text).translate(_WORDS).strip()


def plain_number(text: str) -> str:
    """Return a number or date with the digits 0 to 9 and a minus, whatever the script."""
    digits = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text.translate(_NUMBER))
    return "".join(digits).strip()


def plain_date(text: str) -> str:
    """Return a date with digits and hyphens as a keyboard writes them."""
    return plain_number(text.translate({ord(dash): "-" for dash in DASHES}))


def replaced(values: pd.Series, plain: Callable[[str], str]) -> tuple[pd.Series, pd.Series]:
    """Return the values made plain, and the rows that were not; cells of ASCII characters are."""
    others = values[values.notna() & ~values.str.isascii().fillna(value=True).astype("bool")]
    if others.empty:
        return values, pd.Series(data=False, index=values.index)
    made = others.map(plain)
    changed = made[made != others]
    return values.mask(values.index.isin(changed.index), made.reindex(values.index)), pd.Series(
        values.index.isin(changed.index), index=values.index
    )
