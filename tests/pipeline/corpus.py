"""Single faults in otherwise valid input, in every format: what is done to the files, and what must be said.

`FAULTS` and the habits of tests/pipeline/habits.py are the corpus; docs/wrong-inputs.md is its table
(tests/pipeline/wrong_inputs.py).
"""
# ruff: noqa: E501, ARG005, S105 - a table with a fault on each line

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import cyvcf2
import numpy as np
import openpyxl
import pandas as pd
from openpyxl.comments import Comment
from openpyxl.styles import Font

from pipeline.sources.formats.dataset_json import read_dataset_json
from pipeline.sources.formats.sdtm import read_xpt, write_dataset
from pipeline.sources.mapped import with_standards
from tests.pipeline.formats import FORMATS, study_of

Change = Callable[[Path], None]
Edit = Callable[[pd.DataFrame], pd.DataFrame]
TextEdit = Callable[[str], str]
SECRET = "zq-marker"
"""Stands in wrong cells; no message may repeat it."""


@dataclass(frozen=True)
class Fault:
    """A change of a valid folder and its answer.

    `answer` is refused (an error with all `words`), repaired (counted in problems.csv under `words`), left out
    (rows counted in dropped.csv), warned (it goes on), emptied (one cell is empty), or same (nothing changes).
    """

    format: str
    what: str
    change: Change
    answer: str
    words: tuple[str, ...]


# Where a cell of the contract stands in each format: file, column, and which of its rows.
Place = tuple[str, str, Callable[[pd.DataFrame], pd.Series]]


def every(frame: pd.DataFrame) -> pd.Series:
    return pd.Series(data=True, index=frame.index)


def where(column: str, *values: str) -> Callable[[pd.DataFrame], pd.Series]:
    def mask(frame: pd.DataFrame) -> pd.Series:
        return frame[column].isin(values)

    return mask


def instrument(name: str) -> Callable[[pd.DataFrame], pd.Series]:
    def mask(frame: pd.DataFrame) -> pd.Series:
        if name in {"baseline_arm_1", "surgery_arm_1"}:
            return (frame["redcap_event_name"] == name) & (frame["redcap_repeat_instrument"] == "")
        return frame["redcap_repeat_instrument"] == name

    return mask


def sdtm_places(suffix: str) -> dict[str, Place]:
    done = {"usubjid": ("dm", "USUBJID", every), "age": ("dm", "AGE", every), "arm": ("dm", "ARMCD", every)}
    done |= {
        "consent": ("dm", "RFICDTC", every),
        "ct": ("sc", "SCSTRESC", where("SCTESTCD", "CTCAT")),
        "surgery": ("pr", "PRSTDTC", every),
        "yp_t": ("mi", "MISTRESC", where("MITESTCD", "YPT")),
        "draw": ("be", "BESTDTC", every),
        "vaf": ("gf", "GFSTRESC", where("GFTESTCD", "MEANVAF")),
        "sample": ("dv", "USUBJID", every),
        "visit": ("tr", "VISIT", where("TRTESTCD", "LDIAM")),
        "diameter": ("tr", "TRSTRESN", where("TRTESTCD", "LDIAM", "LPERP")),
        "lesion rows": ("tr", "TRLNKID", where("TRTESTCD", "LDIAM")),
        "unit": ("tr", "TRMETHOD", where("TRTESTCD", "LDIAM")),
    }
    return {name: (f"{file}{suffix}", column, rows) for name, (file, column, rows) in done.items()}


def redcap_places() -> dict[str, Place]:
    cells = {
        "usubjid": ("record_id", "baseline_arm_1"), "age": ("age_years", "baseline_arm_1"),
        "arm": ("arm", "baseline_arm_1"), "consent": ("consent_date", "baseline_arm_1"),
        "ct": ("ct", "baseline_arm_1"), "surgery": ("op_surgery_date", "surgery_arm_1"),
        "yp_t": ("op_yp_t", "surgery_arm_1"), "draw": ("pl_draw_date", "ctdna_samples"),
        "vaf": ("pl_mean_vaf", "ctdna_samples"), "sample": ("record_id", "lesions"),
        "visit": ("redcap_event_name", "lesions"), "diameter": ("les_diameter_mm", "lesions"),
        "lesion rows": ("les_lesion_id", "lesions"), "unit": ("les_method", "lesions"),
    }  # fmt: skip
    return {name: ("redcap.csv", column, instrument(where_)) for name, (column, where_) in cells.items()}


OWN_COLUMNS: dict[str, dict[str, Any]] = {
    "subjects": {
        "siteid": "Site", "arm": "Arm", "age_years": "Age", "consent_date": "Consent", "rand_date": "Randomised", "ct": "cT",
    },
    "surgery": {"performed": "Done", "surgery_date": "Date", "yp_t": "ypT", "yp_n": "ypN"},
    "ctdna_samples": {
        "sample_id": "Sample", "visit": "Visit", "draw_date": "Drawn", "qc": "QC", "result": "Result",
        "mean_vaf": "VAF", "lod_vaf": "LOD",
    },
    "lesions": {
        "lesion_id": "Lesion", "visit": "Visit", "scan_date": "Scan", "method": "Method", "reader": "Reader",
        "target": "Target", "site": "Site", "axis": "Axis", "diameter_mm": "Diameter", "status": "Status",
    },
}  # fmt: skip


def own_places(workbook: bool) -> dict[str, Place]:
    cells = {
        "usubjid": ("subjects", "ID"), "age": ("subjects", "Age"), "arm": ("subjects", "Arm"),
        "consent": ("subjects", "Consent"), "ct": ("subjects", "cT"), "surgery": ("surgery", "Date"),
        "yp_t": ("surgery", "ypT"), "draw": ("ctdna_samples", "Drawn"), "vaf": ("ctdna_samples", "VAF"),
        "sample": ("ctdna_samples", "ID"), "visit": ("lesions", "Visit"), "diameter": ("lesions", "Diameter"),
        "lesion rows": ("lesions", "Lesion"), "unit": ("lesions", "Method"),
    }  # fmt: skip
    ending = ".xlsx" if workbook else ".csv"
    return {name: (f"{table}{ending}", column, every) for name, (table, column) in cells.items()}


