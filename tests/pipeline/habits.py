"""Habits of other people's files, each put into otherwise valid input: read as meant, counted, or refused.

They come from public reports on readers of these formats, and from what programs write by default.
"""
# ruff: noqa: E501, ARG005 - a table with a habit on each line

import gzip
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyreadstat
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.utils.datetime import MAC_EPOCH

from pipeline.sources.formats.sdtm import write_dataset
from tests.pipeline.corpus import (
    Change,
    Fault,
    TextEdit,
    bytes_of,
    cell,
    every,
    load,
    on_file,
    own_places,
    sheet_of,
    text_of,
    where,
)

CSV = own_places(workbook=False)
SURGERY, LESIONS, MAF, VCF, GZ = "surgery.csv", "lesions.csv", "ctdna.maf", "vcf/*.vcf", "vcf/*.vcf.gz"
ID = (SURGERY, "ID", every)
SITE = ("subjects.csv", "Site", every)


def header(old: str, new: str) -> Change:
    """Return the change of a name in the header of the surgery table."""

    def edit(text: str) -> str:
        first, rest = text.split("\n", 1)
        assert old in first
        return f"{first.replace(old, new)}\n{rest}"

    return text_of(SURGERY, edit)


def formatted(column: str, form: str, value: Any = None) -> Change:
    """Return the change of a number's format in the lesions' workbook."""

    def edit(sheet: Any) -> None:
        at = next(c.column for c in sheet[1] if c.value == column)
        place = next(row[at - 1] for row in sheet.iter_rows(min_row=2) if row[at - 1].value not in (None, ""))
        place.value = float(place.value) if value is None else value
        place.number_format = form

    return sheet_of("lesions.xlsx", edit)


def put(address: str, value: Any) -> Change:
    return sheet_of("surgery.xlsx", lambda sheet: setattr(sheet[address], "value", value))


def from_1904(folder: Path) -> None:
    """Write the surgery workbook with real dates, counted from 1904."""
    book = openpyxl.load_workbook(folder / "surgery.xlsx")
    book.epoch = MAC_EPOCH
    sheet = book.active
    at = next(c.column for c in sheet[1] if c.value == "Date")
    for row in sheet.iter_rows(min_row=2):
        if row[at - 1].value:
            row[at - 1].value = pd.Timestamp(row[at - 1].value).to_pydatetime()
    book.save(folder / "surgery.xlsx")


def inflated(folder: Path) -> None:
    """Give a workbook a part of 100 million blanks."""
    with zipfile.ZipFile(folder / "surgery.xlsx", "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/media/blank.bin", b" " * 100_000_000)


def hide_column(sheet: Any) -> None:
    sheet.column_dimensions["C"].hidden = True


def hide_by_filter(sheet: Any) -> None:
    sheet.auto_filter.ref = "A1:E25"
    sheet.row_dimensions[4].hidden = True


def no_width(folder: Path) -> None:
    """Give a column of the surgery workbook a width of 0, as it is dragged together."""
    path, part = folder / "surgery.xlsx", "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    column = b'<cols><col min="3" max="3" width="0" customWidth="1"/></cols><sheetData>'
    parts[part] = parts[part].replace(b"<sheetData>", column, 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, content)


def lock(sheet: Any) -> None:
    sheet.protection.sheet = True


def bold(sheet: Any) -> None:
    text = str(sheet["C2"].value)
    sheet["C2"].value = CellRichText(TextBlock(InlineFont(b=True), text[:2]), text[2:])


def marked(first: str, second: str, **font: Any) -> Change:
    """Return the change of a cell to a text whose second part has another font than its first."""

    def edit(sheet: Any) -> None:
        sheet["C2"].value = CellRichText(first, TextBlock(InlineFont(**font), second))

    return sheet_of("surgery.xlsx", edit)


def two_notations(frame: pd.DataFrame) -> pd.DataFrame:
    at = frame.index[frame["Diameter"] != ""][:2]
    frame.loc[at, "Diameter"] = ["1.234,5", "1,234.5"]
    return frame


def two_alleles(text: str) -> str:
    """Give the first record a second allele with a change and counts of its own."""
    text = text.replace("ID=HGVSP,Number=1", "ID=HGVSP,Number=A")
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    cells = lines[at].split("\t")
    cells[4] += ",A"
    cells[7] = re.sub(r"HGVSP=([^;]*)", r"HGVSP=\1,p.A2C", cells[7])
    cells[9:] = ["890,5,3:898:.", *([".:.:."] * (len(cells) - 10))]
    lines[at] = "\t".join(cells)
    return "\n".join(lines) + "\n"


def first_record(at: int, value: str) -> TextEdit:
    def edit(text: str) -> str:
        lines = text.splitlines()
        row = next(i for i, line in enumerate(lines) if not line.startswith("#"))
        cells = lines[row].split("\t")
        cells[at] = value
        lines[row] = "\t".join(cells)
        return "\n".join(lines) + "\n"

    return edit


def twice(text: str) -> str:
    record = next(line for line in text.splitlines() if not line.startswith("#"))
    return text + record + "\n"


def normal_named(text: str) -> str:
    sample = next(line for line in text.splitlines() if line.startswith("#CHROM")).split("\t")[9]
    return text.replace("#CHROM", f"##normal_sample={sample}\n#CHROM", 1)


