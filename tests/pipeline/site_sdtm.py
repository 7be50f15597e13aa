"""Contract tables written as SDTM domains the way the implementation guide has them, without a mapping.

After SDTMIG 3.4: EX with a record a drug, LB with LBORRES, LBSTRESC and LBSTRESN and pregnancy tests in words
(LB examples 1 and 3), QTcF in EG, MI by test and detail (MI examples 1 and 2), GF with predicted changes and
copy number (GF example 1), TU, TR and RS by RECIST 1.1 (their examples 1 to 3), MENOSTAT in RP.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.sources.formats.sdtm import write_dataset

Tables = Mapping[str, pd.DataFrame]
Row = dict[str, Any]
STUDY = "NCT07239271"
VISITS = {
    "baseline": "BASELINE", "c1": "CYCLE 1 DAY 21", "c2": "CYCLE 2 DAY 21", "c4": "CYCLE 4 DAY 21",
    "presurgery": "PRESURGERY",
}  # fmt: skip
METHODS = {"MRI": "MRI", "US": "ULTRASOUND", "CT": "CT SCAN", "MAMMO": "MAMMOGRAPHY", "PET": "PET SCAN"}
READERS = {"INVESTIGATOR": "INVESTIGATOR", "INDEPENDENT": "INDEPENDENT ASSESSOR"}
SITES = {"breast": "BREAST", "axillary": "AXILLARY LYMPH NODE", "other_node": "LYMPH NODE", "other": "LIVER"}
DRUGS = {
    "NAB_PHP": ["NAB-PACLITAXEL", "TRASTUZUMAB", "PERTUZUMAB"],
    "TCBHP": ["DOCETAXEL", "CARBOPLATIN", "TRASTUZUMAB", "PERTUZUMAB"],
    "PYROHT": ["PYROTINIB", "DOCETAXEL", "TRASTUZUMAB"],
    "EVEROHT": ["EVEROLIMUS", "DOCETAXEL", "TRASTUZUMAB"],
    "ADC": ["TRASTUZUMAB REZETECAN"],
    "ACH": ["DOXORUBICIN", "CYCLOPHOSPHAMIDE", "TRASTUZUMAB"],
}
ORAL = ("PYROTINIB", "EVEROLIMUS")
LABS = {
    "ANC": ("LB", "NEUT", "10*9/L"), "WBC": ("LB", "WBC", "10*9/L"), "PLT": ("LB", "PLAT", "10*9/L"),
    "HGB": ("LB", "HGB", "g/L"), "TBIL": ("LB", "BILI", "umol/L"), "ALT": ("LB", "ALT", "U/L"),
    "AST": ("LB", "AST", "U/L"), "CREAT": ("LB", "CREAT", "umol/L"), "PT": ("LB", "PT", "sec"),
    "APTT": ("LB", "APTT", "sec"), "INR": ("LB", "INR", "RATIO"), "HCG": ("LB", "HCG", ""),
    "QTC": ("EG", "QTCFAG", "msec"), "SYSBP": ("VS", "SYSBP", "mmHg"), "DIABP": ("VS", "DIABP", "mmHg"),
    "LVEF": ("CV", "LVEF", "%"), "HBSAG": ("MB", "HBSAG", ""), "HCVAB": ("MB", "HCAB", ""),
    "HIVAB": ("MB", "HIV12AB", ""), "TPAB": ("MB", "TPLAB", ""),
}  # fmt: skip
IN_WORDS = ("HCG", "HBSAG", "HCVAB", "HIVAB", "TPAB")
CHARACTERISTICS = {
    "ct": "CTCAT", "cn": "CNCAT", "cm": "CMCAT", "stage": "STAGE", "stage_group": "STAGEGRP",
    "cn_confirmed": "CNCONF", "pre_nat_slnb": "PRESLNB", "tumour_size_mm": "TUMSIZE",
}  # fmt: skip
FLAGS = {
    "inflammatory": "INFLAM", "multifocal": "MULTIFOC", "bilateral": "BILAT", "prior_treatment": "PRIORTRT",
    "other_malignancy": "OTHMALIG", "other_trial": "OTHTRIAL", "major_surgery": "MAJSURG",
    "transfusion": "TRANSF", "anticoagulated": "ANTICOAG", "gilbert": "GILBERT",
}  # fmt: skip
STAINS = {
    "hr": ("HR", "RECEPTOR OVERALL STATUS"), "er_pct": ("ESTRCPT", "PERCENT POSITIVE CELL"),
    "pr_pct": ("PROGESTR", "PERCENT POSITIVE CELL"), "ki67_pct": ("KI67", "PERCENT POSITIVE CELL"),
    "her2_ihc": ("HER2", "STAINING INTENSITY"), "her2": ("HER2", "RECEPTOR OVERALL STATUS"),
    "grade": ("OVLTGRD", "NOTTINGHAM HISTOLOGIC GRADE"), "hist": ("HISTTYPC", ""), "til_pct": ("TIL", ""),
    "intrinsic_subtype": ("INTRSUBT", ""), "risk_class": ("RISKCLS", ""), "central_review": ("CENTRAL", ""),
    "her2_heterogeneity": ("HER2HET", ""),
}  # fmt: skip
WORDS = {"pos": "POSITIVE", "neg": "NEGATIVE", "none": "NOT DONE"}
SPECIMEN = {"yp_t": "YPT", "yp_n": "YPN", "rcb_index": "RCBINDEX", "rcb_class": "RCBCLASS"}
SAMPLE = {
    "assay_type": "ASSAYTYP", "lod_vaf": "LODVAF", "qc": "QC", "result": "CTDNA", "mean_vaf": "MEANVAF",
    "mtm_per_ml": "MTMPERML", "n_targets": "NTARGETS", "n_detected": "NDETECT", "tumour_fraction": "TUMFRAC",
    "wbc_sequenced": "WBCSEQ",
}  # fmt: skip
ORIGINS = {"tumor": "TUMOR", "ch": "CLONAL HEMATOPOIESIS", "germline": "GERMLINE", "unknown": "UNKNOWN"}
IMPACTS = {"Y": "PATHOGENIC", "N": "BENIGN", "VUS": "UNCERTAIN SIGNIFICANCE"}
DEPARTURES = {
    "death": "DEATH", "progression": "PROGRESSIVE DISEASE", "inoperable": "INOPERABLE",
    "lost": "LOST TO FOLLOW-UP", "consent_withdrawn": "WITHDRAWAL BY SUBJECT", "toxicity": "ADVERSE EVENT",
    "other": "OTHER",
}  # fmt: skip
QUANTITIES = {
    "FTV": "FTV",
    "SUVmax": "SUVMAX",
    "ADC": "ADC",
    "longest_diameter": "LDMRI",
    "sphericity": "SPHERIC",
}


def rows_of(frame: pd.DataFrame | None) -> Iterator[Row]:
    """Yield the rows of a table without what is missing; days as text."""
    for row in () if frame is None else frame.to_dict("records"):
        filled = {str(key): value for key, value in row.items() if not pd.isna(value)}
        yield {k: f"{v:%Y-%m-%d}" if isinstance(v, pd.Timestamp) else v for k, v in filled.items()}


def finding(domain: str, row: Row, code: str, result: Any, unit: str = "", **more: Any) -> Row:
    """Return a record of a findings domain with its result as collected, as standard text and as number."""
    number = None if isinstance(result, str) else float(result)
    text = result if number is None else repr(number)
    values = {
        "TESTCD": code, "TEST": code.title(), "ORRES": text, "STRESC": text, "STRESN": number,
        "ORRESU": unit, "STRESU": unit,
    }  # fmt: skip
    return {"USUBJID": row["usubjid"]} | {f"{domain}{key}": v for key, v in (values | more).items()}


def exposure(tables: Tables) -> Iterator[Row]:
    """Yield a record a drug: infusions at the visit, tablets over the days of the cycle at home."""
    for row in rows_of(tables["exposure"]):
        start, cycle = pd.Timestamp(row["start_date"]), f"CYCLE {row['cycle']} DAY 1"
        for drug in DRUGS[row["regimen"]]:
            end = start + pd.Timedelta(days=13 if drug in ORAL else 0)
            yield {
                "USUBJID": row["usubjid"], "EXTRT": drug, "EXDOSE": 400.0, "EXDOSU": "mg",
                "EXSTDTC": f"{start:%Y-%m-%d}", "EXENDTC": f"{end:%Y-%m-%d}",
                "VISIT": "" if drug in ORAL else cycle,
            }  # fmt: skip


def tests(tables: Tables) -> Iterator[tuple[str, Row]]:
    """Yield laboratory, cardiac and vital tests, each in its domain; serology in words."""
    for row in rows_of(tables["labs"]):
        domain, code, unit = LABS[row["testcd"]]
        worded = row["testcd"] in IN_WORDS
        result = ("POSITIVE" if row["value"] else "NEGATIVE") if worded else row["value"]
        more = {"DTC": row.get("lab_date", "")} | ({"STNRHI": row.get("uln")} if domain == "LB" else {})
        yield domain, finding(domain, row, code, result, unit, **more) | {"VISIT": VISITS[row["visit"]]}


def microscopy(tables: Tables) -> Iterator[Row]:
    for row in rows_of(tables["pathology"]):
        at = {"DTC": row.get("biopsy_date", "")}
        for column, (code, detail) in STAINS.items():
            if column in row:
                result = WORDS.get(row[column], row[column]) if isinstance(row[column], str) else row[column]
                result = result.upper() if column in {"hist", "her2_heterogeneity"} else result
                result = result.replace("_", " ") if isinstance(result, str) else result
                result = f"GRADE {result}" if column == "grade" else result
                record = finding("MI", row, code, result, TSTDTL=detail, **at)
                yield record | {"VISIT": "BASELINE", "REPDTC": row.get("report_date", "")}
    for row in rows_of(tables["surgery"]):
        for column, code in SPECIMEN.items():
            if column in row:
                yield finding("MI", row, code, row[column], TSTDTL="", DTC=row["surgery_date"]) | {
                    "VISIT": "SURGERY"
                }


def hybridisation(tables: Tables) -> Iterator[Row]:
    """Yield in-situ hybridisation of ERBB2: its status, or that it was not done, ratio and copies."""
    at = {"VISIT": "BASELINE", "GFSYM": "ERBB2", "GFMETHOD": "FISH", "GFCAT": "IN SITU HYBRIDIZATION"}
    status = "COPY NUMBER ALTERATION INTERPRETATION"
    for row in rows_of(tables["pathology"]):
        if row.get("ish") == "not_done":
            yield finding("GF", row, "CPNUMVAR", "", TSTDTL=status, STAT="NOT DONE") | at
        elif "ish" in row:
            told = row["ish"].upper().replace("_", " ").replace("AMPLIFIED", "AMPLIFICATION", 1)
            told = told.replace("NOT AMPLIFICATION", "NOT AMPLIFIED")
            yield finding("GF", row, "CPNUMVAR", told, TSTDTL=status) | at
        for column, detail in (("her2_cep17", "COPY NUMBER RATIO"), ("her2_copies", "NUMBER OF GENE COPIES")):
            if column in row:
                yield finding("GF", row, "CPNUMVAR", row[column], TSTDTL=detail) | at


def plasma_results(tables: Tables) -> Iterator[Row]:
    """Yield what an assay says of each plasma sample, or that it was not done."""
    for row in rows_of(tables["ctdna_samples"]):
        at = {"GFREFID": row["sample_id"], "GFCAT": "CTDNA RESULT", "GFMETHOD": row.get("assay_id", "")}
        results = {code: row[column] for column, code in SAMPLE.items() if column in row}
        if results.get("QC") == "not_done":
            del results["QC"]
        for code, result in results.items():
            told = result.upper().replace("_", " ") if isinstance(result, str) else result
            yield finding("GF", row, code, told) | at
        if not results:
            yield finding("GF", row, "CTDNA", "", STAT="NOT DONE") | at


def genomics(tables: Tables) -> Iterator[Row]:
    """Yield hybridisation, results of plasma samples, and a group of records for each variant."""
    yield from hybridisation(tables)
    yield from plasma_results(tables)
    patients = dict(tables["ctdna_samples"][["sample_id", "usubjid"]].itertuples(index=False, name=None))
    for number, row in enumerate(rows_of(tables.get("ctdna_variants"))):
        at = {"GFREFID": row["sample_id"], "GFCAT": "CTDNA VARIANT", "GFMETHOD": ""}
        at |= {"WBCVAF": row.get("wbc_vaf"), "ORIGIN": ORIGINS[row["origin"]]}
        at["INTISSUE"] = row.get("in_tissue", "").replace("_", " ").upper()
        yield from variant({**row, "usubjid": patients[row["sample_id"]]}, at, f"P{number}")
    for number, row in enumerate(rows_of(tables.get("tissue_variants"))):
        at = {"GFREFID": f"{row['usubjid']}-T", "GFCAT": "TISSUE VARIANT", "GFMETHOD": ""}
        at |= {"PANEL": row["panel_genes"], "REPDTC": row["report_date"]}
        yield from variant(row, at, f"T{number}")


def variant(row: Row, at: Row, group: str) -> Iterator[Row]:
    """Yield the records of one variant; what is said of the whole group stands with its first record."""
    code = "SNV" if row["classification"] in {"Missense_Mutation", "Nonsense_Mutation"} else "SHRTVAR"
    change = row["hgvsp"]
    detail = "PREDICTED AMINO ACID CHANGE" if change.startswith("p.") else "PREDICTED CODING SEQUENCE CHANGE"
    results: list[tuple[str, Any, str]] = [
        (detail, change, ""),
        ("VARIANT READ DEPTH/READ DEPTH", row["vaf"], "RATIO"),
    ]
    if "pathogenic" in row:
        results.append(("VARIANT IMPACT CLASSIFICATION", IMPACTS[row["pathogenic"]], ""))
    for column, name in (("t_alt_count", "VARIANT READ DEPTH"), ("t_depth", "READ DEPTH")):
        if column in row:
            results.append((name, row[column], ""))
    same = {"GFGRPID": group, "GFSYM": row["gene"], "GFREFID": at["GFREFID"], "GFCAT": at["GFCAT"]}
    for place, (name, result, unit) in enumerate(results):
        record = finding("GF", row, code, result, unit, TSTDTL=name) | same
        yield record | (at if place == 0 else {})
    yield finding("GF", row, "MAFCLASS", row["classification"]) | same


def tumours(tables: Tables) -> tuple[list[Row], list[Row]]:
    """Return TU, each lesion once, and TR, a diameter or the state of each lesion at each visit."""
    lesions = tables["lesions"]
    identified = lesions.drop_duplicates(["usubjid", "lesion_id"])
    tu = [
        finding("TU", row, "TUMIDENT", row["target"].upper().replace("NONT", "NON-T"))
        | {"TULNKID": row["lesion_id"], "TULOC": SITES[row["site"]], "VISIT": VISITS[row["visit"]]}
        for row in rows_of(identified)
    ]
    reasons = {"not_done": "SCAN NOT PERFORMED", "not_evaluable": "NOT ASSESSABLE: IMAGE OBSCURED TUMOR"}
    tr = []
    for row in rows_of(lesions):
        undone = row["status"] != "done"
        more = {"STAT": "NOT DONE", "REASND": reasons[row["status"]]} if undone else {}
        size = "" if undone or "diameter_mm" not in row else row["diameter_mm"]
        tr.append(
            finding("TR", row, "DIAMETER", size, "mm", LNKID=row["lesion_id"], **more)
            | scan(row, "TR", "scan_date")
        )
    for row in rows_of(tables.get("imaging_features")):
        undone = row["status"] != "done"
        more = {"STAT": "NOT DONE", "REASND": row["status"].upper().replace("_", " ")} if undone else {}
        value = row.get("value", "")
        record = finding("TR", row, QUANTITIES[row["feature"]], value, row.get("unit", ""), LNKID="", **more)
        tr.append(record | scan(row, "TR", "scan_date"))
    return tu, tr


def scan(row: Row, domain: str, date: str) -> Row:
    """Return when, how and by whom a scan was read."""
    reader = READERS[row["reader"]] if "reader" in row else ""
    place = {"VISIT": VISITS[row["visit"]], f"{domain}DTC": row.get(date, ""), f"{domain}EVAL": reader}
    return place | {
        f"{domain}METHOD": METHODS[row["method"]], "REPDTC": row.get("report_date", ""),
        "IMAGEQC": row.get("image_qc", ""),
    }  # fmt: skip


def responses(tables: Tables) -> Iterator[Row]:
    for row in rows_of(tables["response"]):
        undone = row["overall"] == "ND"
        at = scan(row, "RS", "assessment_date") | {"METHOD": METHODS[row["method"]], "RSCAT": "RECIST 1.1"}
        del at["IMAGEQC"], at["RSMETHOD"]
        result, more = ("", {"STAT": "NOT DONE"}) if undone else (row["overall"], {})
        yield finding("RS", row, "OVRLRESP", result, **more) | at
        for column, code in (("target_response", "TRGRESP"), ("nontarget_response", "NTRGRESP")):
            if column in row:
                yield finding("RS", row, code, row[column].replace("NON_CR_NON_PD", "NON-CR/NON-PD")) | at


def subjects(tables: Tables) -> dict[str, list[Row]]:
    """Return DM, DS, SC, VS, RP and RS records of the patients."""
    made: dict[str, list[Row]] = {name: [] for name in ("DM", "DS", "SC", "VS", "RP", "RS")}
    for row in rows_of(tables["subjects"]):
        who = {"USUBJID": row["usubjid"]}
        dm = {
            "SITEID": "siteid",
            "COUNTRY": "country",
            "RFICDTC": "consent_date",
            "ARMCD": "arm",
            "SEX": "sex",
        }
        flags = {name: row.get(column, "") for column, name in FLAGS.items()}
        made["DM"].append(
            who
            | {k: row.get(v, "") for k, v in dm.items()}
            | flags
            | {"AGE": row["age_years"], "AGEU": "YEARS", "RACE": row.get("race", "")}
        )
        made["DS"].append(
            who
            | {
                "DSDECOD": "RANDOMIZED",
                "DSTERM": "RANDOMIZED",
                "DSCAT": "PROTOCOL MILESTONE",
                "DSSTDTC": row["rand_date"],
            }
        )
        for column, code in CHARACTERISTICS.items():
            if column in row:
                value = row[column]
                lower = column in {"cn_confirmed", "pre_nat_slnb"}
                made["SC"].append(
                    finding("SC", row, code, WORDS.get(value, value.upper()) if lower else value)
                )
        at = {"VISIT": "BASELINE"}
        made["VS"] += [finding("VS", row, "BMI", row["bmi"], "kg/m2", DTC="") | at] if "bmi" in row else []
        if "menopause" in row:
            made["RP"].append(finding("RP", row, "MENOSTAT", f"{row['menopause'].upper()}-MENOPAUSE") | at)
        if "ecog" in row:
            made["RS"].append(finding("RS", row, "ECOG101", str(row["ecog"])) | at | {"RSCAT": "ECOG"})
    for row in rows_of(tables.get("disposition")):
        made["DS"].append(
            {
                "USUBJID": row["usubjid"],
                "DSDECOD": DEPARTURES[row["reason"]],
                "DSTERM": DEPARTURES[row["reason"]],
                "DSCAT": "DISPOSITION EVENT",
                "DSSTDTC": row.get("event_date", ""),
            }
        )
    return made


def specimens(tables: Tables) -> tuple[list[Row], list[Row]]:
    """Return BE, each plasma sample's collection, and BS, what was measured of it."""
    be, bs = [], []
    for row in rows_of(tables["ctdna_samples"]):
        be.append({
            "USUBJID": row["usubjid"], "BEREFID": row["sample_id"], "BETERM": "Collecting",
            "BEDECOD": "COLLECTING", "BECAT": "PLASMA", "VISIT": VISITS[row["visit"]],
            "BESTDTC": row.get("draw_date", ""), "PLANNED": row.get("planned", ""),
            "CYCLEDAY": row.get("cycle_day", ""), "REPDTC": row.get("report_date", ""),
            "PANEL": row.get("panel_genes", ""),
        })  # fmt: skip
        for column, code, unit in (("plasma_ml", "VOLUME", "mL"), ("cfdna_ng_ml", "CONC", "ug/L")):
            if column in row:
                bs.append(finding("BS", row, code, row[column], unit, REFID=row["sample_id"]))
    return be, bs


