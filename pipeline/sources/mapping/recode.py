"""Texts of a source become the levels of the contract, as `recode` and `otherwise` of the study file say."""

import numpy as np
import pandas as pd

from features.contract.specification import ColumnSpec
from pipeline.sources.formats.errors import SourceError, ids_of, named_ids
from pipeline.sources.mapping.convert import Origin
from pipeline.sources.mapping.files import Reader
from pipeline.sources.mapping.study_file import ColumnRule

OFTEN_MISSING = ("na", "n/a", "nan", "null", "none", "unknown", "unk", "missing", "nd", ".", "-", "?")


def recoded(
    values: pd.Series, rule: ColumnRule, column: ColumnSpec, origin: Origin, reader: Reader
) -> pd.Series:
    """Return the levels of a column's texts; what `otherwise` takes is counted.

    Of a column of two levels, such as pCR, texts that `otherwise` takes though they hold the words of one
    listed for the other level are told: "pCR (ypT0/is ypN0)" beside "pCR".

    Raises
    ------
    SourceError
        If a text is not listed, and there is no `otherwise`.
    """
    codes = {text: level or np.nan for level, text in rule.recoded_texts}
    text = values.fillna("")
    unlisted = ~text.isin(list(codes)) & (text != "")
    if unlisted.any() and not rule.has_otherwise:
        who = "" if origin.ids is None else f" ({named_ids(origin.ids[unlisted])})"
        raise SourceError(
            f"{origin.where}: {int(unlisted.sum())} rows{who} hold a value that `recode` does not list; "
            f"add it, or `otherwise`, in the study file"
        )
    if rule.has_otherwise:
        texts = text[unlisted].nunique()
        told = f"recode_otherwise: {texts} texts not listed, read as {rule.otherwise or 'empty'}"
        reader.note(origin.file.label, origin.column, told, int(unlisted.sum()))
        if len(column.levels) == 2:
            like = unlisted & text.isin([t for t in text[unlisted].unique() if rule.like_another_level(t)])
            told = f"otherwise_like_listed: texts that hold a listed one, read as {rule.otherwise or 'empty'}"
            reader.doubt(origin.file.label, origin.column, told, int(like.sum()), ids_of(origin.ids, like))
    if rule.otherwise:
        unsaid = unlisted & text.str.lower().isin(OFTEN_MISSING)
        told = f"missing_as_level: texts that often mean missing, read as {rule.otherwise}"
        reader.doubt(origin.file.label, origin.column, told, int(unsaid.sum()), ids_of(origin.ids, unsaid))
    return text.map(codes).mask(unlisted, rule.otherwise).astype("str")
