"""Analysis datasets: what they say of made-up patients, the rules they keep, and what their files hold."""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pyreadstat
import pytest

from features.documents.study import Study, parse_study, with_defaults
from pipeline.adam.conformance import violations
from pipeline.adam.datasets import analysis_datasets, tumour_measurements, tumour_response
from pipeline.adam.files import DEFINE, ODM, define_xml, write_datasets
from pipeline.adam.specification import read_specification

SPECIFICATION = read_specification(Path("configs/adam.yaml"))
DAY = pd.Timestamp("2026-03-01")
DECISIONS = [
    "usubjid",
    "arm",
    "at_risk",
    "status",
    "regimen",
    "regimen_after",
    "regimen_given",
    "change_reason",
]
Frames = dict[str, pd.DataFrame]


def day(number: int) -> pd.Timestamp:
    """The day `number` of treatment; the first is the day of randomisation."""
    return DAY + pd.Timedelta(days=number - 1)


@pytest.fixture
def study() -> Study:
    document = {"study": "toy", "title": "A toy", "simulated": True, "arms": ["A", "B"], "randomised": True}
    return parse_study(with_defaults(document | {"visits": ["baseline", "c2"], "adaptive_arm": None}))


@pytest.fixture
def frames(study: Study) -> Frames:
    """P1 with pCR, P2 whose outcome is missing, P3 whose surgery is not due, who was never treated."""
    ids = ["TOY-1", "TOY-2", "TOY-3"]
    raw = {
        "subjects": pd.DataFrame({"usubjid": ids, "age_years": [50.0, 61.0, None], "sex": "F", "ct": "T2"}),
        "surgery": pd.DataFrame(
            {"usubjid": ids, "performed": ["Y", "N", "N"], "surgery_date": [day(150), pd.NaT, pd.NaT],
             "rcb_index": [0.0, None, None], "rcb_class": ["0", None, None]}
        ),
        "pathology": pd.DataFrame({"usubjid": ids, "er_pct": [0.0, 1.0, None], "pr_pct": [0.0, 0.0, None]}),
        "exposure": pd.DataFrame(
            {"usubjid": ["TOY-1", "TOY-1", "TOY-2"], "cycle": [1, 2, 1], "regimen": "X",
             "start_date": [day(3), day(24), day(4)]}
        ),
        "response": pd.DataFrame(
            {"usubjid": ["TOY-1", "TOY-2"], "visit": "c2", "overall": ["PR", "ND"],
             "assessment_date": [day(40), pd.NaT], "reader": "INVESTIGATOR", "method": "US"}
        ),
        "lesions": lesions([("baseline", -4, 30.0), ("c2", 40, 12.0)]),
        "disposition": pd.DataFrame({"usubjid": ["TOY-2"], "event_date": [day(60)], "reason": "toxicity"}),
    }  # fmt: skip
    cohort = pd.DataFrame(
        {"usubjid": ids, "arm": ["A", "B", "B"], "rand_date": DAY, "eligible": [True, True, False],
         "outcome": [1.0, None, None], "outcome_status": ["observed", "premature", "not_due"],
         "outcome_date": [day(150), pd.NaT, pd.NaT]}
    )  # fmt: skip
    return built(study, raw, cohort)


def built(study: Study, raw: Frames, cohort: pd.DataFrame) -> Frames:
    """The datasets of a study without rules, with their variables in order."""
    frames = analysis_datasets(study, raw, cohort, pd.DataFrame(columns=DECISIONS).astype({"at_risk": bool}))
    return {
        name: frame.reindex(columns=[*SPECIFICATION.datasets[name].variables])
        for name, frame in frames.items()
    }


def lesions(scans: list[tuple[str, int, float]]) -> pd.DataFrame:
    """One target of the first patient."""
    rows = [{"visit": visit, "scan_date": day(number), "diameter_mm": mm} for visit, number, mm in scans]
    return pd.DataFrame(rows).assign(
        usubjid="TOY-1", lesion_id="L1", target="target", site="breast", axis="longest", split_from=None,
        merged_into=None, status="done", reader="INVESTIGATOR", method="US",
    )  # fmt: skip


