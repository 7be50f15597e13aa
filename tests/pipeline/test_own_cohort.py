"""A cohort in a workbook and two CSV files of its own, with the study file that the documentation gives."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from features.assemble import assemble
from features.cohort import build_cohort
from features.documents.study import parse_study
from pipeline.sources.mapped import source_files
from tests.pipeline.formats import CONTRACT, ELIGIBILITY, ROOT, SETTINGS, study_of, taken_in

Tables = dict[str, pd.DataFrame]


def german(values: pd.Series) -> pd.Series:
    return values.map(lambda v: "" if pd.isna(v) else f"{v:.10g}".replace(".", ","))


def write_cohort(trial: Tables, folder: Path) -> None:
    """Write some of the simulated trial under other names and in other units, not by the exporter."""
    people = trial["subjects"].merge(trial["pathology"], on="usubjid")
    pd.DataFrame(
        {
            "Pat. no": people["usubjid"],
            "Group": people["arm"].map({"CONTROL_TCBHP": "standard", "ADAPTIVE": "adaptive"}),
            "Age": people["age_years"],
            "Consent": people["consent_date"],
            "Randomised": people["rand_date"],
            "cT": people["ct"],
            "cN": people["cn"],
            "Size (cm)": people["tumour_size_mm"] / 10,
            "Menopause": people["menopause"].map({"pre": 1, "peri": 2, "post": 3}),
            "HR": people["hr"].map({"pos": "+", "neg": "-"}),
            "ER": people["er_pct"],
            "Ki-67": people["ki67_pct"],
            "Not used": "x",
        }
    ).to_excel(folder / "patients.xlsx", sheet_name="Patients", index=False)
    plasma = trial["ctdna_samples"]
    pd.DataFrame(
        {
            "Patient": "P-" + plasma["usubjid"],
            "Probe": plasma["sample_id"],
            "Zeitpunkt": plasma["visit"].map({"baseline": "vor Therapie", "c1": "nach Zyklus 1"}),
            "Entnahme": plasma["draw_date"].dt.strftime("%d.%m.%Y"),
            "Befund": plasma["report_date"].dt.strftime("%d.%m.%Y"),
            "QC": plasma["qc"].map({"pass": "ok", "fail": "nicht ok"}),
            "Ergebnis": plasma["result"].map(
                {"detected": "positiv", "not_detected": "negativ", "not_evaluable": "nicht auswertbar"}
            ),
            "VAF (%)": german(plasma["mean_vaf"] * 100).replace("", "k. A."),
            "LOD (%)": german(plasma["lod_vaf"] * 100).replace("", "k. A."),
            "Bemerkung": "Gerät",
        }
    ).to_csv(folder / "plasma.csv", sep=";", index=False, encoding="latin-1")
    surgery = trial["surgery"]
    pd.DataFrame(
        {
            "patient_id": surgery["usubjid"],
            "done": surgery["performed"],
            "date": surgery["surgery_date"],
            "ypT": surgery["yp_t"],
            "ypN": surgery["yp_n"],
        }
    ).to_csv(folder / "operation.csv", index=False)


def documented_study() -> dict[str, Any]:
    """Return the trial's study file with the mapping of docs/bring-your-own-data.md."""
    text = (ROOT / "docs" / "bring-your-own-data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(mapping:\n.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 2, "the whole mapping, then a piece on wide files"
    study = study_of([], **yaml.safe_load(blocks[0]))
    domains = {"domains": ["clinical", "pathology", "ctdna"], "state_indicators": {"ctdna": True}}
    primary = study["primary"] | {"landmark": "c1"}
    outcome = study["outcome"] | {"sensitivity": []}
    own = {"rules": "none", "adaptive_arm": None, "de_escalated_branches": []}
    own |= {"landmarks": ["baseline", "c1"], "features": domains, "primary": primary}
    return study | own | {"outcome": outcome}


@pytest.fixture(scope="module")
def folder(trial: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own")
    write_cohort(trial, path)
    return path


def test_the_documented_study_file_reads_a_workbook_and_two_csv_files_in_other_units(
    trial: Tables, folder: Path
) -> None:
    read = taken_in(documented_study(), folder)
    assert source_files(documented_study(), folder) == ["operation.csv", "patients.xlsx", "plasma.csv"]
    for table, columns in {
        "subjects": ["arm", "age_years", "consent_date", "rand_date", "ct", "cn", "menopause"],
        "pathology": ["hr", "er_pct", "ki67_pct"],
        "ctdna_samples": ["sample_id", "visit", "draw_date", "report_date", "qc", "result"],
        "surgery": ["performed", "surgery_date", "yp_t", "yp_n"],
    }.items():
        pd.testing.assert_frame_equal(read.tables[table][columns], trial[table][columns])
    for table, column in (
        ("subjects", "tumour_size_mm"),
        ("ctdna_samples", "mean_vaf"),
        ("ctdna_samples", "lod_vaf"),
    ):
        np.testing.assert_allclose(read.tables[table][column], trial[table][column], rtol=1e-9)
    assert read.problems.empty
    assert read.dropped.empty


def test_it_gives_features_at_its_landmarks(folder: Path) -> None:
    study = documented_study()
    tables = taken_in(study, folder).tables
    cohort = build_cohort(tables, parse_study(study), ELIGIBILITY)
    assert cohort.frame["outcome"].notna().mean() > 0.9
    for landmark in parse_study(study).landmarks.values():
        assembled = assemble(tables, cohort.frame, landmark, parse_study(study), SETTINGS, CONTRACT)
        assert {"age_years", "hr", "ki67_pct", "ctdna_baseline_state"} <= set(assembled.frame)
        assert not assembled.absent_domains