def own_study(workbook: bool) -> dict[str, Any]:
    """Return a study file for tables with names of their own, as CSV files or as workbooks."""
    ending, sheet = (".xlsx", {"sheet": "Sheet1"}) if workbook else (".csv", {})
    files = {t: {"path": f"{t}{ending}", "id": {"column": "ID"}, **sheet} for t in OWN_COLUMNS}
    tables = {t: [{"file": t, "columns": columns}] for t, columns in OWN_COLUMNS.items()}
    return study_of([], mapping={"patients": "subjects", "files": files, "tables": tables})


READ = {
    "subjects", "pathology", "surgery", "exposure", "deviations", "ctdna_samples", "ctdna_variants", "lesions",
}  # fmt: skip


def cut_study(name: str) -> dict[str, Any]:
    """Return a format's study file with only the tables that the faults concern: a fault is answered sooner."""
    mapping = with_standards(study_of(FORMATS[name]))["mapping"]
    tables = {table: blocks for table, blocks in mapping["tables"].items() if table in READ}
    return study_of([], mapping=mapping | {"tables": tables})


TABULAR: dict[str, tuple[dict[str, Place], dict[str, Any]]] = {
    "SDTM XPT": (sdtm_places(".xpt"), cut_study("SDTM XPT")),
    "SDTM Dataset-JSON": (sdtm_places(".json"), cut_study("SDTM Dataset-JSON")),
    "REDCap": (redcap_places(), cut_study("REDCap")),
    "CSV": (own_places(workbook=False), own_study(workbook=False)),
    "Excel": (own_places(workbook=True), own_study(workbook=True)),
}
STUDIES = {name: study for name, (_, study) in TABULAR.items()} | {
    "MAF": cut_study("REDCap with MAF"),
    "VCF": cut_study("SDTM with plain VCF"),
    "bgzipped VCF": cut_study("SDTM with VCF"),
}


def load(path: Path) -> pd.DataFrame:
    """Return a file as text cells (numbers of XPT and JSON stay numbers)."""
    if path.suffix == ".xpt":
        return read_xpt(path, "utf-8")
    if path.suffix == ".json":
        return read_dataset_json(path)
    if path.suffix == ".xlsx":
        return pd.read_excel(path, dtype=object, engine="openpyxl")
    return pd.read_csv(path, dtype=str, keep_default_na=False, sep="\t" if path.suffix == ".maf" else ",")


def save(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix in {".xpt", ".json"}:
        for name in frame.columns:
            kinds = {type(v) for v in frame[name].dropna()}
            if kinds - {float, int, np.float64, np.int64}:
                text = frame[name].map(lambda v: v if isinstance(v, str) or pd.isna(v) else f"{v:g}")
                frame = frame.assign(**{name: text.astype("object")})
            elif kinds:
                frame = frame.assign(**{name: frame[name].astype("float64")})
            else:
                frame = frame.assign(**{name: frame[name].astype("object")})
        write_dataset(frame, path, "trial")
    elif path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".maf" else ",")


def on_file(name: str, edit: Edit) -> Change:
    """Return the change that edits one file as a frame."""

    def change(folder: Path) -> None:
        save(edit(load(folder / name)), folder / name)

    return change


def cell(place: Place, value: Any, rows: int | None = 1) -> Change:
    """Return the change that writes `value` (or its result, of a function) into the first rows of a place."""
    name, column, mask = place

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        filled = frame[column].notna() & (frame[column] != "")
        at = frame.index[mask(frame) & filled][:rows]
        assert len(at)
        frame.loc[at, column] = [value(v) for v in frame.loc[at, column]] if callable(value) else value
        return frame

    return on_file(name, edit)


def scaled(factor: float) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        product = float(value) * factor
        return product if isinstance(value, float | int) else f"{product:.10g}"

    return convert


def centre_in_cm(folder: Path) -> None:
    """Put the diameters of the centre that has most of them into cm."""
    sites = load(folder / "subjects.csv").set_index("ID")["Site"]
    lesions = load(folder / "lesions.csv")
    site = lesions["ID"].map(sites)
    at = (site == site.mode()[0]) & (lesions["Diameter"] != "")
    lesions.loc[at, "Diameter"] = [scaled(0.1)(v) for v in lesions.loc[at, "Diameter"]]
    save(lesions, folder / "lesions.csv")


def duplicated(place: Place) -> Change:
    name, _, mask = place

    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        twin = frame[mask(frame)].head(1)
        if name.endswith(".csv") and "redcap_repeat_instance" in frame:
            twin = twin.assign(redcap_repeat_instance="99")
        return pd.concat([frame, twin], ignore_index=True)

    return on_file(name, edit)


def without_column(place: Place) -> Change:
    return on_file(place[0], lambda frame: frame.drop(columns=place[1]))


def swapped(place: Place, other: Place) -> Change:
    names = {place[1]: other[1], other[1]: place[1]}
    return on_file(place[0], lambda frame: frame.rename(columns=names))


def emptied(place: Place) -> Change:
    return on_file(place[0], lambda frame: frame[~place[2](frame)])