def test_subjects_have_their_populations_dates_and_receptors(frames: Frames) -> None:
    one, two, three = frames["ADSL"].to_dict("records")
    assert (one["STUDYID"], one["SUBJID"], one["TRT01P"], one["TRT01A"]) == ("TOY", "1", "A", "A")
    assert (one["TRTSDT"], one["TRTEDT"], one["SURGDT"]) == (day(3), day(24), day(150))
    assert (one["HRSTAT"], two["HRSTAT"]) == ("NEG", "POS")
    assert [row["SAFFL"] for row in (one, two, three)] == ["Y", "Y", "N"]
    assert [row["PPROTFL"] for row in (one, two, three)] == ["Y", "N", "N"]
    assert [row["ELIGFL"] for row in (one, two, three)] == ["Y", "Y", "N"]
    assert (two["DCSREAS"], two["DCSDT"]) == ("toxicity", day(60))
    assert pd.isna(three["TRT01A"])
    assert pd.isna(three["AGE"])
    assert pd.isna(three["AGEU"])


def test_a_missing_outcome_counts_as_no_response_and_is_marked_and_one_not_due_is_no_record(
    frames: Frames,
) -> None:
    pcr = frames["ADEFF"].query("PARAMCD == 'PCR'").set_index("USUBJID")
    assert pcr.index.to_list() == ["TOY-1", "TOY-2"]
    assert pcr["AVAL"].to_list() == [1.0, 0.0]
    assert pcr["DTYPE"].fillna("").to_list() == ["", "NONRESP"]
    assert pcr["ANL02FL"].fillna("").to_list() == ["Y", ""]
    assert pcr.loc["TOY-1", ["ADY", "SRCDOM", "SRCSEQ"]].to_list() == [150, "SURGERY", 1]
    burden = frames["ADEFF"].query("PARAMCD == 'RCBCLASS'")
    assert burden[["USUBJID", "AVAL", "AVALC"]].to_numpy().tolist() == [["TOY-1", 0.0, "0"]]


def test_responses_and_sums_stand_by_visit_and_what_was_not_done_is_no_record(frames: Frames) -> None:
    (response,) = frames["ADRS"].to_dict("records")
    assert (response["AVALC"], response["AVAL"], response["AVISITN"], response["ADY"]) == ("PR", 2.0, 2, 40)
    first, second = frames["ADTR"].to_dict("records")
    assert (first["ABLFL"], first["AVAL"], first["ADY"]) == ("Y", 30.0, -5), "there is no day 0"
    assert (second["BASE"], second["CHG"], second["PCHG"]) == (30.0, -18.0, pytest.approx(-60))
    assert pd.isna(first["CHG"])


def test_these_datasets_keep_every_rule(frames: Frames) -> None:
    assert violations(frames, SPECIFICATION) == []


