"""REDCap: the codes of an export become the labels of its data dictionary, and back."""

import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd

from features.contract.cells import as_text
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.grid import Doubt
from pipeline.sources.formats.source_file import SourceFile
from pipeline.sources.formats.text import read_text, text_bytes

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
OWN_COLUMNS = (*STRUCTURE, "redcap_data_access_group", "redcap_survey_identifier")
"""What REDCap adds to an export; no dictionary has them (REDCap API, Export Records)."""
OWN_ENDINGS = ("_complete", "_timestamp")
"""Behind the name of a form: whether it is complete, and when its survey was sent in."""
CODED = ("radio", "dropdown", "select")
KINDS = (
    *CODED, "checkbox", "yesno", "truefalse", "text", "notes", "calc", "slider", "descriptive", "file", "sql",
)  # fmt: skip
"""All kinds of fields; `select` is what older versions call a dropdown."""
NOT_ENTERED = ("calc", "descriptive", "checkbox")
"""Kinds of fields that are filled, or look so, in a form that nobody filled in."""
UNFILLED = "unfilled_form: unticked boxes of a form that nobody filled in are empty"
API_NAMES = {
    "field_name": NAME, "form_name": FORM, "field_type": KIND, "field_label": LABEL,
    "select_choices_or_calculations": CHOICES, "text_validation_type_or_show_slider_number": VALIDATION,
}  # fmt: skip
"""A dictionary's columns as the API exports them."""


def read_dictionary(path: Path, label: str, encoding: str = "utf-8") -> pd.DataFrame:
    """Return the data dictionary: one row for each field.

    A CSV with commas, semicolons or tabs, as each user of REDCap chooses, or the API's CSV, JSON or XML, in
    UTF-8 or in the encoding of the export.

    Raises
    ------
    SourceError
        If it cannot be read, columns are missing, a field stands twice, or is of no kind that REDCap has.
    """
    try:
        frame = _dictionary_frame(path, label, encoding)
    except (ValueError, ET.ParseError, AttributeError) as error:
        raise SourceError(f"{label}: not a data dictionary ({error}); export it again") from error
    frame = frame.rename(columns=API_NAMES).fillna("")
    absent = [c for c in (NAME, KIND, CHOICES) if c not in frame]
    if absent:
        raise SourceError(
            f"{label}: no column {', '.join(absent)}; export the data dictionary of the project, as CSV from "
            f"its page or as CSV, JSON or XML by the API (metadata)"
        )
    twice = frame.loc[frame[NAME].duplicated(), NAME].unique()
    if len(twice):
        raise SourceError(f"{label}: fields that stand twice: {', '.join(twice[:3])}; keep one of each")
    frame[KIND] = frame[KIND].str.strip().str.lower()
    strange = frame.loc[~frame[KIND].isin(KINDS), NAME]
    if len(strange):
        raise SourceError(
            f"{label}: the {KIND} of {', '.join(strange[:3])} is none that REDCap has, so that codes could "
            f"not be told from values; export the dictionary anew"
        )
    return frame


def _dictionary_frame(path: Path, label: str, encoding: str) -> pd.DataFrame:
    if path.suffix.lower() == ".json":
        return pd.DataFrame(json.loads(path.read_bytes()), dtype="str")
    if path.suffix.lower() == ".xml":
        items = ET.fromstring(path.read_bytes()).iter("item")  # noqa: S314 - expat limits what entities expand to
        return pd.DataFrame([{field.tag: field.text or "" for field in item} for item in items], dtype="str")
    if not _is_utf8(path.read_bytes()):
        content = text_bytes(path, encoding, label)
    else:
        content, encoding = text_bytes(path, "utf-8", label), "utf-8"
    header = content.partition(b"\n")[0].decode()
    separator = max(",;\t", key=header.count)
    layout = SourceFile(
        path="dictionary.csv", separator=separator, quotes=True, encoding=encoding, final_newline=False
    )
    return read_text(path, layout, label).frame


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def choices(text: str) -> dict[str, str]:
    """Read REDCap's list of choices, such as ``1, pre | 2, post``, as code -> label.

    Raises
    ------
    SourceError
        If two labels have one code.
    """
    parts = [part.partition(",") for part in text.split("|") if part.strip()]
    labels: dict[str, str] = {}
    for code, label in ((code.strip(), label.strip()) for code, _, label in parts):
        if labels.setdefault(code, label) != label:
            raise SourceError(f"data dictionary: code {code} stands for two choices; give each its own code")
    return labels


