"""Analysis datasets from raw tables: what CDISC's ADaM Implementation Guide (1.3) calls ADSL and BDS.

Dates are datetime64; a variable without a value is missing. Only what a study has is built: without
lesions there is no ADTR.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.definitions import receptor_status, target_sums, targets_from_the_first
from features.documents.study import Study
from models.efficacy.arm_comparison import arm_comparison
from models.efficacy.populations import NOT_DUE
from models.efficacy.study import patients_of

Tables = Mapping[str, pd.DataFrame]
RESPONSES = {"CR": 1.0, "PR": 2.0, "SD": 3.0, "PD": 4.0, "NE": 5.0}
RCB_CLASSES = {"0": 0.0, "I": 1.0, "II": 2.0, "III": 3.0}
PARAMETERS = {
    "PCR": "Pathological Complete Response",
    "RCBIDX": "Residual Cancer Burden Index",
    "RCBCLASS": "Residual Cancer Burden Class",
    "OVRLRESP": "Overall Response by RECIST 1.1",
    "SUMDIAM": "Sum of Diameters of Target Lesions (mm)",
}
COURSE = ["usubjid", "reader", "method"]
FROM_ADSL = ["STUDYID", "USUBJID", "TRT01P", "ITTFL", "PPROTFL", "ELIGFL", "RANDDT"]


def analysis_datasets(
    study: Study, raw: Tables, cohort: pd.DataFrame, decisions: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return the analysis datasets that the study's tables give, by name.

    Parameters
    ----------
    raw : mapping of DataFrames
        The validated tables; subjects, surgery are always there.
    cohort, decisions : DataFrame
        cohort/cohort.parquet and rules/decisions.parquet.
    """
    subjects = subject_level(study, raw, cohort, decisions)
    built = {"ADSL": subjects, "ADEFF": pathological_response(raw, cohort, subjects)}
    order = () if study.has_dated_visits else study.visits
    if "response" in raw:
        built["ADRS"] = tumour_response(raw["response"], subjects, order)
    if "lesions" in raw and order:
        built["ADTR"] = tumour_measurements(raw["lesions"], subjects, order)
    return built