def many_fields(text: str) -> str:
    lines = text.splitlines()
    row = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    cells = lines[row].split("\t")
    cells[8] += "".join(f":F{i}" for i in range(300))
    lines[row] = "\t".join(cells)
    return "\n".join(lines) + "\n"


def version_8(folder: Path) -> None:
    pyreadstat.write_xport(load(folder / "dm.xpt"), folder / "dm.xpt", table_name="DM", file_format_version=8)


def visits(empty: bool, day: str | None) -> Change:
    """Return the change that adds SV: the day of the first scan, or another one; its own may be emptied."""

    def change(folder: Path) -> None:
        scans = load(folder / "tr.xpt")
        sv = scans[["USUBJID", "VISIT", "TRDTC"]].head(1).rename(columns={"TRDTC": "SVSTDTC"})
        sv["SVSTDTC"] = sv["SVSTDTC"] if day is None else day
        write_dataset(sv.assign(SVENDTC=sv["SVSTDTC"]).astype("object"), folder / "sv.xpt", "trial")
        if empty:
            scans.loc[scans.index[:1], "TRDTC"] = ""
            write_dataset(scans, folder / "tr.xpt", "trial")

    return change


def version_1_0(text: str) -> str:
    """Return a Dataset-JSON as version 1.0 has it."""
    content = json.loads(text)
    items = [
        {"OID": c["itemOID"], "name": c["name"], "label": c["label"], "type": c["dataType"]}
        for c in content["columns"]
    ]
    first = {
        "OID": "ITEMGROUPDATASEQ",
        "name": "ITEMGROUPDATASEQ",
        "label": "Record identifier",
        "type": "integer",
    }
    group = {"records": content["records"], "name": "DM", "label": "DM", "items": [first, *items]}
    group["itemData"] = [[i, *row] for i, row in enumerate(content["rows"], start=1)]
    return json.dumps({"datasetJSONVersion": "1.0.0", "clinicalData": {"itemGroupData": {"IG.DM": group}}})


def boxes(name: str, value: str = "0") -> TextEdit:
    """Return the change that adds a column of a checkbox to the REDCap export."""

    def edit(text: str) -> str:
        first, *rest = text.rstrip("\n").split("\n")
        return "\n".join([f"{first},{name}", *(f"{line},{value}" for line in rest)]) + "\n"

    return edit


def unknown_as_code(frame: pd.DataFrame) -> pd.DataFrame:
    """Put 99.9 in some diameters; all others are smaller by far."""
    filled = frame.index[frame["Diameter"] != ""]
    small = [f"{min(float(v), 80):g}" for v in frame.loc[filled, "Diameter"]]
    frame.loc[filled, "Diameter"] = [*["99.9"] * 5, *small[5:]]
    return frame


def dates_shown(form: str, day: str | None = "03-01") -> Change:
    """Return the change of the days of surgery to dates of a workbook in a format, on one day if it is given."""

    def edit(sheet: Any) -> None:
        at = next(c.column for c in sheet[1] if c.value == "Date")
        for row in sheet.iter_rows(min_row=2):
            if row[at - 1].value:
                text = str(row[at - 1].value)
                row[at - 1].value = pd.Timestamp(f"{text[:4]}-{day}" if day else text).to_pydatetime()
                row[at - 1].number_format = form

    return sheet_of("surgery.xlsx", edit)