BROKEN: dict[str, Callable[[Frames], Frames]] = {
    "ADSL: STUDYID, USUBJID": lambda f: f | {"ADSL": pd.concat([f["ADSL"], f["ADSL"].iloc[:1]])},
    "ADSL: ARM: must not be empty": lambda f: f | {"ADSL": f["ADSL"].assign(ARM=None)},
    "ADSL: SITEID: 3 records have more than 200": lambda f: f | {"ADSL": f["ADSL"].assign(SITEID="é" * 101)},
    "ADSL: SAFFL: must be Y or N": lambda f: f | {"ADSL": f["ADSL"].assign(SAFFL="yes")},
    "ADSL: variables must be those": lambda f: f | {"ADSL": f["ADSL"].assign(MORE=1)},
    "ADEFF: ANL01FL: must be Y or empty": lambda f: f | {"ADEFF": f["ADEFF"].assign(ANL01FL="N")},
    "ADEFF: AVAL, AVALC": lambda f: f | {"ADEFF": f["ADEFF"].assign(AVALC="Y")},
    "ADEFF: PARAM, PARAMCD": lambda f: f | {"ADEFF": f["ADEFF"].assign(PARAM="the same")},
    "ADEFF: PARAMCD: has more": lambda f: f | {"ADEFF": f["ADEFF"].assign(PARAMCD="TOOLONGNAME")},
    "ADEFF: TRT01P: is not that of ADSL in 4": lambda f: f | {"ADEFF": f["ADEFF"].assign(TRT01P="C")},
    "ADRS: USUBJID: 1 records are of subjects": lambda f: f | {"ADRS": f["ADRS"].assign(USUBJID="?")},
    "ADRS: ADY: there is no day 0": lambda f: f | {"ADRS": f["ADRS"].assign(ADY=0)},
    "ADRS: ADY: is there without ADT": lambda f: f | {"ADRS": f["ADRS"].assign(ADT=pd.NaT)},
    "ADTR: CHG: is not": lambda f: f | {"ADTR": f["ADTR"].assign(CHG=1.0)},
    "ADTR: PCHG: is not": lambda f: f | {"ADTR": f["ADTR"].assign(PCHG=1.0)},
    "ADTR: BASE: is not": lambda f: f | {"ADTR": f["ADTR"].assign(BASE=31.0, CHG=f["ADTR"]["AVAL"] - 31)},
    "ADTR: ABLFL: marks more": lambda f: f | {"ADTR": f["ADTR"].assign(ABLFL="Y")},
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_dataset_that_breaks_a_rule_is_named_with_it_and_without_a_value(
    message: str, frames: Frames
) -> None:
    found = violations(BROKEN[message](frames), SPECIFICATION)
    assert any(text.startswith(message) for text in found), found
    assert "TOY-1" not in " ".join(found)


def test_a_name_or_a_label_that_a_transport_file_has_no_room_for_breaks_a_rule(frames: Frames) -> None:
    variables = SPECIFICATION.datasets["ADSL"].variables
    age = replace(variables["AGE"], label="x" * 41)
    changed = replace(SPECIFICATION.datasets["ADSL"], variables=variables | {"AGE": age, "TOOLONGNAME": age})
    found = violations(frames, replace(SPECIFICATION, datasets=SPECIFICATION.datasets | {"ADSL": changed}))
    assert any("AGE: a label has at most 40" in text for text in found)
    assert any("TOOLONGNAME: a name has at most 8" in text for text in found)


def test_transport_file_and_dataset_json_hold_the_same_and_are_marked_as_simulated(
    frames: Frames, study: Study, tmp_path: Path
) -> None:
    write_datasets(frames, SPECIFICATION, study, tmp_path)
    table, about = pyreadstat.read_xport(tmp_path / "adeff.xpt")
    stored = json.loads((tmp_path / "adeff.json").read_text(encoding="utf-8"))
    assert about.file_label.startswith("SIMULATED ")
    assert stored["label"] == about.file_label
    assert [column["label"] for column in stored["columns"]] == about.column_labels
    assert stored["records"] == len(table) == 4
    cells = dict(zip(about.column_names, stored["rows"][0], strict=True))
    assert str(table["ADT"][0]) == cells["ADT"] == "2026-07-28"
    assert table["AVAL"].to_list() == [row[about.column_names.index("AVAL")] for row in stored["rows"]]
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_datasets(frames, SPECIFICATION, study, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_every_reference_of_define_xml_is_defined(frames: Frames) -> None:
    root = ET.fromstring(define_xml(frames, SPECIFICATION.datasets, "TOY", "A toy"))  # noqa: S314 - our own
    items = {item.get("OID"): item for item in root.iter(f"{{{ODM}}}ItemDef")}
    methods = {method.get("OID") for method in root.iter(f"{{{ODM}}}MethodDef")}
    references = [*root.iter(f"{{{ODM}}}ItemRef")]
    assert {reference.get("ItemOID") for reference in references} == set(items)
    assert {reference.get("MethodOID") for reference in references} == methods
    assert len(references) == sum(frame.shape[1] for frame in frames.values())
    leaves = {leaf.get("ID") for leaf in root.iter(f"{{{DEFINE}}}leaf")}
    groups = [*root.iter(f"{{{ODM}}}ItemGroupDef")]
    assert {group.get(f"{{{DEFINE}}}ArchiveLocationID") for group in groups} == leaves
    assert items["IT.ADSL.RANDDT"].get(f"{{{DEFINE}}}DisplayFormat") == "DATE9."


def test_a_study_with_less_has_fewer_datasets(study: Study, frames: Frames) -> None:
    assert set(frames) == {"ADSL", "ADEFF", "ADRS", "ADTR"}
    raw = {
        "subjects": pd.DataFrame({"usubjid": ["1", "2"]}),
        "surgery": pd.DataFrame({"usubjid": ["1", "2"], "performed": "Y", "surgery_date": pd.NaT}),
    }
    cohort = pd.DataFrame(
        {"usubjid": ["1", "2"], "arm": "A", "rand_date": pd.NaT, "eligible": True, "outcome": [1.0, 0.0],
         "outcome_status": "observed", "outcome_date": pd.NaT}
    )  # fmt: skip
    cohort["rand_date"] = cohort["outcome_date"] = pd.Series(
        pd.NaT, index=cohort.index, dtype="datetime64[us]"
    )
    raw["surgery"]["surgery_date"] = cohort["outcome_date"]
    made = built(study, raw, cohort)
    assert set(made) == {"ADSL", "ADEFF"}
    assert violations(made, SPECIFICATION) == []


# A course of target sums by visit: what is measured, and what a record of ADTR says (AVAL, CHG, PCHG).
Scan = tuple[str, str, float | None, str]
Sum = tuple[float, float | None, float | None]
COURSES: dict[str, tuple[list[Scan], list[Sum]]] = {
    "one target that shrinks": (
        [("baseline", "L1", 40.0, "done"), ("c2", "L1", 30.0, "done")],
        [(40.0, None, None), (30.0, -10.0, -25.0)],
    ),
    "two targets are a sum": (
        [("baseline", "L1", 40.0, "done"), ("baseline", "L2", 10.0, "done"),
         ("c2", "L1", 45.0, "done"), ("c2", "L2", 5.0, "done")],
        [(50.0, None, None), (50.0, 0.0, 0.0)],
    ),
    "a target that was missed leaves no sum": (
        [("baseline", "L1", 40.0, "done"), ("baseline", "L2", 10.0, "done"),
         ("c2", "L1", 45.0, "done"), ("c2", "L2", None, "not_evaluable")],
        [(50.0, None, None)],
    ),
    "a target that is new later is not of the sum": (
        [("baseline", "L1", 40.0, "done"), ("c2", "L1", 20.0, "done"), ("c2", "L9", 30.0, "done")],
        [(40.0, None, None), (20.0, -20.0, -50.0)],
    ),
    "a tumour that is gone is a sum of zero": (
        [("baseline", "L1", 40.0, "done"), ("c2", "L1", 0.0, "done")],
        [(40.0, None, None), (0.0, -40.0, -100.0)],
    ),
    "without a first scan there is no change": ([("c2", "L1", 30.0, "done")], [(30.0, None, None)]),
}  # fmt: skip


@pytest.mark.parametrize("name", COURSES)
def test_sums_of_targets_and_their_changes_are_those_worked_out_by_hand(name: str, frames: Frames) -> None:
    scans, expected = COURSES[name]
    rows = pd.DataFrame(scans, columns=["visit", "lesion_id", "diameter_mm", "status"])
    table = lesions([("baseline", 1, 1.0)]).drop(columns=[*rows.columns]).merge(rows, how="cross")
    made = tumour_measurements(table, frames["ADSL"], ("baseline", "c2"))
    found = made[["AVAL", "CHG", "PCHG"]].astype(object).where(made[["AVAL", "CHG", "PCHG"]].notna(), None)
    assert [tuple(row) for row in found.to_numpy().tolist()] == expected


def test_readers_and_methods_have_courses_of_their_own(frames: Frames) -> None:
    one = lesions([("baseline", -4, 30.0), ("c2", 40, 12.0)])
    other = lesions([("c2", 41, 20.0)]).assign(reader="INDEPENDENT")
    made = tumour_measurements(pd.concat([one, other]), frames["ADSL"], ("baseline", "c2"))
    assert made.groupby("EVAL")["BASE"].first().dropna().to_dict() == {"INVESTIGATOR": 30.0}
    assert made.loc[made["EVAL"] == "INDEPENDENT", "CHG"].isna().all()


def test_who_was_given_another_regimen_than_the_rules_said_is_not_per_protocol(frames: Frames) -> None:
    plan = {"reference": "B", "regimens": {"B": ["X"]}}
    document = {"study": "toy", "title": "A toy", "simulated": False, "arms": ["A", "B"], "randomised": True,
                "visits": ["baseline"], "adaptive_arm": "A", "arm_comparison": plan}  # fmt: skip
    study = parse_study(with_defaults(document))
    ids = ["TOY-1", "TOY-2", "TOY-3"]
    cohort = pd.DataFrame(
        {"usubjid": ids, "arm": ["A", "A", "B"], "rand_date": DAY, "eligible": True, "outcome": 1.0,
         "outcome_status": "observed", "outcome_date": day(150)}
    )  # fmt: skip
    decided = pd.DataFrame(
        {"usubjid": ids[:2], "arm": "A", "at_risk": True, "status": "determined", "regimen": "X",
         "regimen_after": ["X", "Y"], "regimen_given": ["X", "Y"], "change_reason": None}
    )  # fmt: skip
    raw = {
        "subjects": pd.DataFrame({"usubjid": ids}),
        "surgery": pd.DataFrame({"usubjid": ids, "performed": "Y", "surgery_date": day(150)}),
        "exposure": pd.DataFrame(
            {"usubjid": ids, "cycle": 1, "regimen": ["X", "Y", "Z"], "start_date": day(1)}
        ),
    }
    subjects = analysis_datasets(study, raw, cohort, decided)["ADSL"]
    assert subjects["PPROTFL"].to_list() == ["Y", "N", "N"], (
        "a deviation, and a regimen that is not the arm's"
    )
    assert subjects["ITTFL"].to_list() == ["Y"] * 3


def test_a_study_that_is_real_is_not_called_simulated(frames: Frames, study: Study, tmp_path: Path) -> None:
    real = parse_study({**study.document, "simulated": False})
    write_datasets(frames, SPECIFICATION, real, tmp_path)
    texts = [path.read_bytes() for path in tmp_path.iterdir()]
    assert texts
    assert not any(b"SIMULATED" in text for text in texts)


def test_the_longest_label_of_a_simulated_study_still_has_room(
    frames: Frames, study: Study, tmp_path: Path
) -> None:
    write_datasets(frames, SPECIFICATION, study, tmp_path)
    for path in tmp_path.glob("*.xpt"):
        label = pyreadstat.read_xport(path, metadataonly=True)[1].file_label
        assert label.startswith("SIMULATED ")
        assert len(label) <= 40


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_reads_the_transport_files_with_their_values(frames: Frames, study: Study, tmp_path: Path) -> None:
    write_datasets(frames, SPECIFICATION, study, tmp_path)
    script = (
        'd <- foreign::read.xport("adtr.xpt"); s <- foreign::read.xport("adsl.xpt"); '
        'cat(nrow(d), ncol(d), d$AVAL, d$CHG[2], s$RANDDT[1], as.character(s$HRSTAT[1]), sep = ";")'
    )
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    days = (DAY - pd.Timestamp("1960-01-01")).days
    columns = len(SPECIFICATION.datasets["ADTR"].variables)
    assert done.stdout == f"2;{columns};30;12;-18;{days};NEG"


def test_where_every_scan_is_a_visit_of_its_own_there_are_no_numbered_visits_and_no_sums(
    study: Study, frames: Frames
) -> None:
    dated = parse_study({**study.document, "visits": "dates"})
    assert dated.has_dated_visits
    response = pd.DataFrame(
        {"usubjid": ["TOY-1"], "visit": ["2026-04-01"], "overall": ["SD"], "assessment_date": [day(32)],
         "reader": "INVESTIGATOR", "method": "US"}
    )  # fmt: skip
    made = tumour_response(response, frames["ADSL"], ())
    assert made["AVISIT"].to_list() == ["2026-04-01"]
    assert made["AVISITN"].isna().all()
