"""Characters that look like others, or like nothing: in an id they hide a patient, in a cell its number."""

import unicodedata
from collections.abc import Callable

import pandas as pd

INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63"
MINUS = "\u2212\ufe63"
SPACES = "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
"""East Asian forms of the characters of ASCII."""
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