LISTED: list[tuple[str, str, Change, str, tuple[str, ...]]] = [
    ("CSV", "marks of direction around ids", on_file(SURGERY, lambda f: f.assign(ID="\u202a" + f["ID"] + "\u202c")), "repaired", (SURGERY, "characters")),
    ("CSV", "a space that does not break before an id", cell(ID, lambda v: f"\u00a0{v}"), "repaired", (SURGERY, "spaces_removed")),
    ("CSV", "a tab behind an id", cell(ID, lambda v: f"{v}\t"), "repaired", (SURGERY, "spaces_removed")),
    ("CSV", "an id in lower case", cell(ID, lambda v: v.lower()), "warned", (SURGERY, "case_differs")),
    ("CSV", "an error of a spreadsheet in place of an id", cell(ID, "#REF!"), "refused", (SURGERY, "ID", "in place of an id")),
    *(("CSV", f"an id that begins with {sign}", cell(ID, lambda v, sign=sign: f"{sign}{v}"), "refused", (SURGERY, "ID", "formula")) for sign in "+-@"),
    ("CSV", "an id kept as text by a formula", cell(ID, lambda v: f'="{v}"'), "refused", (SURGERY, "ID", "formula")),
    ("CSV", "NA for an id", cell(ID, "NA"), "warned", (SURGERY, "missing_as_text")),
    ("CSV", "an error of a spreadsheet in a column of words", cell(SITE, "#VALUE!"), "refused", ("subjects.csv", "Site", "error or a formula")),
    ("CSV", "a column that was too narrow to be shown", cell(SITE, "######"), "refused", ("subjects.csv", "Site", "error or a formula")),
    ("CSV", "a formula in a column of words", cell(SITE, "=B2"), "refused", ("subjects.csv", "Site", "error or a formula")),
    ("CSV", "UTF-8 that was encoded twice", cell(SITE, "ZÃ¼rich"), "warned", ("subjects.csv", "encoded_twice")),
    ("CSV", "characters that were lost", cell(SITE, "Z\ufffdrich"), "warned", ("subjects.csv", "encoded_twice")),
    ("CSV", "a column's name in upper case", header("Done", "DONE"), "refused", (SURGERY, "Done", "similar: DONE")),
    ("CSV", "a column's name with other marks between its words", header("Done", "D_one"), "refused", (SURGERY, "similar: D_one")),
    ("CSV", "a column's name with a space behind", header("Done", "Done "), "same", ()),
    ("CSV", "a column's name with a space that does not break", header("Done", "\u00a0Done"), "same", ()),
    ("CSV", "a column's name with a space of no width", header("Done", "\u200bDone"), "refused", (SURGERY, "Done", "similar")),
    ("CSV", "two columns that differ by a space", text_of(SURGERY, lambda t: "".join(f"{x},{'Done ' if i == 0 else 'N'}\n" for i, x in enumerate(t.splitlines()))), "refused", (SURGERY, "2 of its")),
    ("CSV", "a separator at the end of the header alone", text_of(SURGERY, lambda t: t.replace("\n", ",\n", 1)), "refused", (SURGERY, "the header 6")),
    ("CSV", "carriage returns that were doubled", text_of(SURGERY, lambda t: t.replace("\n", "\r\r\n")), "repaired", (SURGERY, "empty_rows")),
    ("CSV", "the sign of DOS for the end of a file", bytes_of(SURGERY, lambda b: b + b"\x1a"), "refused", (SURGERY, "line end")),
    ("CSV", "a line end within a name of the header", header("Done", '"Do\nne"'), "refused", (SURGERY, "Done")),
    ("CSV", "typographic quotation marks", cell(CSV["arm"], lambda v: f"\u201c{v}\u201d"), "refused", ("subjects.csv", "arm", "levels")),
    ("CSV", "a line of hyphens below the header", text_of(LESIONS, lambda t: t.replace("\n", "\n" + ",".join(["---"] * len(t.split("\n")[0].split(","))) + "\n", 1)), "left out", ("patient not in",)),
    ("CSV", "the count of rows that a database adds", text_of(SURGERY, lambda t: t + "(24 rows affected)\n"), "refused", (SURGERY, "has 1, the header 5")),
    ("CSV", "one byte of Latin-1 in UTF-8", bytes_of(SURGERY, lambda b: b.replace(b"Y", b"\xfc", 1)), "refused", (SURGERY, "line ", "encoding")),
    ("CSV", "UTF-16 without a byte order mark", bytes_of(SURGERY, lambda b: b.decode().encode("utf-16-le")), "refused", (SURGERY, "zero byte")),
    ("CSV", "UTF-32", bytes_of(SURGERY, lambda b: b.decode().encode("utf-32")), "refused", (SURGERY, "encoding")),
    ("CSV", "a form feed between lines", text_of(SURGERY, lambda t: t.replace("\n", "\n\f\n", 1)), "repaired", (SURGERY, "empty_rows")),
    ("CSV", "1.234,5 and 1,234.5 in one column", on_file(LESIONS, two_notations), "refused", (LESIONS, "thousands")),
    ("CSV", "a number with an underscore", cell(CSV["diameter"], "1_0"), "refused", (LESIONS, "type: float")),
    ("CSV", "a number with a superscript", cell(CSV["diameter"], "2²"), "refused", (LESIONS, "type: float")),
    ("CSV", "a fraction in one character", cell(CSV["diameter"], "½"), "refused", (LESIONS, "type: float")),
    ("CSV", "TRUE in a column of numbers", cell(CSV["diameter"], "TRUE"), "refused", (LESIONS, "type: float")),
    ("CSV", "a number beyond what a computer holds", cell(CSV["diameter"], "1e400"), "refused", (LESIONS, "type: float")),
    ("CSV", "a number with an en dash for a minus", cell(CSV["diameter"], "\u20135"), "refused", (LESIONS, "type: float")),
    ("CSV", "a number with a soft hyphen", cell(CSV["diameter"], "1\u00ad2"), "repaired", (LESIONS, "digits")),
    ("CSV", "a measurement of two dimensions", cell(CSV["diameter"], "20x15"), "refused", (LESIONS, "type: float")),
    ("CSV", "words behind a date", cell(CSV["surgery"], "2026-03-04 or 05"), "refused", (SURGERY, "another text than a time of day")),
    ("CSV", "a time of day with its zone in letters", cell(CSV["draw"], lambda v: f"{v} 08:15 UTC"), "repaired", ("ctdna_samples.csv", "time_cut_off")),
    ("CSV", "two dates in one cell", cell(CSV["surgery"], "2026-03-04/2026-03-06"), "refused", (SURGERY, "type: date")),
    ("CSV", "a date by week", cell(CSV["surgery"], "2026-W10-3"), "refused", (SURGERY, "type: date")),
    ("CSV", "a date by day of the year", cell(CSV["surgery"], "2026-063"), "refused", (SURGERY, "type: date")),
    ("CSV", "a date with slashes, the month first", cell(CSV["surgery"], "12/31/2026"), "refused", (SURGERY, "another order")),
    ("CSV", "a date of the Thai calendar", cell(CSV["surgery"], "2569-03-04"), "refused", (SURGERY, "years before 1900 or after 2100")),
    ("CSV", "an entity of HTML in a level", cell(CSV["yp_t"], "ypT1&nbsp;"), "refused", (SURGERY, "yp_t", "levels")),
    ("Excel", "a hidden column", sheet_of("surgery.xlsx", hide_column), "repaired", ("surgery.xlsx", "hidden_column")),
    ("Excel", "rows that a filter hides", sheet_of("surgery.xlsx", hide_by_filter), "repaired", ("surgery.xlsx", "hidden_rows")),
    ("Excel", "a sheet that is locked", sheet_of("surgery.xlsx", lock), "same", ()),
    ("Excel", "a text that is partly bold", sheet_of("surgery.xlsx", bold), "same", ()),
    ("Excel", "a raised mark of a footnote behind a level", marked("ypT0", "1", vertAlign="superscript"), "refused", ("surgery.xlsx", "run together", "C2")),
    ("Excel", "a part of a text that is struck through", marked("ypT1", "ypT0", strike=True), "refused", ("surgery.xlsx", "run together", "C2")),
    ("Excel", "a truth value where a level belongs", put("C2", True), "refused", ("surgery.xlsx", "yp_t", "levels")),
    ("Excel", "a stray cell far from the table", put("XFD1048576", "x"), "refused", ("surgery.xlsx", "stray cell")),
    ("Excel", "a part that inflates beyond measure", inflated, "refused", ("surgery.xlsx", "inflate")),
    ("Excel", "days that are counted from 1904", from_1904, "same", ()),
    ("Excel", "a time of day where a date belongs", put("B2", pd.Timestamp("2026-01-01 08:15").time()), "refused", ("surgery.xlsx", "surgery_date", "type: date")),
    ("Excel", "a number with an apostrophe before it", formatted("Diameter", "General", "23"), "repaired", ("lesions.xlsx", "numbers_as_text")),
    ("Excel", "a number shown with a unit", formatted("Diameter", '0.0 "cm"'), "repaired", ("lesions.xlsx", "unit_in_format")),
    ("Excel", "a number shown in thousands", formatted("Diameter", "0.0,"), "repaired", ("lesions.xlsx", "scaled_format")),
    ("Excel", "a number that its format hides", formatted("Diameter", ";;;"), "repaired", ("lesions.xlsx", "hidden_value")),
    ("Excel", "a number with marks between its digits", formatted("Diameter", "#,##0.0"), "same", ()),
    ("Excel", "a number shown with an exponent", formatted("Diameter", "0.00E+00"), "same", ()),
    ("Excel", "the error #N/A", put("C2", "#N/A"), "refused", ("surgery.xlsx", "errors", "C2")),
    ("Excel", "a space behind the sheet's name", sheet_of("surgery.xlsx", lambda s: setattr(s, "title", "Sheet1 ")), "refused", ("surgery.xlsx", "sheet")),
    ("MAF", "builds of two kinds", on_file(MAF, lambda f: f.assign(NCBI_Build=["hg19", *["GRCh38"] * (len(f) - 1)])), "warned", (MAF, "mixed_builds", "GRCh37 and GRCh38")),
    ("MAF", "one build by two names", on_file(MAF, lambda f: f.assign(NCBI_Build=["hg19", *["GRCh37"] * (len(f) - 1)])), "same", ()),
    ("MAF", "lines that end as on Windows", text_of(MAF, lambda t: t.replace("\n", "\r\n")), "same", ()),
    ("MAF", "names of columns in lower case", text_of(MAF, lambda t: t.replace("Hugo_Symbol", "hugo_symbol")), "refused", (MAF, "similar: hugo_symbol")),
    ("MAF", "counts with a decimal point", cell((MAF, "t_alt_count", every), lambda v: f"{float(v):.2f}", None), "same", ()),
    ("MAF", "a quotation mark before a sample's name", cell((MAF, "Tumor_Sample_Barcode", every), lambda v: f'"{v}"'), "refused", (MAF, "unknown_reference")),
    ("MAF", "a variant between genes", cell((MAF, "Hugo_Symbol", where("Hugo_Symbol", "TP53")), "Unknown"), "left out", ("between genes",)),
    ("MAF", "an empty line at the end", text_of(MAF, lambda t: t + "\n"), "repaired", (MAF, "empty_rows")),
    ("MAF", "a comment between rows", text_of(MAF, lambda t: t.replace("\n", "\n# checked by the laboratory\n", 1)), "refused", (MAF, "line 2 has 1")),
    ("VCF", "a record of two alleles, each with its counts and change", text_of(VCF, two_alleles), "repaired", ("alleles_split",)),
    ("VCF", "more counts than alleles", text_of(VCF, first_record(9, "900,5,3:908:.")), "refused", ("vcf/", "no reads and no fraction")),
    ("VCF", "the normal sample in place of the plasma", text_of(VCF, normal_named), "refused", ("vcf/", "is the normal one")),
    ("VCF", "a FORMAT of 300 fields", text_of(VCF, many_fields), "refused", ("vcf/", "a FORMAT of more than 200 fields")),
    ("VCF", "lines that end as on Windows", text_of(VCF, lambda t: t.replace("\n", "\r\n")), "same", ()),
    ("VCF", "a space behind the name of a sample", text_of(VCF, lambda t: re.sub("(#CHROM[^\\n]*)", r"\1 ", t, count=1)), "refused", ("vcf/", "spaces around the name of a sample")),
    ("VCF", "no filter applied", text_of(VCF, first_record(6, ".")), "same", ()),
    ("VCF", "spaces for tabs", text_of(VCF, lambda t: t.replace("\t", "  ")), "refused", ("vcf/",)),
    ("VCF", "the same record twice", text_of(VCF, twice), "refused", ("vcf", "duplicate_key")),
    ("bgzipped VCF", "compressed by gzip alone", bytes_of(GZ, lambda b: gzip.compress(gzip.decompress(b))), "refused", ("vcf/", "bgzip")),
    ("bgzipped VCF", "bytes behind the end", bytes_of(GZ, lambda b: b + b"\n"), "refused", ("vcf/", "cut off")),
    ("SDTM XPT", "version 8 of the format", version_8, "same", ()),
    ("SDTM XPT", "a file of PROC CPORT", bytes_of("dm.xpt", lambda b: b"**COMPRESSED** **COMPRESSED** " + b), "refused", ("dm.xpt", "PROC CPORT")),
    ("SDTM XPT", "two datasets in one file", bytes_of("dm.xpt", lambda b: b + b[240:]), "refused", ("dm.xpt", "2 datasets")),
    ("SDTM XPT", "a day that only the visit has", visits(empty=True, day=None), "repaired", ("tr.xpt", "visit_date:")),
    ("SDTM XPT", "days outside of their visits", visits(empty=False, day="2020-01-01"), "warned", ("tr.xpt", "visit_date_differs")),
    ("SDTM XPT", "visits that agree with the days of the results", visits(empty=False, day=None), "same", ()),
    ("SDTM Dataset-JSON", "version 1.0 of the format", text_of("dm.json", version_1_0), "same", ()),
    ("SDTM Dataset-JSON", "a byte order mark", bytes_of("dm.json", lambda b: b"\xef\xbb\xbf" + b), "same", ()),
    ("SDTM Dataset-JSON", "lines (NDJSON) under the name of the other form", text_of("dm.json", lambda t: t + "\n" + t), "refused", ("dm.json", "named .ndjson")),
    ("SDTM Dataset-JSON", "rows that are said twice", text_of("dm.json", lambda t: '{"rows": [], ' + t[1:]), "refused", ("dm.json", "rows twice")),
    ("SDTM Dataset-JSON", "lists within lists without end", bytes_of("dm.json", lambda b: b"[" * 200_000), "refused", ("dm.json", "cannot be read")),
    ("SDTM Dataset-JSON", "names in lower case", text_of("dm.json", lambda t: t.replace('"name": "AGE"', '"name": "age"')), "refused", ("dm.json", "similar: age")),
    ("SDTM Dataset-JSON", "a number that JSON does not have", text_of("dm.json", lambda t: t.replace('"rows": [[', '"rows": [[NaN, ', 1)), "refused", ("dm.json", "NaN")),
    ("REDCap", "a box of a choice that the dictionary does not list", text_of("redcap.csv", boxes("tumour_features___77")), "refused", ("redcap.csv", "tumour_features___77", "no such choice")),
    ("REDCap", "a box of a missing-data code", text_of("redcap.csv", boxes("tumour_features___unk")), "same", ()),
    ("REDCap", "words for ticked boxes", cell(("redcap.csv", "tumour_features___1", every), "Checked"), "refused", ("redcap.csv", "tumour_features___1")),
    ("REDCap", "kinds of fields in other letters, and select for dropdown", text_of("redcap_dictionary.csv", lambda t: t.replace(",radio,", ",Radio,").replace(",Radio,", ",select,", 2)), "same", ()),
    ("REDCap", "a kind of field that REDCap has not", text_of("redcap_dictionary.csv", lambda t: t.replace(",radio,", ",single choice,", 1)), "refused", ("redcap_dictionary.csv", "Field Type")),
    ("REDCap", "labels in place of the fields' names", text_of("redcap.csv", lambda t: t.replace("menopause", "Menopausal status", 1)), "refused", ("redcap.csv", "Menopausal status", "raw values")),
    ("REDCap", "a code that stands for two choices", text_of("redcap_dictionary.csv", lambda t: t.replace("2, ", "1, ", 1)), "refused", ("stands for two choices",)),
    ("CSV", "a date years after all others", cell(CSV["surgery"], "2099-01-01"), "warned", ("surgery_date", "isolated_date")),
    ("CSV", "99 for an unknown age", cell(CSV["age"], "99", 5), "warned", ("age_years", "code_for_missing: 99")),
    ("CSV", "99.9 for an unknown diameter", on_file(LESIONS, unknown_as_code), "warned", ("diameter_mm", "code_for_missing: 99.9")),
    ("CSV", "a 30th of February", cell(CSV["surgery"], "2026-02-30"), "refused", (SURGERY, "days that the month does not have")),
    ("CSV", "a month and a day of one digit", cell(CSV["surgery"], "2026-3-4"), "refused", (SURGERY, "digits left out", "date_format")),
    ("CSV", "a Chinese date", cell(CSV["surgery"], "2026年3月4日"), "refused", (SURGERY, "Chinese", "date_format")),
    ("CSV", "milliseconds since 1970", cell(CSV["surgery"], "1772582400000"), "refused", (SURGERY, "since 1970")),
    ("CSV", "an approximate date", cell(CSV["surgery"], lambda v: f"~{v}"), "refused", (SURGERY, "an approximate date")),
    ("CSV", "a time of day that there is not", cell(CSV["draw"], lambda v: f"{v}T25:99"), "refused", ("ctdna_samples.csv", "another text than a time of day")),
    ("CSV", "typographic hyphens in a date", cell(CSV["surgery"], lambda v: v.replace("-", "\u2011")), "repaired", (SURGERY, "digits")),
    ("CSV", "an en dash in a date", cell(CSV["surgery"], lambda v: v.replace("-", "\u2013")), "repaired", (SURGERY, "digits")),
    ("CSV", "a basic date with a time", cell(CSV["surgery"], lambda v: v.replace("-", "") + "T1200"), "refused", (SURGERY, "no hyphens")),
    ("CSV", "a footnote's mark behind a number", cell(CSV["diameter"], "12*"), "refused", (LESIONS, "marks beside the numbers")),
    ("CSV", "a number with a question mark", cell(CSV["diameter"], "12?"), "refused", (LESIONS, "marks beside the numbers")),
    ("CSV", "two numbers with a slash", cell(CSV["diameter"], "12/14"), "refused", (LESIONS, "several numbers in one cell")),
    ("CSV", "two numbers with a semicolon", cell(CSV["diameter"], "12; 14"), "refused", (LESIONS, "several numbers in one cell")),
    ("CSV", "a mixed number", cell(CSV["diameter"], "1 1/2"), "refused", (LESIONS, "several numbers in one cell")),
    ("CSV", "a number in brackets", cell(CSV["diameter"], "(12)"), "refused", (LESIONS, "numbers in brackets")),
    ("CSV", "an exponent as Fortran writes it", cell(CSV["diameter"], "1.2D+01"), "refused", (LESIONS, "type: float")),
    ("CSV", "a number with a plus sign", cell(CSV["diameter"], lambda v: f"+{v}"), "same", ()),
    ("CSV", "a number with zeros before it", cell(CSV["diameter"], lambda v: f"00{v}"), "same", ()),
    ("CSV", "a pointer of Git LFS", bytes_of(SURGERY, lambda b: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"), "refused", (SURGERY, "Git LFS")),
    ("CSV", "marks of an unfinished merge", text_of(SURGERY, lambda t: t.replace("\n", "\n<<<<<<< HEAD\n", 1)), "refused", (SURGERY, "line 2 has 1")),
    ("CSV", "rows with numbers before them, as R writes them", text_of(SURGERY, lambda t: "".join(f"{x}\n" if i == 0 else f"{i},{x}\n" for i, x in enumerate(t.splitlines()))), "refused", (SURGERY, "line 2 has 6, the header 5")),
    ("CSV", "rows with numbers under no name, as pandas writes them", text_of(SURGERY, lambda t: "".join(f"{i - 1 if i else ''},{x}\n" for i, x in enumerate(t.splitlines()))), "same", ()),
    ("CSV", "single quotation marks around cells", text_of(SURGERY, lambda t: "".join(",".join(f"'{c}'" for c in x.split(",")) + "\n" for x in t.splitlines())), "refused", (SURGERY, "similar: 'Date'")),
    ("CSV", "a letter of another alphabet in an id", cell(ID, lambda v: v.replace("C", "\u0421")), "left out", ("patient not in",)),
    ("CSV", "two ids in a cell", cell(ID, lambda v: f"{v}; {v}"), "left out", ("patient not in",)),
    ("CSV", "a comment above the header", text_of(SURGERY, lambda t: f"# exported\n{t}"), "refused", (SURGERY, "the header 1", "skip_rows")),
    ("Excel", "dates shown without a day", dates_shown("mmm-yy"), "refused", ("surgery.xlsx", "partial dates")),
    ("Excel", "dates shown as a year", dates_shown("yyyy", "01-01"), "refused", ("surgery.xlsx", "partial dates")),
    ("Excel", "dates shown in Chinese", dates_shown('[$-804]yyyy"年"m"月"d"日"', None), "same", ()),
    ("Excel", "dates shown as numbers", dates_shown("General", None), "refused", ("surgery.xlsx", "serial numbers")),
    ("Excel", "a zero shown as a dash", formatted("Diameter", '0.0;-0.0;"-"', 0.0), "repaired", ("lesions.xlsx", "zero_as_text")),
    ("Excel", "a number shown per mille", formatted("Diameter", '0.0"‰"'), "repaired", ("lesions.xlsx", "unit_in_format")),
    ("Excel", "a column of no width", no_width, "repaired", ("surgery.xlsx", "hidden_column")),
    ("Excel", "rows and columns that are folded", sheet_of("surgery.xlsx", lambda s: s.row_dimensions.group(3, 5, hidden=True)), "repaired", ("surgery.xlsx", "hidden_rows")),
    ("Excel", "a table that begins in column C", sheet_of("surgery.xlsx", lambda s: s.insert_cols(1, 2)), "same", ()),
    ("Excel", "a table that begins in row 4", sheet_of("surgery.xlsx", lambda s: s.insert_rows(1, 3)), "same", ()),
    ("Excel", "a title above the header", sheet_of("surgery.xlsx", lambda s: [s.insert_rows(1), setattr(s["A1"], "value", "Surgery")]), "refused", ("surgery.xlsx", "skip_rows")),
    ("Excel", "an id as a number of 16 digits", put("E2", 1234567890123456), "refused", ("surgery.xlsx", "ID", "15 digits")),
    ("Excel", "a link by a formula", put("E2", '=HYPERLINK("http://example.org","a")'), "refused", ("surgery.xlsx", "formulas without a result", "E2")),
    ("MAF", "classes in VEP's words", cell((MAF, "Variant_Classification", where("Variant_Classification", "Missense_Mutation")), "missense_variant&splice_region_variant"), "repaired", (MAF, "classification: in the words of MAF")),
    ("MAF", "classes in lower case", cell((MAF, "Variant_Classification", where("Variant_Classification", "Missense_Mutation")), "missense_mutation", None), "repaired", (MAF, "classification: in the words of MAF")),
    ("MAF", "a class that there is not", cell((MAF, "Variant_Classification", every), "damaging"), "warned", (MAF, "classification_unknown")),
    ("MAF", "a nonsense mutation whose protein change is another", cell((MAF, "Variant_Classification", where("Variant_Classification", "Missense_Mutation")), "Nonsense_Mutation"), "warned", (MAF, "classification_contradicts_hgvs")),
    ("MAF", "reads of the reference that contradict the depth", on_file(MAF, lambda f: f.assign(t_ref_count="5")), "warned", (MAF, "depth_contradicts_counts")),
    ("MAF", "rows that are called germline", on_file(MAF, lambda f: f.assign(Mutation_Status="Germline")), "warned", (MAF, "germline_status")),
    ("MAF", "several genes in a cell", cell((MAF, "Hugo_Symbol", where("Hugo_Symbol", "TP53")), "TP53;WRAP53"), "refused", (MAF, "gene_not_on_panel")),
    ("MAF", "a gene by its number", cell((MAF, "Hugo_Symbol", where("Hugo_Symbol", "TP53")), "7157"), "refused", (MAF, "gene_not_on_panel")),
    ("MAF", "a sample named by its file", cell((MAF, "Tumor_Sample_Barcode", every), lambda v: f"/data/{v}.bam"), "refused", (MAF, "unknown_reference")),
    ("MAF", "a fraction of the laboratory in per cent", on_file(MAF, lambda f: f.assign(VAF=[str(float(v) * 100) for v in f["VAF"]])), "warned", (MAF, "fraction_contradicts_counts")),
    ("MAF", "two files joined", text_of(MAF, lambda t: t + t), "refused", (MAF, "repeat the header")),
    ("REDCap", "a dictionary with a byte order mark", bytes_of("redcap_dictionary.csv", lambda b: b"\xef\xbb\xbf" + b), "same", ()),
    ("CSV", "an approximate number", cell(CSV["diameter"], "≈20"), "refused", (LESIONS, "approximate numbers")),
    ("CSV", "a number with an apostrophe between its digits", cell(CSV["diameter"], "1'234"), "refused", (LESIONS, "thousands")),
    ("CSV", "a minus behind a number", cell(CSV["diameter"], "20-"), "refused", (LESIONS, "type: float")),
    ("CSV", "a missing value of SAS with its letter", cell(CSV["diameter"], ".A"), "refused", (LESIONS, "type: float")),
    ("CSV", "a missing value of SAS", cell(CSV["diameter"], "."), "refused", (LESIONS, "often mean missing")),
    ("CSV", "a number that is none, as Windows writes it", cell(CSV["diameter"], "-1.#IND"), "refused", (LESIONS, "type: float")),
    ("CSV", "a letter O for a zero", cell(CSV["diameter"], "2O"), "refused", (LESIONS, "type: float")),
    ("CSV", "a number in Chinese characters", cell(CSV["diameter"], "二十"), "refused", (LESIONS, "type: float")),
    ("CSV", "a digit in a circle", cell(CSV["diameter"], "②"), "refused", (LESIONS, "type: float")),
    ("CSV", "a number with two points", cell(CSV["diameter"], "20.5.1"), "refused", (LESIONS, "type: float")),
    ("CSV", "an age with a plus behind", cell(CSV["age"], "50+"), "refused", ("subjects.csv", "marks beside the numbers")),
    ("CSV", "years of birth for ages", cell(CSV["age"], "1975", None), "refused", ("subjects.csv", "range")),
    ("CSV", "a fraction in parts per million", cell(CSV["vaf"], "120 ppm"), "refused", ("ctdna_samples.csv", "units beside the numbers")),
    ("CSV", "a fraction as a ratio", cell(CSV["vaf"], "1:1000"), "refused", ("ctdna_samples.csv", "type: float")),
    ("CSV", "a word for below the limit", cell(CSV["vaf"], "<LOD"), "refused", ("ctdna_samples.csv", "type: float")),
    ("CSV", "a date of the Islamic calendar", cell(CSV["surgery"], "1447-11-14"), "refused", (SURGERY, "before 1900")),
    ("CSV", "a date by quarter", cell(CSV["surgery"], "2026-Q2"), "refused", (SURGERY, "type: date")),
    ("CSV", "a span of two dates", cell(CSV["surgery"], "2026-05-01/2026-05-03"), "refused", (SURGERY, "type: date")),
    ("CSV", "a date with the day of the week", cell(CSV["surgery"], "Fri 2026-05-01"), "refused", (SURGERY, "type: date")),
    ("CSV", "seconds since 1970", cell(CSV["surgery"], "1777593600"), "refused", (SURGERY, "since 1970")),
    ("CSV", "a month of zero", cell(CSV["surgery"], "2026-00-01"), "refused", (SURGERY, "type: date")),
    ("CSV", "an hour of 24", cell(CSV["draw"], lambda v: f"{v}T24:00:00"), "repaired", ("ctdna_samples.csv", "time_cut_off")),
    ("CSV", "a letter of another alphabet in a level", cell(CSV["yp_t"], "yp\u04220"), "refused", (SURGERY, "levels")),
    ("CSV", "a level in other letters", cell(CSV["yp_t"], lambda v: v.upper()), "refused", (SURGERY, "levels")),
    ("CSV", "colours of a terminal around a level", cell(CSV["yp_t"], lambda v: f"\x1b[31m{v}\x1b[0m"), "refused", (SURGERY, "levels")),
    ("CSV", "lines that end with the separator of lines of Unicode", text_of(SURGERY, lambda t: t.replace("\n", "\u2028")), "refused", (SURGERY, "no line end")),
    ("CSV", "quotation marks escaped by a backslash", text_of(SURGERY, lambda t: t.replace("yp", '"y\\"p', 1) if "yp" in t.split("\n", 1)[0] else t), "refused", (SURGERY,)),
    ("CSV", "a line of blanks", text_of(SURGERY, lambda t: t.replace("\n", "\n   \n", 1)), "repaired", (SURGERY, "empty_rows")),
    ("CSV", "ids with a point and a zero behind", on_file(SURGERY, lambda f: f.assign(ID=f["ID"] + ".0")), "refused", (SURGERY, "with the pattern")),
    ("CSV", "underscores for the hyphens of all ids", on_file(SURGERY, lambda f: f.assign(ID=f["ID"].str.replace("-", "_"))), "refused", (SURGERY, "none of its")),
    ("CSV", "an id that became a number with an exponent", cell(ID, "1.23E+05"), "left out", ("patient not in",)),
    ("Excel", "a number shown as a fraction", formatted("Diameter", "# ?/?"), "same", ()),
    ("Excel", "a text shown before a number", formatted("Diameter", '"ca. "0'), "repaired", ("lesions.xlsx", "unit_in_format")),
    ("Excel", "a word shown for large numbers", formatted("Diameter", '[>100]"large";0'), "repaired", ("lesions.xlsx", "unit_in_format")),
    ("Excel", "days shown as hours that have passed", dates_shown("[h]:mm", None), "refused", ("surgery.xlsx", "type: date")),
    ("Excel", "a formula that spills", put("D2", "#SPILL!"), "refused", ("surgery.xlsx", "ypN", "error or a formula")),
    ("Excel", "a truth value for an id", put("E2", True), "left out", ("patient not in",)),
    ("Excel", "a row of totals", sheet_of("surgery.xlsx", lambda s: s.append([None, None, None, None, "Total"])), "left out", ("patient not in",)),
    ("Excel", "frozen rows and columns", sheet_of("surgery.xlsx", lambda s: setattr(s, "freeze_panes", "B2")), "same", ()),
    ("MAF", "a column behind all others without a name", text_of(MAF, lambda t: t.replace("\n", "\t\n")), "same", ()),
    ("MAF", "a count with a comma between its digits", cell((MAF, "t_alt_count", every), "1,234"), "refused", (MAF, "t_alt_count", "whole numbers")),
    ("MAF", "a depth of zero", cell((MAF, "t_depth", every), "0"), "refused", (MAF, "required_value")),
    ("MAF", "a gene that became a day's number", cell((MAF, "Hugo_Symbol", every), "44256"), "refused", (MAF, "a date in place of a gene symbol")),
    ("VCF", "counts that are not known", text_of(VCF, first_record(9, ".:900:.")), "refused", ("vcf/", "unknown count is not a small one")),
    ("VCF", "an allele that joins another chromosome", text_of(VCF, first_record(4, "G[17:198982[")), "left out", ("no allele with bases",)),
    ("REDCap", "codes with a point and a zero behind", on_file("redcap.csv", lambda f: f.assign(menopause=[f"{v}.0" if v else v for v in f["menopause"]])), "refused", ("redcap.csv", "menopause", "code")),
    ("SDTM Dataset-JSON", "rows as objects", text_of("dm.json", lambda t: re.sub(r'"rows": \[\[', '"rows": [{"a": 1}, [', t, count=1)), "refused", ("dm.json",)),
]  # fmt: skip
HABITS = [Fault(*entry) for entry in LISTED]
