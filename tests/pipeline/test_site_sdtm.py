"""SDTM as sites send it: a whole trial gives the features of its own tables, and domains written by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.cohort import build_cohort
from features.contract.validation import validate
from features.documents.study import parse_study
from features.errors import UserError
from features.exposure import derived_exposure
from pipeline.project.configs import read_regimens
from pipeline.sources.export import export
from pipeline.sources.formats.sdtm import write_dataset
from pipeline.sources.ingest import ingest
from pipeline.sources.mapped import read_study
from pipeline.sources.tables import SourceTables
from tests.pipeline.formats import CONFIGS, CONTRACT, ELIGIBILITY, IDENTIFIERS, RULES, STUDY, study_of
from tests.pipeline.site_sdtm import write_site_sdtm
from tests.pipeline.test_round_trip import feature_files

SITE = ["sdtm", "sdtm-site"]
DM = """
USUBJID SITEID COUNTRY RFICDTC    ARMCD    AGE SEX RACE
P1      S1     CHN     2025-12-30 ADAPTIVE 50  F   ASIAN
P2      S1     CHN     2025-12-30 ADAPTIVE 60  F   ASIAN
"""
NUMBERS = ("STRESN", "STNRHI", "DOSE", "AGE", "SEQ")


HAND = Path(__file__).parent / "site_domains"


def domain(text: str) -> pd.DataFrame:
    """Return a domain written by hand: spaces between cells, `_` for one within, `.` for an empty cell."""
    header, *lines = [line.split() for line in text.strip().splitlines()]
    rows = [["" if cell == "." else cell.replace("_", " ") for cell in line] for line in lines]
    frame = pd.DataFrame(rows, columns=header)
    numeric = [name for name in frame if name.endswith(NUMBERS)]
    return frame.assign(**{name: pd.to_numeric(frame[name]) for name in numeric})


def read(folder: Path, *by_hand: str, mapping: dict[str, Any] | None = None, **domains: str) -> SourceTables:
    """Read the domains of site_domains that are named, and others given as text."""
    texts = {name: (HAND / f"{name}.txt").read_text(encoding="utf-8") for name in by_hand}
    for name, text in ({"dm": DM} | texts | domains).items():
        write_dataset(domain(text), folder / f"{name}.xpt", "trial")
    return read_study(study_of(SITE, mapping=mapping), folder, CONTRACT)


def said(source: SourceTables) -> dict[str, int]:
    rules = source.repairs["rule"]
    return dict(zip(rules, source.repairs["rows"], strict=True))


def cells(frame: pd.DataFrame, *columns: str) -> list[list[Any]]:
    return frame[list(columns)].astype("object").where(frame[list(columns)].notna(), None).to_numpy().tolist()


@pytest.fixture(scope="module")
def site(trial: Mapping[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("site")
    write_site_sdtm(trial, folder)
    regimens = read_regimens(CONFIGS / "regimens.yaml")
    return ingest(parse_study(study_of(SITE)), folder, CONTRACT, IDENTIFIERS, RULES, regimens)


def test_a_trial_as_sites_send_it_gives_the_features_of_its_own_tables(
    site: Any, trial: Mapping[str, pd.DataFrame], tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "own").mkdir()
    assert feature_files(site.tables, tmp_path / "site") == feature_files(trial, tmp_path / "own")


def test_a_trial_as_sites_send_it_has_the_cohort_and_the_eligibility_of_its_own_tables(
    site: Any, trial: Mapping[str, pd.DataFrame]
) -> None:
    of_site, own = (build_cohort(tables, parse_study(STUDY), ELIGIBILITY) for tables in (site.tables, trial))
    pd.testing.assert_frame_equal(of_site.frame, own.frame)
    pd.testing.assert_frame_equal(of_site.criteria, own.criteria)


def test_drugs_are_placed_in_cycles_and_make_up_regimens(tmp_path: Path) -> None:
    found = read(tmp_path, "ex").tables["drug_exposure"]
    assert cells(found, "cycle", "drug", "start_date", "end_date", "dose_given", "modification") == [
        ["1", "NAB-PACLITAXEL", "2026-01-05", "2026-01-05", "125", None],
        ["1", "TRASTUZUMAB", "2026-01-06", "2026-01-06", "8", None],
        ["1", "NAB-PACLITAXEL", "2026-01-12", "2026-01-12", "125", None],
        ["2", "Docetaxel", "2026-01-29", "2026-01-29", "75", None],
        ["2", "TRASTUZUMAB", "2026-01-29", "2026-01-29", "0", "omitted"],
        ["2", "PYROTINIB", "2026-01-29", "2026-02-18", "400", None],
        ["3", "PYROTINIB", "2026-02-19", "2026-03-03", "400", None],
        ["3", "Docetaxel", "2026-02-19", "2026-02-19", "75", None],
    ]
    typed = validate({"drug_exposure": found}, CONTRACT, parse_study(STUDY).vocabulary)[0]["drug_exposure"]
    made = derived_exposure(typed, read_regimens(CONFIGS / "regimens.yaml"), STUDY["regimens"])
    assert cells(made, "cycle", "regimen") == [[1, "NAB_PHP"], [2, "PYROHT"], [3, "PYROHT"]]


def test_without_visits_cycles_begin_with_an_anchor_drug(tmp_path: Path) -> None:
    lines = "USUBJID EXTRT EXDOSE EXDOSU EXSTDTC EXENDTC\n"
    days = {"TRASTUZUMAB": ["05", "26"], "NAB-PACLITAXEL": ["05", "12", "19", "26"]}
    text = lines + "\n".join(f"P1 {d} 1 mg 2026-01-{n} ." for d, found in days.items() for n in found)
    anchors = {"drug": "EXTRT", "start": "EXSTDTC", "anchors": ["trastuzumab"]}
    treatment = {"path": "ex.xpt", "id": {"column": "USUBJID"}, "cycles": anchors}
    found = read(tmp_path, mapping={"files": {"treatment": treatment}}, ex=text).tables["drug_exposure"]
    assert found["cycle"].tolist() == ["1", "2", "1", "1", "1", "2"]
    early = text + "\nP1 NAB-PACLITAXEL 1 mg 2026-01-02 ."
    assert said(read(tmp_path, mapping={"files": {"treatment": treatment}}, ex=early))[
        "dose_of_no_cycle: before the first cycle, or without a day; left out"
    ] == 1  # fmt: skip


def test_laboratory_codes_words_limits_and_units_become_the_contracts(tmp_path: Path) -> None:
    source = read(tmp_path, "lb", "mb", "eg")
    assert cells(source.tables["labs"], "usubjid", "testcd", "value", "unit", "uln") == [
        ["P1", "ANC", "3.1", "10^9/L", "7"], ["P1", "TBIL", "20.5248", "umol/L", "17.104"],
        ["P1", "HGB", "129", "g/L", "150"], ["P1", "HCG", "0", None, None], ["P1", "ALT", "5", "U/L", "40"],
        ["P1", "QTC", "431", "ms", None], ["P1", "TPAB", "0", None, None], ["P2", "TPAB", "1", None, None],
    ]  # fmt: skip


def test_what_was_measured_on_treatment_is_of_safety_and_what_at_entry_of_eligibility(tmp_path: Path) -> None:
    tables = read(tmp_path, "cv", "vs").tables
    assert cells(tables["labs"], "testcd", "value", "unit") == [["SYSBP", "128", "mmHg"], ["LVEF", "64", "%"]]
    columns = ("testcd", "cycle", "value", "unit", "method")
    assert cells(tables["safety_measurements"], *columns) == [
        ["SYSBP", "2", "135.01116", "mmHg", None], ["LVEF", "2", "48", "%", "ECHO"],
    ]  # fmt: skip


def test_rows_of_one_variant_become_one_and_copy_number_and_fusions_are_tissue_variants(
    tmp_path: Path,
) -> None:
    found = read(tmp_path, "gf").tables["tissue_variants"]
    columns = (
        "gene",
        "hgvsp",
        "hgvsc",
        "classification",
        "vaf",
        "alteration",
        "copy_number",
        "fusion_partner",
        "origin",
    )
    assert cells(found, *columns) == [
        ["PTEN", "p.K267Rfs*9", "c.800del", "Frame_Shift_Del", "0.31", None, None, None, "tumor"],
        ["ERBB2", "AMPLIFICATION", None, None, None, "amplification", "14", None, "tumor"],
        ["NTRK3", "FUSION", None, None, None, "fusion", None, "ETV6", "tumor"],
        ["TP53", "p.R273H", None, "Missense_Mutation", None, None, None, None, "germline"],
    ]
    assert cells(found, "transcript", "genome_build")[0] == ["ENST00000371953", "GRCh38.p13"]


def test_somatic_alone_does_not_make_a_plasma_variant_the_tumours(tmp_path: Path) -> None:
    found = read(tmp_path, "gf").tables["ctdna_variants"]
    assert cells(found, "gene", "origin", "classification") == [["DNMT3A", "unknown", "Missense_Mutation"]]


def test_lesions_that_split_or_are_doubtful_are_told_from_tu_and_tr(tmp_path: Path) -> None:
    source = read(tmp_path, "tu", "tr")
    found = source.tables["lesions"]
    assert cells(found, "lesion_id", "target", "split_from", "diameter_mm", "status") == [
        ["T01", "target", None, "42", "done"], ["T01.1", "target", "T01", "12", "done"],
        ["T01.2", "target", "T01", "5", "done"], ["NT01", "nontarget", None, "0", "done"],
        ["NEW1", "new", None, None, "not_evaluable"], ["T01.1", "target", "T01", None, "not_done"],
    ]  # fmt: skip


def test_a_node_by_its_longest_diameter_is_not_measured_and_one_too_small_has_5_mm(tmp_path: Path) -> None:
    tumours = """
USUBJID TULNKID TUGRPID TUTESTCD TUSTRESC TULOC
P1      T01     .       TUMIDENT TARGET   BREAST
P1      T02     .       TUMIDENT TARGET   AXILLARY_LYMPH_NODE
"""
    sizes = """
USUBJID TRLNKID TRTESTCD TRSTRESC             TRSTRESU TRREASND TRMETHOD TREVAL       VISIT    TRDTC
P1      T01     DIAMETER TOO_SMALL_TO_MEASURE .        .        MRI      INVESTIGATOR BASELINE 2026-01-02
P1      T02     LDIAM    22                   mm       .        MRI      INVESTIGATOR BASELINE 2026-01-02
P1      T02     LPERP    12                   mm       .        MRI      INVESTIGATOR BASELINE 2026-01-02
"""
    lesions = read(tmp_path, tu=tumours, tr=sizes).tables["lesions"]
    assert cells(lesions, "lesion_id", "axis", "diameter_mm") == [
        ["T01", None, "5"], ["T02", "longest", "22"],
    ]  # fmt: skip


def test_what_cannot_be_written_backwards_is_said(trial: Mapping[str, pd.DataFrame], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written backwards"):
        export(trial, study_of(SITE), CONTRACT, tmp_path)
