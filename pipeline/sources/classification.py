"""MAF classifications of variants that come with HGVS names alone, as SDTM's GF has them.

Classes as in the GDC's MAF format; the forms of names are those of HGVS (hgvs-nomenclature.org).
"""

import re

import pandas as pd

from features.mutations import TRUNCATING
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
CLASSES = (
    "Frame_Shift_Del", "Frame_Shift_Ins", "In_Frame_Del", "In_Frame_Ins", "Missense_Mutation",
    "Nonsense_Mutation", "Silent", "Splice_Site", "Splice_Region", "Translation_Start_Site",
    "Nonstop_Mutation", "3'UTR", "3'Flank", "5'UTR", "5'Flank", "IGR", "Intron", "RNA", "Targeted_Region",
)  # fmt: skip
"""The classes of the GDC's MAF format."""
CONSEQUENCES = {
    "splice_acceptor_variant": "Splice_Site", "splice_donor_variant": "Splice_Site",
    "exon_loss_variant": "Splice_Site", "transcript_ablation": "Splice_Site",
    "stop_gained": "Nonsense_Mutation", "nonsense": "Nonsense_Mutation",
    "frameshift_variant": "Frame_Shift_Del", "frameshift": "Frame_Shift_Del",
    "stop_lost": "Nonstop_Mutation", "start_lost": "Translation_Start_Site",
    "initiator_codon_variant": "Translation_Start_Site", "inframe_insertion": "In_Frame_Ins",
    "inframe_deletion": "In_Frame_Del", "missense_variant": "Missense_Mutation",
    "missense": "Missense_Mutation", "protein_altering_variant": "Missense_Mutation",
    "splice_region_variant": "Splice_Region", "synonymous_variant": "Silent", "synonymous": "Silent",
    "stop_retained_variant": "Silent", "5_prime_utr_variant": "5'UTR", "3_prime_utr_variant": "3'UTR",
    "intron_variant": "Intron", "upstream_gene_variant": "5'Flank", "downstream_gene_variant": "3'Flank",
    "intergenic_variant": "IGR",
}  # fmt: skip
"""Terms of the Sequence Ontology as VEP and SnpEff write them, the most severe first, and the classes that
vcf2maf makes of them. Whether a frame shift lost or gained bases is left open: neither leaves a whole
protein.
"""
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


def class_of(text: str) -> str | None:
    """Return the MAF class that a text means: a class in any case, or the most severe of VEP's consequences.

    Examples
    --------
    >>> class_of("missense_mutation"), class_of("splice_region_variant&stop_gained"), class_of("damaging")
    ('Missense_Mutation', 'Nonsense_Mutation', None)
    """
    named = {name.lower(): name for name in CLASSES}.get(text.lower())
    if named is not None:
        return named
    terms = re.split(r"[&,;|\s]+", text.lower())
    return next((name for term, name in CONSEQUENCES.items() if term in terms), None)


def with_classification(frame: pd.DataFrame, label: str, reader: Reader) -> pd.DataFrame:
    """Return variants with MAF's classes, and the class that their names say where none is given, counted.

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
    recorded = _in_classes_of_maf(recorded, label, reader)
    unsaid = frame[recorded.isna()]
    coding = unsaid[CODING] if CODING in frame else pd.Series(None, index=unsaid.index, dtype="str")
    names = zip(_texts(unsaid[PROTEIN]), _texts(coding), strict=True)
    said = pd.Series([classification_of(*pair) for pair in names], index=unsaid.index, dtype="str")
    reader.note(label, PROTEIN, "classification_from_hgvs: none was given", int(said.notna().sum()))
    _doubt_contradictions(frame, recorded, label, reader)
    return frame.assign(**{CLASS: recorded.fillna(said)})


def _in_classes_of_maf(recorded: pd.Series, label: str, reader: Reader) -> pd.Series:
    meant = {text: class_of(text) for text in recorded.dropna().unique()}
    unknown = [text for text, name in meant.items() if name is None]
    told = "classification_unknown: no class of MAF and no consequence, read as it stands"
    reader.doubt(label, CLASS, told, int(recorded.isin(unknown).sum()))
    other = {text: name for text, name in meant.items() if name is not None and name != text}
    rows = recorded.isin(list(other))
    reader.note(label, CLASS, "classification: in the words of MAF", int(rows.sum()))
    return recorded.mask(rows, recorded.map(other).astype("str")) if other else recorded


def _doubt_contradictions(frame: pd.DataFrame, recorded: pd.Series, label: str, reader: Reader) -> None:
    """Count variants of which only one, class or protein change, says that no whole protein is left."""
    pairs = pd.DataFrame({"class": recorded, "protein": frame[PROTEIN]}).dropna()
    distinct = pairs.drop_duplicates()
    by_name = distinct["protein"].map(lambda text: classification_of(text, None))
    by_name = by_name.mask(distinct["protein"].str.fullmatch(FRAME_SHIFT), "Frame_Shift_Del")
    differ = by_name.notna() & (by_name.isin(TRUNCATING) != distinct["class"].isin(TRUNCATING))
    wrong = distinct[differ & (distinct["class"] != "Splice_Site")]
    if len(wrong):
        told = "classification_contradicts_hgvs: only one of the two says that no whole protein is left"
        reader.doubt(label, CLASS, told, len(pairs.merge(wrong, on=["class", "protein"])))


def _texts(values: pd.Series) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in values]