QUALIFIERS = {
    "DM": [*FLAGS.values()], "MI": ["REPDTC"], "TR": ["REPDTC", "IMAGEQC"], "RS": ["REPDTC", "METHOD"],
    "GF": ["WBCVAF", "ORIGIN", "INTISSUE", "PANEL", "REPDTC"],
    "BE": ["PLANNED", "CYCLEDAY", "REPDTC", "PANEL"],
}  # fmt: skip


def write_domain(folder: Path, domain: str, records: Iterable[Row]) -> None:
    """Write a domain with its identifiers, and its supplemental qualifiers beside it."""
    frame = pd.DataFrame(list(records))
    if frame.empty:
        return
    frame = frame.assign(STUDYID=STUDY, DOMAIN=domain)
    if domain != "DM":
        frame[f"{domain}SEQ"] = frame.groupby("USUBJID").cumcount() + 1.0
    extra = [name for name in QUALIFIERS.get(domain, []) if name in frame]
    for name in frame.select_dtypes(exclude="number"):
        numbers = name.endswith(("STRESN", "STNRHI", "DOSE", "AGE"))
        frame[name] = pd.to_numeric(frame[name]) if numbers else frame[name].fillna("").astype(str)
    write_dataset(frame.drop(columns=extra), folder / f"{domain.lower()}.xpt", STUDY)
    key = "" if domain == "DM" else f"{domain}SEQ"
    long = [
        {
            "STUDYID": STUDY, "RDOMAIN": domain, "USUBJID": row["USUBJID"], "IDVAR": key,
            "IDVARVAL": f"{row[key]:.0f}" if key else "", "QNAM": name, "QVAL": str(row[name]),
        }
        for row in frame.to_dict("records")
        for name in extra
        if str(row[name]) not in {"", "nan"}
    ]  # fmt: skip
    if long:
        write_dataset(pd.DataFrame(long), folder / f"supp{domain.lower()}.xpt", STUDY)


def write_site_sdtm(tables: Tables, folder: Path) -> None:
    """Write what decides on features, rules, eligibility and outcome as domains in `folder`."""
    domains: dict[str, list[Row]] = subjects(tables)
    domains["EX"] = list(exposure(tables))
    for domain, record in tests(tables):
        domains.setdefault(domain, []).append(record)
    domains["MI"], domains["GF"] = list(microscopy(tables)), list(genomics(tables))
    domains["TU"], domains["TR"] = tumours(tables)
    domains["RS"] += list(responses(tables))
    domains["BE"], domains["BS"] = specimens(tables)
    domains["PR"] = [
        {"USUBJID": row["usubjid"], "PRTRT": "BREAST SURGERY", "PRSTDTC": row.get("surgery_date", ""),
         "PROCCUR": row["performed"].replace("not_due", "")}
        for row in rows_of(tables["surgery"])
    ]  # fmt: skip
    for domain, records in domains.items():
        write_domain(folder, domain, records)
