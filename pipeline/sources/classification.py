"""MAF classifications of variants that come with HGVS names alone, as SDTM's GF has them.

Classes as in the GDC's MAF format; the forms of names are those of HGVS (hgvs-nomenclature.org).
"""

import re

import pandas as pd

from pipeline.sources.mapping.files import Reader

CLASS, PROTEIN, CODING = "classification", "hgvsp", "hgvsc"
PROTEIN_CLASSES = {
    "Silent": r"p\.(?:\(?=\)?|[A-Z]\d+=)",
    "Translation_Start_Site": r"p\.(?:M1\D?.*|0\??)",
    "Nonstop_Mutation": r"p\.\*\d+.*ext.*",
    "Nonsense_Mutation": r"p\.[A-Z]\d+\*",
    "Missense_Mutation": r"p\.[A-Z]\d+[A-Z]",
    "In_Frame_Del": r"p\.[A-Z]\d+(?:_[A-Z]\d+)?del",
    "In_Frame_Ins": r"p\.[A-Z]\d+(?:_[A-Z]\d+)?(?:dup|ins[A-Z]+)",
}
"""The first pattern that a short protein change matches as a whole gives its class."""
FRAME_SHIFT = r"p\.[A-Z]\d+.*fs.*"
SPLICE_SITE = r".*c\.[-*]?\d+[+-][12]\D.*"


def classification_of(protein: str | None, coding: str | None) -> str | None:
    """Return the class of a variant by its changes in protein and coding sequence; None where they say none.

    A change of the splice sites, two bases on each side, goes by its coding change. A frame shift needs it,
    too: whether bases were lost or gained.

    Examples
    --------
    >>> classification_of("p.R335*", None), classification_of(None, "c.165-1G>A")
    ('Nonsense_Mutation', 'Splice_Site')
    >>> classification_of("p.K267Rfs*9", "c.800del"), classification_of("p.K267Rfs*9", None)
    ('Frame_Shift_Del', None)
    """
    coding = coding or ""
    if re.fullmatch(SPLICE_SITE, coding) or re.fullmatch(SPLICE_SITE, protein or ""):
        return "Splice_Site"
    if protein is None:
        return None
    for name, pattern in PROTEIN_CLASSES.items():
        if re.fullmatch(pattern, protein):
            return name
    if re.fullmatch(FRAME_SHIFT, protein):
        if re.search(r"dup|ins", coding) and "del" not in coding:
            return "Frame_Shift_Ins"
        return "Frame_Shift_Del" if "del" in coding and "ins" not in coding else None
    return None


def with_classification(frame: pd.DataFrame, label: str, reader: Reader) -> pd.DataFrame:
    """Return variants with the class that their names say where none is given, counted.

    Parameters
    ----------
    frame : DataFrame
        Rows of ctdna_variants or tissue_variants as text; hgvsp in short form.
    label : str
        The file, as messages name it.
    """
    if PROTEIN not in frame:
        return frame
    recorded = frame[CLASS] if CLASS in frame else pd.Series(None, index=frame.index, dtype="str")
    unsaid = frame[recorded.isna()]
    coding = unsaid[CODING] if CODING in frame else pd.Series(None, index=unsaid.index, dtype="str")
    names = zip(_texts(unsaid[PROTEIN]), _texts(coding), strict=True)
    said = pd.Series([classification_of(*pair) for pair in names], index=unsaid.index, dtype="str")
    reader.note(label, PROTEIN, "classification_from_hgvs: none was given", int(said.notna().sum()))
    return frame.assign(**{CLASS: recorded.fillna(said)})


def _texts(values: pd.Series) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in values]