def subject_level(study: Study, raw: Tables, cohort: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Return ADSL: a record for every patient, in the order of USUBJID."""
    own = decisions.loc[decisions["arm"] == study.adaptive_arm]
    patients = patients_of(cohort, raw, own, arm_comparison(study))
    entry = raw["subjects"].set_index("usubjid").reindex(patients.index)
    surgery = raw["surgery"].set_index("usubjid").reindex(patients.index)
    given = _spans(raw, "exposure", "start_date").reindex(patients.index)
    left = _first(raw, "disposition", "event_date").reindex(patients.index)
    treated = given["count"].fillna(0) > 0

    def column(frame: pd.DataFrame, name: str) -> pd.Series:
        return frame[name] if name in frame else pd.Series(np.nan, index=patients.index, dtype="object")

    prefix = f"{study.name.upper()}-"
    age = column(entry, "age_years")
    frame = pd.DataFrame(
        {
            "STUDYID": study.name.upper(),
            "USUBJID": patients.index.astype("str"),
            "SUBJID": patients.index.astype("str").str.removeprefix(prefix),
            "SITEID": column(entry, "siteid"),
            "COUNTRY": column(entry, "country"),
            "AGE": age,
            "AGEU": age.notna().map({True: "YEARS", False: None}),
            "SEX": column(entry, "sex"),
            "RACE": column(entry, "race"),
            "ARM": patients["arm"],
            "TRT01P": patients["arm"],
            "TRT01A": patients["arm"].where(treated),
            "RFICDT": column(entry, "consent_date"),
            "RANDDT": patients["rand_date"],
            "TRTSDT": given["min"],
            "TRTEDT": given["max"],
            "ITTFL": "Y",
            "SAFFL": _flag(treated),
            "PPROTFL": _flag(patients["per_protocol"] & patients["outcome"].notna()),
            "ELIGFL": _flag(patients["eligible"]),
            "HRSTAT": _hormone_status(raw).reindex(patients.index),
            "ECOGBL": column(entry, "ecog"),
            "TCATBL": column(entry, "ct"),
            "NCATBL": column(entry, "cn"),
            "STAGEBL": column(entry, "stage"),
            "SURGDT": surgery["surgery_date"].where(surgery["performed"] == "Y"),
            "OUTSTAT": patients["outcome_status"],
            "DCSREAS": left["reason"],
            "DCSDT": left["event_date"],
        }
    )
    return frame.reset_index(drop=True)


def pathological_response(raw: Tables, cohort: pd.DataFrame, subjects: pd.DataFrame) -> pd.DataFrame:
    """Return ADEFF: pCR of everybody whose surgery is due, residual cancer burden where it was reported.

    A missing outcome counts as no pCR as randomised (DTYPE NONRESP, ANL01FL); ANL02FL marks known outcomes.
    """
    due = cohort.loc[cohort["outcome_status"] != NOT_DUE]
    known = due["outcome"].notna()
    reached = due["outcome"].fillna(0.0)
    sequence = _sequence(raw["surgery"])
    parts = [
        pd.DataFrame(
            {
                "USUBJID": due["usubjid"],
                "PARAMCD": "PCR",
                "AVAL": reached,
                "AVALC": reached.map({1.0: "Y", 0.0: "N"}),
                "ADT": due["outcome_date"],
                "DTYPE": known.map({True: None, False: "NONRESP"}),
                "ANL01FL": "Y",
                "ANL02FL": known.map({True: "Y", False: None}),
                "SRCVAR": "YP_T YP_N",
            }
        )
    ]
    surgery = raw["surgery"].assign(ADT=raw["surgery"]["surgery_date"])
    for code, name in {"RCBIDX": "rcb_index", "RCBCLASS": "rcb_class"}.items():
        if name in surgery:
            rows = surgery.loc[surgery[name].notna()]
            values = rows[name].map(RCB_CLASSES) if code == "RCBCLASS" else rows[name]
            texts = rows[name].astype("str") if code == "RCBCLASS" else None
            columns = {"USUBJID": rows["usubjid"], "PARAMCD": code, "AVAL": values, "AVALC": texts}
            flags = {"ADT": rows["ADT"], "ANL02FL": "Y", "SRCVAR": name.upper()}
            parts.append(pd.DataFrame(columns | flags))
    frame = pd.concat(parts, ignore_index=True)
    frame = frame.assign(SRCDOM="SURGERY", SRCSEQ=frame["USUBJID"].map(sequence))
    return _of_subjects(frame, subjects, ["PARAMCD"])


def tumour_response(response: pd.DataFrame, subjects: pd.DataFrame, order: tuple[str, ...]) -> pd.DataFrame:
    """Return ADRS: the overall response by visit, reader and method; what was not done is no record."""
    response = response.reset_index(drop=True)
    rows = response.loc[response["overall"].isin([*RESPONSES])]
    frame = pd.DataFrame(
        {
            "USUBJID": rows["usubjid"],
            "PARAMCD": "OVRLRESP",
            "AVISIT": rows["visit"].astype("str").str.upper(),
            "AVISITN": rows["visit"].map(_places(order)),
            "AVAL": rows["overall"].map(RESPONSES),
            "AVALC": rows["overall"],
            "ADT": rows["assessment_date"],
            "EVAL": rows["reader"],
            "METHOD": rows["method"],
            "SRCDOM": "RESPONSE",
            "SRCVAR": "OVERALL",
            "SRCSEQ": rows.index + 1,
        }
    )
    return _of_subjects(frame, subjects, ["AVISITN", "AVISIT", "EVAL", "METHOD"])


def tumour_measurements(
    lesions: pd.DataFrame, subjects: pd.DataFrame, order: tuple[str, ...]
) -> pd.DataFrame:
    """Return ADTR: the sum of diameters by visit, reader and method, where no target was missed."""
    first = order[0]
    followed = lesions.loc[targets_from_the_first(lesions, COURSE, first)]
    sums = target_sums(followed, [*COURSE, "visit"])
    sums = sums.loc[(sums["missed"] == 0) & (sums["measured"] > 0)]
    dates = followed.groupby([*COURSE, "visit"])["scan_date"].max()
    rows = sums.assign(ADT=dates.reindex(sums.index)).reset_index()
    base = rows.loc[rows["visit"] == first].set_index(COURSE)["sum_mm"]
    rows = rows.join(base.rename("BASE"), on=COURSE)
    change = rows["sum_mm"] - rows["BASE"]
    frame = pd.DataFrame(
        {
            "USUBJID": rows["usubjid"],
            "PARAMCD": "SUMDIAM",
            "AVISIT": rows["visit"].astype("str").str.upper(),
            "AVISITN": rows["visit"].map(_places(order)),
            "AVAL": rows["sum_mm"],
            "BASE": rows["BASE"],
            "CHG": change.where(rows["visit"] != first),
            "PCHG": (100 * change / rows["BASE"]).where((rows["visit"] != first) & (rows["BASE"] > 0)),
            "ABLFL": (rows["visit"] == first).map({True: "Y", False: None}),
            "ADT": rows["ADT"],
            "EVAL": rows["reader"],
            "METHOD": rows["method"],
            "SRCDOM": "LESIONS",
            "SRCVAR": "DIAMETER_MM",
        }
    )
    return _of_subjects(frame, subjects, ["AVISITN", "AVISIT", "EVAL", "METHOD"])


def _of_subjects(frame: pd.DataFrame, subjects: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Add what ADSL says of each subject, the parameter's name and the study day; in the order of `by`."""
    whole = frame.merge(subjects[FROM_ADSL], on="USUBJID", validate="many_to_one")
    days = (whole["ADT"] - whole["RANDDT"]).dt.days
    whole = whole.assign(PARAM=whole["PARAMCD"].map(PARAMETERS), ADY=days + (days >= 0))
    return whole.sort_values(["USUBJID", *by], kind="stable").reset_index(drop=True)


def _hormone_status(raw: Tables) -> pd.Series:
    pathology = raw.get("pathology", pd.DataFrame())
    if not {"usubjid", "er_pct", "pr_pct"} <= set(pathology):
        return pd.Series(dtype="str")
    return receptor_status(pathology.set_index("usubjid")).str.upper()


def _spans(raw: Tables, table: str, date: str) -> pd.DataFrame:
    """Return first and last date and number of rows by patient: min, max, count."""
    if table not in raw:
        return pd.DataFrame({"min": pd.Series(dtype="datetime64[us]"), "max": pd.NaT, "count": 0})
    groups = raw[table].groupby("usubjid")
    return groups[date].agg(["min", "max"]).assign(count=groups.size())


def _first(raw: Tables, table: str, date: str) -> pd.DataFrame:
    """Return each patient's earliest row of a table; index usubjid."""
    if table not in raw:
        return pd.DataFrame(
            {"reason": pd.Series(dtype="object"), "event_date": pd.Series(dtype="datetime64[us]")}
        )
    return raw[table].sort_values([date], kind="stable").drop_duplicates("usubjid").set_index("usubjid")


def _flag(yes: pd.Series) -> pd.Series:
    return yes.fillna(False).astype(bool).map({True: "Y", False: "N"})


def _sequence(table: pd.DataFrame) -> pd.Series:
    return pd.Series(np.arange(1, len(table) + 1), index=table["usubjid"])


def _places(order: tuple[str, ...]) -> dict[str, int]:
    return {visit: place for place, visit in enumerate(order, 1)}
