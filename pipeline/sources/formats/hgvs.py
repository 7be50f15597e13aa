"""Protein changes in one form: the short one of HGVS, without the transcript, as in p.R273H."""

import re
from urllib.parse import unquote

AMINO_ACIDS = {
    "Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G",
    "His": "H", "Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S",
    "Thr": "T", "Trp": "W", "Tyr": "Y", "Val": "V", "Sec": "U", "Pyl": "O", "Xaa": "X", "Asx": "B",
    "Glx": "Z", "Ter": "*",
}  # fmt: skip
"""IUPAC codes as HGVS uses them; Ter is a stop."""
_NAME = re.compile("|".join(AMINO_ACIDS))
_SUBSTITUTION = re.compile(r"[A-Za-z]{3}(?=\d+[A-Za-z]{3}$)|(?<=\d)[A-Za-z]{3}$")
_PREFIXED = re.compile(r"(?<![^:\s])[^:\s]+:(?=[a-z]\.)")
_BARE = re.compile(
    r"(?:[A-Z*]|[A-Z][a-z]{2})\d+(?:_(?:[A-Z*]|[A-Z][a-z]{2})\d+)?(?:[A-Z*=]|del|dup|ins|fs|ext)\S*"
)
_OLD_STOP = re.compile(
    r"(?<=[A-Z]\d)X$|(?<=[A-Z]\d{2})X$|(?<=[A-Z]\d{3})X$|(?<=[A-Z]\d{4})X$|(?<=fs)X(?=\d|$)"
)
_LOWER = re.compile(r"[a-z*](\d+)[a-z*]")


def short_protein_change(text: str) -> str:
    """Return a protein change in short form: p.R273H for ENSP0001:p.(Arg273His), p.Arg273His or R273H.

    A text that is no protein change (c.375+1G>A) only loses its transcript and its percent-encoding.
    """
    change = _PREFIXED.sub("", unquote(text.strip()), count=1).strip()
    if _BARE.fullmatch(change):
        change = f"p.{change}"
    if not change.startswith("p."):
        return change
    body = change[2:].strip()
    if body.startswith("(") and body.endswith(")"):
        body = body[1:-1]
    body = _SUBSTITUTION.sub(lambda name: _titled(name[0]), body)  # ARG273HIS; but GLYS are four amino acids
    body = _NAME.sub(lambda name: AMINO_ACIDS[name[0]], body)
    body = _OLD_STOP.sub("*", body)
    return "p." + (body.upper() if _LOWER.fullmatch(body) else body)


def _titled(name: str) -> str:
    return name.title() if name.title() in AMINO_ACIDS else name