def removed(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def bytes_of(name: str, edit: Callable[[bytes], bytes]) -> Change:
    """Return the change that edits one file as bytes; `name` may be a pattern, the first file is taken."""

    def change(folder: Path) -> None:
        path = max(folder.glob(name), key=lambda p: (p.stat().st_size, p.name))
        path.write_bytes(edit(path.read_bytes()))

    return change


def text_of(name: str, edit: Callable[[str], str]) -> Change:
    return bytes_of(name, lambda content: edit(content.decode()).encode())


def bgzip_of(edit: Callable[[str], str]) -> Change:
    """Return the change of a bgzipped VCF's text."""

    def change(folder: Path) -> None:
        path = max((folder / "vcf").glob("*.vcf.gz"), key=lambda p: (p.stat().st_size, p.name))
        reader = cyvcf2.VCF(str(path))
        path.with_suffix("").write_text(edit(reader.raw_header + "".join(map(str, reader))))
        source = cyvcf2.VCF(str(path.with_suffix("")))
        writer = cyvcf2.Writer(str(path), source, mode="wz")
        for record in source:
            writer.write_record(record)
        writer.close()
        path.with_suffix("").unlink()

    return change


def sheet_of(name: str, edit: Callable[[Any], object]) -> Change:
    """Return the change that edits the sheet of a workbook."""

    def change(folder: Path) -> None:
        book = openpyxl.load_workbook(folder / name)
        edit(book.active)
        book.save(folder / name)

    return change


def _put(value: str) -> Callable[[Any], None]:
    def edit(sheet: Any) -> None:
        sheet["C2"] = value

    return edit


def _column_of(sheet: Any, name: str) -> int:
    return next(int(cell.column) for cell in sheet[1] if cell.value == name)


def _per_cent(sheet: Any) -> None:
    cell = sheet.cell(2, _column_of(sheet, "LOD"))
    cell.value, cell.number_format = 0.001, "0.0%"


def _hidden(sheet: Any) -> None:
    sheet.row_dimensions[3].hidden = True


def _dated(sheet: Any) -> None:
    sheet.cell(2, _column_of(sheet, "Lesion")).value = date(2026, 5, 3)


def _hidden_sheet(sheet: Any) -> None:
    sheet.parent.create_sheet("Other")
    sheet.sheet_state = "hidden"


def _last_row(first: str) -> TextEdit:
    return lambda text: text + first + "," * text.split("\n")[0].count(",") + "\n"


def _units_row(text: str) -> str:
    header, rows = text.split("\n", 1)
    return "\n".join([header, ",".join("mm" * (name == "Diameter") for name in header.split(",")), rows])


def _doubled_column(text: str) -> str:
    return "".join(f"{line},{line.split(',')[0]}\n" for line in text.splitlines())


def _swallowing(text: str) -> str:
    lines = text.split("\n")
    lines[2] = lines[2][: lines[2].rindex(",") + 1] + '"begins'
    lines[3] += '"'
    return "\n".join(lines)


def _with_column(name: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        first, *rest = text.rstrip("\n").split("\n")
        return "\n".join([f"{first},{name}", *(f"{line},site" for line in rest)]) + "\n"

    return edit


def on_dictionary(separator: str) -> Change:
    """Return the change that writes REDCap's dictionary with another separator."""

    def change(folder: Path) -> None:
        path = folder / "redcap_dictionary.csv"
        load(path).to_csv(path, index=False, sep=separator)

    return change


def _in_cm(frame: pd.DataFrame) -> pd.DataFrame:
    at = frame.index[(frame["TRTESTCD"] == "LDIAM") & frame["TRSTRESN"].notna()]
    frame.loc[at, "TRSTRESU"] = "mm"
    frame.loc[at[0], "TRSTRESU"] = "cm"
    frame.loc[at[0], "TRSTRESN"] = frame.loc[at[0], "TRSTRESN"] / 10
    return frame


def _below(frame: pd.DataFrame) -> pd.DataFrame:
    at = frame.index[(frame["TRTESTCD"] == "LDIAM") & frame["TRSTRESN"].notna()][0]
    frame["TRSTRESC"] = ""
    frame.loc[at, "TRSTRESC"] = "<3"
    frame.loc[at, "TRSTRESN"] = np.nan
    return frame


def _tabular(name: str, places: dict[str, Place], study: dict[str, Any]) -> list[Fault]:
    """Return the faults that every tabular format can have."""
    base = {key: place[0] for key, place in places.items()}
    partial = "partial" if name.startswith("SDTM") else ""
    who = "NCT07239271-0"
    found = [
        ("an arm that the study has not", cell(places["arm"], SECRET), "refused", (base["arm"], "arm", who)),
        ("a level outside the contract", cell(places["ct"], SECRET), "refused", (base["ct"], "ct", who)),
        ("an age out of range", cell(places["age"], 500), "refused", (base["age"], "age_years", "range", who)),
        ("text where a number belongs", cell(places["age"], SECRET), "refused", (base["age"], "type: float", who)),
        ("a decimal comma", cell(places["age"], "51,5"), "refused", (base["age"], "decimal commas", who)),
        ("an allele fraction in per cent", cell(places["vaf"], "25"), "refused", (base["vaf"], "per cent", who)),
        ("a negative diameter", cell(places["diameter"], -4.0), "refused", (base["diameter"], "range", who)),
        ("a day that there is not", cell(places["consent"], "2026-02-31"), "refused", (base["consent"], "type: date", who)),
        ("day and month in another order", cell(places["consent"], "31/01/2026"), "refused", (base["consent"], "another order", who)),
        ("a date as a workbook's number", cell(places["surgery"], "46150"), "refused", (base["surgery"], "serial numbers", who)),
        ("a time of day with a date", cell(places["draw"], lambda v: f"{v}T08:15"), "repaired", (base["draw"], "time_cut_off")),
        ("a time zone with a date", cell(places["draw"], lambda v: f"{v}T23:30:00+08:00"), "repaired", (base["draw"], "time_zone")),
        ("surgery before randomisation", cell(places["surgery"], "2020-01-01"), "refused", (base["surgery"], "not_before", who)),
        ("plasma drawn after surgery", cell(places["draw"], "2031-01-01"), "refused", (base["draw"], "not_after", who)),
        ("an id with spaces around it", cell(places["sample"], lambda v: f"  {v} "), "repaired", (base["sample"], "spaces_removed")),
        ("samples of a patient who is not in the study", cell(places["sample"], "NCT07239271-9999"), "left out", ("patient not in",)),
        ("ids that have lost a part", cell(places["sample"], lambda v: v[-3:].lstrip("0"), None), "refused", (base["sample"], "none of its", "id")),
        ("a visit that the study has not", cell(places["visit"], SECRET), "refused", (base["visit"], "visit", who)),
        ("a lesion twice at a visit", duplicated(places["lesion rows"]), "refused", (base["lesion rows"], "duplicate_key", who)),
        ("a column that is not there", without_column(places["age"]), "refused", (base["age"], places["age"][1])),
        ("two columns swapped", swapped(places["age"], places["arm"]), "refused", (base["age"], "age_years", "arm")),
        ("no patients at all", emptied(places["usubjid"]), "refused", (base["usubjid"],)),
        ("diameters in cm", cell(places["diameter"], scaled(0.1), None), "warned", ("diameter_mm", "cm, not mm")),
        ("a required cell empty", cell(places["arm"], ""), "refused", (base["arm"], "arm", "required_value", who)),
        ("an e-mail address for a sample's id", cell((base["lesion rows"], *places["lesion rows"][1:]), "someone@example.org"), "refused", (base["lesion rows"], "direct_identifier")),
    ]  # fmt: skip
    found.append(
        ("a date without its day", cell(places["draw"], lambda v: v[:7]), "repaired", (base["draw"], "partial_date"))
        if partial
        else ("a date without its day", cell(places["draw"], lambda v: v[:7]), "refused", (base["draw"], "partial dates", who))
    )  # fmt: skip
    if name == "SDTM Dataset-JSON":  # read by the same code once it is a frame: a sample is enough
        found = found[::3]
    return [Fault(name, what, change, answer, words) for what, change, answer, words in found]


def _set_json(key: str, value: Any) -> Change:
    def edit(text: str) -> str:
        return json.dumps(json.loads(text) | {key: value})

    return text_of("dm.json", edit)


def _first_call(edit: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    """Return a function that edits the columns of a VCF's first record."""

    def change(text: str) -> str:
        lines = text.splitlines()
        at = next(i for i, line in enumerate(lines) if not line.startswith("#"))
        lines[at] = "\t".join(edit(lines[at].split("\t")))
        return "\n".join(lines) + "\n"

    return change


def _column(number: int, value: str) -> Callable[[str], str]:
    return _first_call(lambda columns: [*columns[:number], value, *columns[number + 1 :]])


def _own() -> list[Fault]:
    """Return the faults that a single format can have."""
    maf = "ctdna.maf"
    vcf = "vcf/*.vcf"
    gz = "vcf/*.vcf.gz"
    csv_ = own_places(workbook=False)
    listed = [
        ("SDTM XPT", "no DM", removed("dm.xpt"), "refused", ("dm.xpt", "no such file")),
        ("SDTM XPT", "a file cut off within a row", bytes_of("dm.xpt", lambda b: b[:-400]), "refused", ("dm.xpt", "truncated")),
        ("SDTM XPT", "a file cut off within its header", bytes_of("dm.xpt", lambda b: b[:800]), "refused", ("dm.xpt",)),
        ("SDTM XPT", "0 bytes", bytes_of("dm.xpt", lambda b: b""), "refused", ("dm.xpt", "0 bytes")),
        ("SDTM XPT", "a CSV file named .xpt", bytes_of("dm.xpt", lambda b: b"USUBJID,AGE\n1,50\n"), "refused", ("dm.xpt", "no SAS transport file")),
        ("SDTM XPT", "an encoding other than said", bytes_of("dm.xpt", lambda b: b.replace(b"ADAPTIVE", b"ADAPT\xcfVE", 1)), "refused", ("dm.xpt",)),
        ("SDTM XPT", "a supplemental qualifier of no record", on_file("suppex.xpt", lambda f: f.assign(IDVARVAL=["9999", *f["IDVARVAL"][1:]])), "refused", ("suppex.xpt", "does not have")),
        ("SDTM XPT", "a supplemental qualifier twice", on_file("suppex.xpt", lambda f: pd.concat([f, f.head(1)])), "refused", ("suppex.xpt", "twice")),
        ("SDTM XPT", "two results of a test", on_file("mi.xpt", lambda f: pd.concat([f, f.head(1).assign(MISEQ=999.0, MISTRESC="0")])), "refused", ("mi.xpt", "twice")),
        ("SDTM XPT", "a test code that is not mapped", cell(("mi.xpt", "MITESTCD", where("MITESTCD", "TIL")), "TILS"), "repaired", ("mi.xpt", "unknown_test")),
        ("SDTM XPT", "a domain that is not there", removed("vs.xpt"), "repaired", ("vital_signs", "absent")),
        ("SDTM XPT", "NOT DONE without a reason", cell(("tr.xpt", "TRREASND", where("TRREASND", "NOT DONE")), ""), "same", ()),
        ("SDTM Dataset-JSON", "no DM", removed("dm.json"), "refused", ("dm.json", "no such file")),
        ("SDTM Dataset-JSON", "a file cut off", bytes_of("dm.json", lambda b: b[: len(b) // 2]), "refused", ("dm.json",)),
        ("SDTM Dataset-JSON", "0 bytes", bytes_of("dm.json", lambda b: b""), "refused", ("dm.json", "0 bytes")),
        ("SDTM Dataset-JSON", "fewer rows than records", _set_json("records", 3), "refused", ("dm.json", "records")),
        ("SDTM Dataset-JSON", "no columns", _set_json("columns", []), "refused", ("dm.json",)),
        ("SDTM Dataset-JSON", "JSON of another kind", bytes_of("dm.json", lambda b: b"[1, 2]"), "refused", ("dm.json", "no Dataset-JSON")),
        ("REDCap", "no export", removed("redcap.csv"), "refused", ("redcap.csv", "no such file")),
        ("REDCap", "no data dictionary", removed("redcap_dictionary.csv"), "refused", ("redcap_dictionary.csv", "no such file")),
        ("REDCap", "a code that the dictionary does not list", cell(("redcap.csv", "menopause", instrument("baseline_arm_1")), "7"), "refused", ("redcap.csv", "menopause", "code")),
        ("REDCap", "labels in place of codes", cell(("redcap.csv", "menopause", instrument("baseline_arm_1")), "pre", None), "refused", ("redcap.csv", "menopause", "code")),
        ("REDCap", "a checkbox that is neither 0 nor 1", cell(("redcap.csv", "tumour_features___1", every), "yes"), "refused", ("redcap.csv", "tumour_features___1")),
        ("REDCap", "a missing-data code", cell(("redcap.csv", "menopause", instrument("baseline_arm_1")), "UNK"), "emptied", ("menopause",)),
        ("REDCap", "a field that the dictionary does not have", on_file("redcap.csv", lambda f: f.assign(new_field="1")), "refused", ("redcap.csv", "new_field")),
        ("REDCap", "a record's event twice", on_file("redcap.csv", lambda f: pd.concat([f, f.head(1)])), "refused", ("redcap.csv", "same record")),
        ("REDCap", "a dictionary with a field twice", on_file("redcap_dictionary.csv", lambda f: pd.concat([f, f.head(1)])), "refused", ("redcap_dictionary.csv", "twice")),
        ("REDCap", "a dictionary without choices", on_file("redcap_dictionary.csv", lambda f: f.iloc[:, :4]), "refused", ("redcap_dictionary.csv", "no column")),
        ("REDCap", "an instrument that nobody reads", cell(("redcap.csv", "redcap_repeat_instrument", instrument("exposure")), "exposure_2", None), "left out", ("taken by no part",)),
        ("REDCap", "an encoding other than said", bytes_of("redcap.csv", lambda b: b.replace(b"CHN", b"\xff\xfe", 1)), "refused", ("redcap.csv", "encoding")),
        ("CSV", "a file that is not there", removed("surgery.csv"), "refused", ("surgery.csv", "no such file")),
        ("CSV", "0 bytes", bytes_of("surgery.csv", lambda b: b""), "refused", ("surgery.csv", "0 bytes")),
        ("CSV", "a header and no rows", text_of("surgery.csv", lambda t: t.splitlines()[0] + "\n"), "refused", ("surgery.csv", "no row")),
        ("CSV", "UTF-16", bytes_of("surgery.csv", lambda b: b.decode().encode("utf-16")), "refused", ("surgery.csv", "encoding")),
        ("CSV", "another separator", text_of("surgery.csv", lambda t: t.replace(",", ";")), "refused", ("surgery.csv", "separator")),
        ("CSV", "a row with more cells", text_of("surgery.csv", lambda t: t + "x,x,x,x,x,x,x,x\n"), "refused", ("surgery.csv",)),
        ("CSV", "a quotation mark that is not closed", text_of("surgery.csv", lambda t: t.replace("\n", '\n"', 1)), "refused", ("surgery.csv",)),
        ("CSV", "a column twice", text_of("surgery.csv", lambda t: "\n".join(f"{x},{x.split(',')[3]}" for x in t.splitlines()) + "\n"), "refused", ("surgery.csv", "2 of its", "ypN")),
        ("CSV", "the diameters of one centre in cm", centre_in_cm, "warned", ("diameter_mm", "centre_in_another_unit", "cm, not mm")),
        ("CSV", "a byte order mark", bytes_of("subjects.csv", lambda b: b"\xef\xbb\xbf" + b), "same", ()),
        ("CSV", "leading zeros lost in all ids", text_of("surgery.csv", lambda t: t.replace("NCT07239271-00", "NCT07239271-")), "refused", ("surgery.csv", "none of its")),
        ("CSV", "a row with fewer cells", text_of("surgery.csv", lambda t: t + "x,x\n"), "refused", ("surgery.csv", "fewer cells", "line")),
        ("CSV", "a last line that is cut off", text_of("surgery.csv", lambda t: t[:-2]), "refused", ("surgery.csv", "no line end")),
        ("CSV", "a quoted cell that swallows rows", text_of("surgery.csv", _swallowing), "refused", ("surgery.csv", "quotation mark")),
        ("CSV", "another encoding", bytes_of("subjects.csv", lambda b: b.decode().encode("utf-16")), "refused", ("subjects.csv", "encoding")),
        ("CSV", "a zero byte", bytes_of("surgery.csv", lambda b: b[:-5] + b"\0" + b[-5:]), "refused", ("surgery.csv", "zero byte")),
        ("CSV", "rows without any cell at the end", text_of("surgery.csv", lambda t: t + ",,,,\n\n"), "repaired", ("surgery.csv", "empty_rows")),
        ("CSV", "lines that end as on old Macintoshes", text_of("surgery.csv", lambda t: t.replace("\n", "\r")), "same", ()),
        ("CSV", "a number with a sign of per cent", cell(own_places(workbook=False)["vaf"], "2%"), "repaired", ("ctdna_samples.csv", "per_cent")),
        ("CSV", "two files joined, each with its header", text_of("surgery.csv", lambda t: t + t.split("\n")[0] + "\n"), "refused", ("surgery.csv", "repeat the header", "row 25")),
        ("CSV", "a row of totals at the end", text_of("lesions.csv", _last_row("Total")), "left out", ("patient not in",)),
        ("CSV", "a footnote below the table", text_of("subjects.csv", lambda t: t + "* age at consent\n"), "refused", ("subjects.csv", "line 26 has 1")),
        ("CSV", "a row of units below the header", text_of("lesions.csv", _units_row), "left out", ("patient not in",)),
        ("CSV", "separators at the end of rows alone", text_of("surgery.csv", lambda t: t.replace("\n", ",\n").replace(",\n", "\n", 1)), "refused", ("surgery.csv", "line 2 has 6, the header 5")),
        ("CSV", "separators at the end of all lines", text_of("surgery.csv", lambda t: t.replace("\n", ",\n")), "same", ()),
        ("CSV", "lines that end in two ways", text_of("surgery.csv", lambda t: t.replace("\n", "\r\n", 5)), "same", ()),
        ("CSV", "a line for a spreadsheet above the header", text_of("surgery.csv", lambda t: "sep=,\n" + t), "refused", ("surgery.csv", "sep=,", "skip_rows: 1")),
        ("CSV", "semicolons where commas are meant", text_of("surgery.csv", lambda t: t.replace(",", ";")), "refused", ("surgery.csv", "';'", "separator")),
        ("CSV", "a web page in place of the table", bytes_of("surgery.csv", lambda b: b"<html><body>Session expired</body></html>\n"), "refused", ("surgery.csv", "web page")),
        ("CSV", "a workbook named .csv", bytes_of("surgery.csv", lambda b: b"PK\x03\x04" + b), "refused", ("surgery.csv", "a workbook")),
        ("CSV", "a gzipped file named .csv", bytes_of("surgery.csv", gzip.compress), "refused", ("surgery.csv", "gzipped")),
        ("CSV", "the same column twice", text_of("surgery.csv", _doubled_column), "refused", ("surgery.csv", "2 of its 6 columns")),
        ("CSV", "an id with a space of no width", on_file("surgery.csv", lambda f: f.assign(ID=f["ID"] + "\u200b")), "repaired", ("surgery.csv", "characters")),
        ("CSV", "a byte order mark within an id", on_file("surgery.csv", lambda f: f.assign(ID="\ufeff" + f["ID"])), "repaired", ("surgery.csv", "characters")),
        ("CSV", "typographic hyphens in ids", on_file("surgery.csv", lambda f: f.assign(ID=f["ID"].str.replace("-", "\u2011"))), "repaired", ("surgery.csv", "characters")),
        ("CSV", "a space that does not break around a level", on_file("subjects.csv", lambda f: f.assign(Arm=f["Arm"] + "\u00a0")), "repaired", ("subjects.csv", "spaces_removed")),
        ("CSV", "an accent as a character of its own", cell(("subjects.csv", "Site", every), "Zu\u0308rich"), "repaired", ("subjects.csv", "characters")),
        ("CSV", "a typographic minus", cell(csv_["diameter"], "\u221212"), "refused", ("lesions.csv", "range: 0 to 300 mm")),
        ("CSV", "full-width digits", cell(csv_["diameter"], "\uff12\uff13"), "repaired", ("lesions.csv", "digits")),
        ("CSV", "Arabic digits", cell(csv_["diameter"], "\u0662\u0663"), "repaired", ("lesions.csv", "digits")),
        ("CSV", "a full-width sign of per cent", cell(csv_["vaf"], "2\uff05"), "repaired", ("ctdna_samples.csv", "per_cent")),
        ("CSV", "thin spaces between digits", cell(csv_["diameter"], "1\u2009234"), "refused", ("lesions.csv", "thousands")),
        ("CSV", "1.234,5 in a file with decimal points", cell(csv_["diameter"], "1.234,5"), "refused", ("lesions.csv", "thousands")),
        ("CSV", "1,234.5 in a file with decimal points", cell(csv_["diameter"], "1,234.5"), "refused", ("lesions.csv", "thousands")),
        ("CSV", "a unit beside a number", cell(csv_["diameter"], "20 mm"), "refused", ("lesions.csv", "units beside")),
        ("CSV", "a range in place of a number", cell(csv_["diameter"], "20-25"), "refused", ("lesions.csv", "ranges")),
        ("CSV", "a number with its error", cell(csv_["diameter"], "20±2"), "refused", ("lesions.csv", "ranges")),
        ("CSV", "at least a number", cell(csv_["diameter"], "≥ 20"), "refused", ("lesions.csv", "censored")),
        ("CSV", "a number kept as text for a spreadsheet", cell(csv_["diameter"], '="23"'), "refused", ("lesions.csv", "spreadsheet")),
        ("CSV", "n.d. in a column of numbers", cell(csv_["diameter"], "n.d."), "refused", ("lesions.csv", "`missing`")),
        ("CSV", "a hyphen in a column of numbers", cell(csv_["diameter"], "-"), "refused", ("lesions.csv", "`missing`")),
        ("CSV", "a code such as 999 for missing", cell(csv_["diameter"], "999"), "refused", ("lesions.csv", "range: 0 to 300 mm")),
        ("CSV", "an infinite number", cell(csv_["diameter"], "inf"), "refused", ("lesions.csv", "type: float")),
        ("CSV", "a hexadecimal number", cell(csv_["diameter"], "0x1A"), "refused", ("lesions.csv", "type: float")),
        ("CSV", "NULL in a column of words", cell(("subjects.csv", "Site", every), "NULL"), "warned", ("subjects.csv", "missing_as_text")),
        ("CSV", "a date of two-digit parts", cell(csv_["surgery"], "01/02/03"), "refused", ("surgery.csv", "another order")),
        ("CSV", "a date with slashes, the year first", cell(csv_["surgery"], "2026/03/04"), "refused", ("surgery.csv", "date_format")),
        ("CSV", "a date without hyphens", cell(csv_["surgery"], "20260304"), "refused", ("surgery.csv", "date_format")),
        ("CSV", "a date with a name of a month", cell(csv_["surgery"], "04-MAR-2026"), "refused", ("surgery.csv", "names of months")),
        ("CSV", "a date with unknown parts", cell(csv_["surgery"], "UN-UNK-2026"), "refused", ("surgery.csv", "parts that are not known")),
        ("CSV", "a date that stands for none", cell(csv_["surgery"], "9999-12-31"), "refused", ("surgery.csv", "years before 1900")),
        ("CSV", "a date of zeros", cell(csv_["surgery"], "0000-00-00"), "refused", ("surgery.csv", "type: date")),
        ("Excel", "two tables joined, each with its header", sheet_of("surgery.xlsx", lambda s: s.append([c.value for c in s[1]])), "refused", ("surgery.xlsx", "repeat the header")),
        ("Excel", "a cell that is struck through", sheet_of("surgery.xlsx", lambda s: setattr(s["C2"], "font", Font(strike=True))), "repaired", ("surgery.xlsx", "struck_through")),
        ("Excel", "a comment on a cell", sheet_of("surgery.xlsx", lambda s: setattr(s["C2"], "comment", Comment("?", "x"))), "repaired", ("surgery.xlsx", "cell_comments")),
        ("Excel", "a hidden sheet", sheet_of("surgery.xlsx", _hidden_sheet), "repaired", ("surgery.xlsx", "hidden_sheet")),
        ("Excel", "a workbook with a password", bytes_of("surgery.xlsx", lambda b: b"\xd0\xcf\x11\xe0" + b), "refused", ("surgery.xlsx", "password")),
        ("Excel", "another table below, after an empty row", sheet_of("surgery.xlsx", lambda s: [s.append([]), s.append(["Sites", 3])]), "repaired", ("surgery.xlsx", "empty_rows")),
        ("Excel", "a formula without a result", sheet_of("surgery.xlsx", _put("=1+1")), "refused", ("surgery.xlsx", "formulas without a result", "C2")),
        ("Excel", "an error in a cell", sheet_of("surgery.xlsx", _put("#REF!")), "refused", ("surgery.xlsx", "errors", "C2")),
        ("Excel", "merged cells", sheet_of("surgery.xlsx", lambda s: s.merge_cells("C2:C4")), "refused", ("surgery.xlsx", "merged", "C2:C4")),
        ("Excel", "cells shown as per cent", sheet_of("ctdna_samples.xlsx", _per_cent), "repaired", ("ctdna_samples.xlsx", "per_cent")),
        ("Excel", "a hidden row", sheet_of("surgery.xlsx", _hidden), "repaired", ("surgery.xlsx", "hidden_rows")),
        ("Excel", "a date in a column of text", sheet_of("lesions.xlsx", _dated), "refused", ("lesions.xlsx", "date where a text belongs")),
        ("SDTM XPT", "a diameter in cm by its unit", on_file("tr.xpt", _in_cm), "repaired", ("tr.xpt", "unit_converted: from cm to mm")),
        ("SDTM XPT", "a unit that is unknown", on_file("tr.xpt", lambda f: f.assign(TRSTRESU="furlong")), "refused", ("tr.xpt", "furlong", "must be one of")),
        ("SDTM XPT", "a result below a limit", on_file("tr.xpt", _below), "repaired", ("tr.xpt", "beyond_limit")),
        ("REDCap", "a data access group", text_of("redcap.csv", _with_column("redcap_data_access_group")), "same", ()),
        ("REDCap", "a dictionary with semicolons", on_dictionary(";"), "same", ()),
        ("REDCap", "a dictionary of 0 bytes", bytes_of("redcap_dictionary.csv", lambda b: b""), "refused", ("redcap_dictionary.csv", "0 bytes")),
        ("Excel", "a workbook that is not there", removed("surgery.xlsx"), "refused", ("surgery.xlsx", "no such file")),
        ("Excel", "a workbook cut off", bytes_of("surgery.xlsx", lambda b: b[:1000]), "refused", ("surgery.xlsx", "cannot be read")),
        ("Excel", "a CSV file named .xlsx", bytes_of("surgery.xlsx", lambda b: b"ID,Done\n"), "refused", ("surgery.xlsx", "cannot be read")),
        ("Excel", "a sheet of another name", lambda f: load(f / "surgery.xlsx").to_excel(f / "surgery.xlsx", sheet_name="Data", index=False), "refused", ("surgery.xlsx", "sheet")),
        ("Excel", "days as a date cell", on_file("surgery.xlsx", lambda f: f.assign(Date=pd.to_datetime(f["Date"]))), "same", ()),
        ("MAF", "a file that is not there", removed(maf), "refused", (maf, "no such file")),
        ("MAF", "0 bytes", bytes_of(maf, lambda b: b""), "refused", (maf, "0 bytes")),
        ("MAF", "no read counts", on_file(maf, lambda f: f.drop(columns="t_alt_count")), "refused", (maf, "t_alt_count")),
        ("MAF", "no gene symbols", on_file(maf, lambda f: f.drop(columns="Hugo_Symbol")), "refused", (maf, "Hugo_Symbol")),
        ("MAF", "commas in place of tabs", text_of(maf, lambda t: t.replace("\t", ",")), "refused", (maf,)),
        ("MAF", "a sample that there is not", cell((maf, "Tumor_Sample_Barcode", every), "X-77"), "refused", (maf, "unknown_reference")),
        ("MAF", "a variant twice", on_file(maf, lambda f: pd.concat([f, f.head(1)])), "refused", (maf, "duplicate_key")),
        ("MAF", "more supporting reads than depth", cell((maf, "t_alt_count", every), "999999"), "refused", (maf, "vaf")),
        ("MAF", "a count that is no number", cell((maf, "t_alt_count", every), SECRET), "refused", (maf, "t_alt_count")),
        ("MAF", "a gene in lower case", cell((maf, "Hugo_Symbol", where("Hugo_Symbol", "TP53")), "tp53"), "repaired", ("gene_symbol: letter case",)),
        ("MAF", "a gene that a spreadsheet made a date", cell((maf, "Hugo_Symbol", where("Hugo_Symbol", "TP53")), "1-Mar"), "refused", (maf, "date in place of a gene symbol")),
        ("MAF", "a gene that the panel does not list", cell((maf, "Hugo_Symbol", where("Hugo_Symbol", "TP53")), "EGFR"), "refused", (maf, "gene_not_on_panel")),
        ("MAF", "a protein change in the long form", cell((maf, "HGVSp_Short", where("Hugo_Symbol", "TP53")), "p.(Arg999His)"), "repaired", ("short_hgvs",)),
        ("MAF", "a negative count", cell((maf, "t_alt_count", every), "-4"), "refused", (maf, "t_alt_count")),
        ("MAF", "white cells' fraction in per cent", cell((maf, "wbc_vaf", every), "47"), "refused", (maf, "wbc_vaf")),
        ("MAF", "an origin that is not listed", cell((maf, "ORIGIN", every), SECRET), "refused", (maf, "ORIGIN", "recode")),
        ("MAF", "comment lines above the header", text_of(maf, lambda t: "#version gdc-1.0.0\n" + t), "same", ()),
        ("VCF", "0 bytes", bytes_of(vcf, lambda b: b""), "refused", ("vcf/", "0 bytes")),
        ("VCF", "a file cut off within a record", bytes_of(vcf, lambda b: b[:-20]), "refused", ("vcf/", "cut off")),
        ("VCF", "no header", text_of(vcf, lambda t: "\n".join(x for x in t.splitlines() if x[0] != "#") + "\n"), "refused", ("vcf/", "cannot be read")),
        ("VCF", "no sample", text_of(vcf, lambda t: "\n".join("\t".join(x.split("\t")[:8]) for x in t.splitlines()) + "\n"), "refused", ("vcf/", "no sample column")),
        ("VCF", "text of another kind", bytes_of(vcf, lambda b: b"gene,vaf\nTP53,0.1\n"), "refused", ("vcf/", "cannot be read")),
        ("VCF", "several alternative alleles with one count", text_of(vcf, _column(4, "<CALL>,A")), "refused", ("vcf/", "no reads and no fraction")),
        ("VCF", "no gene in its header", text_of(vcf, lambda t: t.replace("ID=GENE", "ID=SYMBOL").replace("GENE=", "SYMBOL=")), "refused", ("vcf/", "GENE")),
        ("VCF", "a record without a gene", text_of(vcf, lambda t: t.replace("GENE=", "NOTE=", 1)), "refused", ("vcf", "gene")),
        ("VCF", "a sample that there is not", text_of(vcf, lambda t: t.replace("NCT07239271-0", "NCT07239271-9")), "refused", ("vcf", "unknown_reference")),
        ("VCF", "a place that is no number", text_of(vcf, _column(1, "here")), "refused", ("vcf/",)),
        ("VCF", "fewer columns in a record", text_of(vcf, _first_call(lambda c: c[:6])), "refused", ("vcf/",)),
        ("VCF", "a call that did not pass", text_of(vcf, lambda t: t.replace("##FILTER=<ID=PASS", '##FILTER=<ID=weak,Description="x">\n##FILTER=<ID=PASS').replace("\tPASS\t", "\tweak\t", 1)), "left out", ("FILTER not PASS",)),
        ("VCF", "no reads of a variant in plasma", text_of(vcf, _column(9, "900,0:900:0")), "left out", ("no reads",)),
        ("VCF", "a call without counts and fraction", text_of(vcf, _column(9, ".:.:.")), "refused", ("vcf/", "no reads and no fraction")),
        ("VCF", "an allele without bases", text_of(vcf, _column(4, "<DEL>")), "left out", ("no allele with bases",)),
        ("VCF", "white cells without plasma", text_of(vcf, lambda t: t.replace("\tFORMAT\t", "\tFORMAT\tother-WBC\t", 1).replace("\tAD:DP:AF\t", "\tAD:DP:AF\t.:.:.\t")), "refused", ("vcf/", "white-cell")),
        ("VCF", "the same sample in two columns", text_of(vcf, lambda t: "\n".join(f"{x}\t{x.split(chr(9))[9]}" if x[:2] != "##" else x for x in t.splitlines()) + "\n"), "refused", ("vcf/",)),
        ("VCF", "more supporting reads than depth", text_of(vcf, _column(9, "1,900:50:.")), "refused", ("vcf", "vaf")),
        ("VCF", "a second header within the file", text_of(vcf, lambda t: t + t), "refused", ("vcf/", "a second header")),
        ("VCF", "a byte order mark", bytes_of(vcf, lambda b: b"\xef\xbb\xbf" + b), "refused", ("vcf/", "byte order mark")),
        ("VCF", "a BCF named .vcf", bytes_of(vcf, lambda b: b"BCF\2\2" + b), "refused", ("vcf/", "bcftools view")),
        ("VCF", "a field of INFO twice", text_of(vcf, lambda t: t.replace("GENE=", "GENE=X;GENE=")), "refused", ("vcf/", "GENE stands twice")),
        ("VCF", "an empty line at the end", text_of(vcf, lambda t: t + "\n"), "same", ()),
        ("VCF", "the next version of the format", text_of(vcf, lambda t: t.replace("VCFv4.2", "VCFv4.5")), "same", ()),
        ("bgzipped VCF", "0 bytes", bytes_of(gz, lambda b: b""), "refused", ("vcf/", "0 bytes")),
        ("bgzipped VCF", "a file cut off", bytes_of(gz, lambda b: b[:-30]), "refused", ("vcf/", "cut off")),
        ("bgzipped VCF", "plain text named .vcf.gz", bytes_of(gz, lambda b: b"##fileformat=VCFv4.2\n"), "refused", ("vcf/", "bgzip")),
        ("bgzipped VCF", "damaged within", bytes_of(gz, lambda b: b[:60] + b"\0\0\0\0" + b[64:]), "refused", ("vcf/",)),
        ("bgzipped VCF", "an allele fraction above 1", bgzip_of(_column(9, ".:.:1.5")), "refused", ("vcf", "vaf")),
    ]  # fmt: skip
    return [Fault(*entry) for entry in listed]


FAULTS: list[Fault] = [
    fault for name, (places, study) in TABULAR.items() for fault in _tabular(name, places, study)
] + _own()
