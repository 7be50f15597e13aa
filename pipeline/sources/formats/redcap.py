"""REDCap: the codes of an export become the labels of its data dictionary, and back."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from features.cells import as_text
from pipeline.sources.errors import SourceError

NAME, KIND, CHOICES = "Variable / Field Name", "Field Type", "Choices, Calculations, OR Slider Labels"
FORM, LABEL = "Form Name", "Field Label"
VALIDATION = "Text Validation Type OR Show Slider Number"
DICTIONARY_COLUMNS = [
    NAME, FORM, "Section Header", KIND, LABEL, CHOICES, "Field Note", VALIDATION, "Text Validation Min",
    "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)", "Required Field?",
    "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
]  # fmt: skip
STRUCTURE = ["redcap_event_name", "redcap_repeat_instrument", "redcap_repeat_instance"]
CODED = ("radio", "dropdown")


def read_dictionary(path: Path, label: str) -> pd.DataFrame:
    """Return the data dictionary: one row for each field.

    Raises
    ------
    SourceError
        If columns are missing, or a field stands twice.
    """
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    absent = [c for c in (NAME, KIND, CHOICES) if c not in frame]
    if absent:
        raise SourceError(f"{label}: no column {', '.join(absent)}; export the data dictionary again")
    twice = frame.loc[frame[NAME].duplicated(), NAME].unique()
    if len(twice):
        raise SourceError(f"{label}: fields that stand twice: {', '.join(twice[:3])}; keep one of each")
    return frame


def choices(text: str) -> dict[str, str]:
    """Read REDCap's list of choices, such as ``1, pre | 2, post``, as code -> label."""
    pairs = (part.partition(",") for part in text.split("|") if part.strip())
    return {code.strip(): label.strip() for code, _, label in pairs}


def decoded(
    frame: pd.DataFrame, dictionary: pd.DataFrame, missing: list[str], where: str, source: str
) -> pd.DataFrame:
    """Return an export with labels in place of codes; checkboxes stay 1 and 0.

    Raises
    ------
    SourceError
        If rows are there twice, a column is not in the dictionary, or a code is not one of its choices.
    """
    _require_distinct_rows(frame, where)
    fields = dictionary.set_index(NAME)
    known = {*fields.index, *STRUCTURE}
    columns = [str(c) for c in frame.columns]
    strange = [
        c for c in columns if c.split("___")[0] not in known and not c.endswith(("_complete", "_timestamp"))
    ]
    if strange:
        raise SourceError(
            f"{where}: columns that {source} does not have: {', '.join(strange[:3])}; export both anew"
        )
    result = frame.copy()
    for name, codes in _coded_columns(columns, fields):
        text = as_text(frame[name])
        known_codes = text.isna() | text.isin(codes) | text.isin(missing)
        if not known_codes.all():
            ids = as_text(frame.iloc[:, 0])[~known_codes]
            raise SourceError(
                f"{where}, column {name!r}: {int((~known_codes).sum())} rows "
                f"({'; '.join(sorted(ids.dropna().unique())[:3])}) hold a code that {source} does not list; "
                f"correct the codes, or name a missing-data code under `missing` in the study file"
            )
        result[name] = text.map(codes).where(~text.isin(missing), text)
    return result


def _coded_columns(columns: list[str], fields: pd.DataFrame) -> Iterator[tuple[str, dict[str, str]]]:
    for name in columns:
        if "___" in name:
            yield name, {"0": "0", "1": "1"}
        elif name in fields.index and fields.loc[name, KIND] in CODED:
            yield name, choices(str(fields.loc[name, CHOICES]))
        elif name in fields.index and fields.loc[name, KIND] in {"yesno", "truefalse"}:
            yield name, {"1": "Y", "0": "N"}


def _require_distinct_rows(frame: pd.DataFrame, where: str) -> None:
    key = [str(frame.columns[0]), *(c for c in STRUCTURE if c in frame)]
    rows = frame[key].apply(as_text)
    twice = rows.duplicated(keep=False)
    if twice.any():
        raise SourceError(
            f"{where}: {int(twice.sum())} rows of the same record, event and instance "
            f"({'; '.join(sorted(rows.loc[twice, key[0]].dropna().unique())[:3])}); keep one of each"
        )