def decoded(
    frame: pd.DataFrame, dictionary: pd.DataFrame, missing: list[str], where: str, source: str
) -> tuple[pd.DataFrame, list[Doubt]]:
    """Return an export with labels in place of codes, and what was changed; checkboxes stay 1 and 0.

    REDCap exports 0 for the boxes of a form that nobody opened: these are empty.

    Raises
    ------
    SourceError
        If rows are there twice, a column is not in the dictionary, or a code is not one of its choices.
    """
    _require_distinct_rows(frame, where)
    fields = dictionary.set_index(NAME)
    columns = [str(c) for c in frame.columns]
    _require_fields(columns, fields, where, source)
    _require_boxes(columns, fields, missing, where, source)
    result = frame.copy()
    for name, codes in _coded_columns(columns, fields):
        text = as_text(frame[name])
        known_codes = text.isna() | text.isin(codes) | text.isin(missing)
        if not known_codes.all():
            ids = as_text(frame.iloc[:, 0])[~known_codes]
            raise SourceError(
                f"{where}, column {name!r}: {int((~known_codes).sum())} rows "
                f"({'; '.join(sorted(ids.dropna().unique())[:3])}) hold a code that {source} does not list; "
                f"export raw codes, not labels, correct the codes, or name a missing-data code under "
                f"`missing` in the study file"
            )
        result[name] = text.map(codes).where(~text.isin(missing), text)
    doubts = []
    for boxes, unfilled in _unfilled_forms(frame, columns, fields):
        for name in boxes:
            emptied = unfilled & result[name].notna()
            result[name] = result[name].mask(emptied)
            doubts.append(Doubt(name, UNFILLED, int(emptied.sum())))
    return result, [doubt for doubt in doubts if doubt.rows]


def _require_fields(columns: list[str], fields: pd.DataFrame, where: str, source: str) -> None:
    """Refuse columns that are neither a field nor REDCap's own."""
    forms = set(fields[FORM]) if FORM in fields else None
    own = {*OWN_COLUMNS, *(f"{form}{end}" for form in forms or () for end in OWN_ENDINGS)}
    strange = [
        c
        for c in columns
        if c not in fields.index
        and _field_of(c, fields) is None
        and c not in own
        and not (forms is None and c.endswith(OWN_ENDINGS))
    ]
    if strange:
        raise SourceError(
            f"{where}: columns that {source} does not have: {', '.join(strange[:3])}; export both anew, the "
            f"data as raw values under the names of the fields, one column a field"
        )


def _field_of(column: str, fields: pd.DataFrame) -> str | None:
    """Return the checkbox field that a column is a box of (field___code); None of any other column."""
    if "___" not in column or column in fields.index:
        return None
    name = column.partition("___")[0]
    return name if name in fields.index else None


def box_columns(field: str, codes: Iterable[str]) -> set[str]:
    """Return the columns that REDCap exports for a checkbox field.

    In their names codes are in lower case, and all that is no letter, digit or underscore is an underscore:
    -1 of `race` is race____1 (vubiostat/redcapAPI, issue 90; CHOP-CGTInformatics/REDCapTidieR, issue 31).
    """
    return {f"{field}___{re.sub('[^a-z0-9_]', '_', code.lower())}" for code in codes}


def _require_boxes(
    columns: list[str], fields: pd.DataFrame, missing: Collection[str], where: str, source: str
) -> None:
    """Refuse boxes of codes that are none of the field's choices, and two codes that share a column.

    A box for each missing-data code of the project may be there, too.
    """
    for name in sorted({field for column in columns if (field := _field_of(column, fields)) is not None}):
        codes = list(choices(str(fields.loc[name, CHOICES])))
        known = box_columns(name, codes)
        if len(known) < len(codes):
            raise SourceError(
                f"{source}: two choices of {name} have one column in the export, such as -1 and _1; give "
                f"them other codes"
            )
        strange = sorted(
            c for c in columns if _field_of(c, fields) == name and c not in known | box_columns(name, missing)
        )
        if strange:
            raise SourceError(
                f"{where}, column {strange[0]!r}: {source} lists no such choice of {name}; export both anew, "
                f"or name a missing-data code under `missing` in the study file"
            )


def _unfilled_forms(
    frame: pd.DataFrame, columns: list[str], fields: pd.DataFrame
) -> Iterator[tuple[list[str], pd.Series]]:
    """Yield the checkbox columns of each form, and the rows in which nobody filled the form in.

    There the form's status is empty or 0 (where it was exported), no box is ticked and no field is filled.
    """
    if FORM not in fields:
        return
    for form, part in fields.groupby(FORM, sort=False):
        boxes = [c for c in columns if _field_of(c, part) is not None]
        entered = [c for c in columns if c in set(part.index) and part.loc[c, KIND] not in NOT_ENTERED]
        entered = [c for c in entered if c != columns[0]]
        status = f"{form}_complete"
        if not boxes or not (entered or status in columns):
            continue
        unfilled = frame[boxes].apply(as_text).fillna("0").isin(["0"]).all(axis=1)
        unfilled &= frame[entered].apply(as_text).isna().all(axis=1)
        if status in columns:
            unfilled &= as_text(frame[status]).fillna("0").isin(["0", "Incomplete"])
        yield boxes, unfilled


def _coded_columns(columns: list[str], fields: pd.DataFrame) -> Iterator[tuple[str, dict[str, str]]]:
    for name in columns:
        if _field_of(name, fields) is not None:
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
