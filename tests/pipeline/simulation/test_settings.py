"""The simulator's settings: read once, typed, and refused by name where something is wrong."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from features.errors import UserError
from pipeline.project.configs import read_contract
from pipeline.project.files import read_yaml
from pipeline.sources.simulation.section import Section
from pipeline.sources.simulation.settings import Settings, changed, read_rows, read_settings
from pipeline.sources.simulation.table_rows import (
    AdverseEventKind,
    AdverseEventShare,
    BloodGene,
    CourseTest,
    Dose,
    LaboratoryTest,
    Prophylaxis,
    TableRow,
    TumourGene,
    adverse_event_terms,
    by_name,
)

CONFIGS = Path(__file__).parents[3] / "configs"
VALUES, OUTSIDE = "values_source", "outside_source"
SOURCES: dict[type[TableRow], dict[str, str]] = {
    LaboratoryTest: dict.fromkeys(("mean", "sd", "low", "high"), VALUES)
    | dict.fromkeys(("outside_share", "outside_low", "outside_high"), OUTSIDE)
    | {"uln": "uln_source"},
    AdverseEventShare: {"share": "source"},
    AdverseEventKind: dict.fromkeys(("onset_days", "onset_log_sd"), "onset_source")
    | {"trend": "trend_source"},
    Dose: dict.fromkeys(("loading", "dose"), "dose_source") | {"share": "share_source"},
    CourseTest: dict.fromkeys(("trend_per_cycle", "within_sd", "low", "high"), VALUES),
    Prophylaxis: {"share": "share_source"},
    TumourGene: dict.fromkeys(("share_hr_positive", "share_hr_negative"), "share_source")
    | {"vus_share": "vus_source"},
    BloodGene: {
        "share_at_50": "share_source",
        "log_per_decade": "log_per_decade_source",
        "vus_share": "vus_source",
    },
}
FILES = (
    "laboratory.csv", "toxicity.csv", "toxicity_terms.csv", "doses.csv", "course_tests.csv",
    "supportive_care.csv", "tumour_genes.csv", "blood_genes.csv",
)  # fmt: skip
SETTINGS = read_settings(CONFIGS / "simulation.yaml", CONFIGS / "simulation")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(CONFIGS / "simulation", tmp_path / "simulation")
    shutil.copy(CONFIGS / "simulation.yaml", tmp_path)
    return tmp_path


def read(folder: Path) -> Settings:
    return read_settings(folder / "simulation.yaml", folder / "simulation")


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = read_yaml(folder / "simulation.yaml")
    change(content)
    (folder / "simulation.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def edit_table(folder: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = folder / "simulation" / name
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)


def test_every_number_of_a_table_has_a_column_for_its_source() -> None:
    for kind, sources in SOURCES.items():
        fields = {name: str(field.annotation) for name, field in kind.model_fields.items()}
        numbers = {name for name, kind_of in fields.items() if "float" in kind_of}
        assert numbers == set(sources)
        assert set(sources.values()) <= set(fields)


@pytest.mark.parametrize("name", FILES)
def test_no_source_is_missing_but_where_there_is_no_number(name: str) -> None:
    table = pd.read_csv(CONFIGS / "simulation" / name, dtype=str, keep_default_na=False)
    for column in [column for column in table if column.endswith("source")]:
        empty = table[column] == ""
        assert not empty.any() or (column == "uln_source" and (table.loc[empty, "uln"] == "").all())


def test_a_misspelt_key_is_refused_with_the_nearest_valid_one(folder: Path) -> None:
    edit(folder, lambda s: s["ctdna"]["shedding"].update(log10_vav=-2.75))
    with pytest.raises(UserError, match=r"simulation\.yaml: ctdna\.shedding: log10_vav .*log10_vaf"):
        read(folder)


def test_a_misspelt_visit_is_refused_with_the_nearest_valid_one(folder: Path) -> None:
    edit(folder, lambda s: s["ctdna"]["failed_share"].update(c11=0.1))
    with pytest.raises(UserError, match=r"ctdna\.failed_share.*c11 .*c1"):
        read(folder)


def test_a_missing_key_is_refused(folder: Path) -> None:
    edit(folder, lambda s: s["response"].pop("intercept"))
    with pytest.raises(UserError, match=r"response\.intercept: Field required"):
        read(folder)


@pytest.mark.parametrize("wrong", [1.2, -0.1, float("nan"), "0.3", True, None])
def test_a_share_is_a_number_from_0_to_1(folder: Path, wrong: Any) -> None:
    edit(folder, lambda s: s["clinical"].update(inflammatory_share_of_t4=wrong))
    with pytest.raises(UserError, match=r"clinical\.inflammatory_share_of_t4"):
        read(folder)


def test_a_table_that_moved_out_of_the_file_is_refused_with_its_new_place(folder: Path) -> None:
    edit(folder, lambda s: s["labs"].update(tests={}))
    with pytest.raises(
        UserError, match=r"labs\.tests is a table now; move it to configs/simulation/laboratory"
    ):
        read(folder)


def test_a_number_in_the_file_comes_before_that_of_the_table(folder: Path) -> None:
    edit(folder, lambda s: s["genome"].update(tumor={"TP53": {"share_hr_positive": 0.4}}))
    gene = read(folder).genome.tumor["TP53"]
    assert (gene.share_hr_positive, gene.share_hr_negative) == (0.4, 0.68)
    edit(folder, lambda s: s["genome"].update(tumor={"TP35": {"share_hr_positive": 0.4}}))
    with pytest.raises(UserError, match=r"genome\.tumor: key TP35 .*TP53"):
        read(folder)


def test_a_regimen_without_its_toxicity_is_refused(folder: Path) -> None:
    edit_table(folder, "toxicity.csv", lambda t: t[(t["regimen"] != "ADC") | (t["term"] != "Nausea")])
    with pytest.raises(
        UserError, match="toxicity, Nausea, severe: must have each regimen once; differs in ADC"
    ):
        read(folder)


def test_an_unknown_regimen_is_refused_with_the_nearest_one(folder: Path) -> None:
    edit(folder, lambda s: s["control"].update(first_regimen="TCHBP"))
    with pytest.raises(UserError, match=r"TCHBP .*TCBHP"):
        read(folder)


def test_a_planned_visit_needs_its_share_of_missing_results(folder: Path) -> None:
    edit(folder, lambda s: s["imaging"]["not_done_share"].pop("c4"))
    with pytest.raises(UserError, match=r"imaging\.not_done_share: c4 is missing"):
        read(folder)


def test_a_faulty_cell_is_told_with_its_line_and_column(folder: Path) -> None:
    edit_table(folder, "laboratory.csv", lambda t: t.assign(sd=["-1", *t["sd"][1:]]))
    with pytest.raises(UserError, match=r"laboratory\.csv, line 2: sd: "):
        read(folder)


def test_a_number_without_a_source_is_refused(folder: Path) -> None:
    edit_table(folder, "tumour_genes.csv", lambda t: t.assign(share_source=["", *t["share_source"][1:]]))
    with pytest.raises(UserError, match=r"tumour_genes\.csv, line 2: share_source"):
        read(folder)


def test_a_misspelt_column_is_refused_with_the_nearest_one(folder: Path) -> None:
    edit_table(folder, "toxicity.csv", lambda t: t.rename(columns={"share": "shares"}))
    with pytest.raises(UserError, match=r"toxicity\.csv: key shares .*share"):
        read(folder)


def test_a_line_with_too_few_cells_is_refused_with_its_number(folder: Path) -> None:
    path = folder / "simulation" / "toxicity.csv"
    path.write_text(path.read_text(encoding="utf-8") + "Nausea,severe\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"toxicity\.csv, line 194: 2 cells; the header has 5"):
        read_rows(path, AdverseEventShare)


def test_a_missing_table_is_refused(folder: Path) -> None:
    (folder / "simulation" / "blood_genes.csv").unlink()
    with pytest.raises(UserError, match=r"blood_genes\.csv does not exist"):
        read(folder)


def test_a_name_that_stands_twice_is_refused() -> None:
    test = next(iter(SETTINGS.labs.tests.values()))
    with pytest.raises(ValueError, match="code ANC stands twice"):
        by_name([test, test], "code")
    term = next(iter(SETTINGS.toxicity.terms.values()))
    kind = AdverseEventKind(**{name: getattr(term, name) for name in AdverseEventKind.model_fields})
    share = AdverseEventShare(term=term.term, grade="mild", regimen="ADC", share=0.1, source="x")
    with pytest.raises(ValueError, match=f"{term.term}, mild, ADC: stands twice"):
        adverse_event_terms([kind], [share, share])
    with pytest.raises(ValueError, match="term Rash is unknown"):
        adverse_event_terms([kind], [share.model_copy(update={"term": "Rash"})])


def test_a_regimen_without_drugs_and_a_fatal_event_without_that_grade_are_refused(folder: Path) -> None:
    edit_table(folder, "doses.csv", lambda t: t[t["regimen"] != "ADC"])
    with pytest.raises(UserError, match="doses: must have each regimen; differs in ADC"):
        read(folder)
    edit(folder, lambda s: s["toxicity"].update(fatal_term="Nausea"))
    with pytest.raises(UserError, match="fatal_term: Nausea is no term of grade 5"):
        read(folder)


def test_grades_are_those_that_the_contract_allows() -> None:
    (limits,) = read_contract(CONFIGS / "contract")["adverse_events"].ranges_by_name
    for name, term in SETTINGS.toxicity.terms.items():
        assert (term.lowest_grade, term.highest_grade) == limits.ranges.get(name, (1, 5)), name


def test_a_limit_without_a_source_is_refused() -> None:
    test = SETTINGS.labs.tests["ANC"]
    with pytest.raises(ValueError, match="uln has no source"):
        LaboratoryTest.model_validate(test.model_dump() | {"uln_source": ""})


def test_changed_settings_are_checked_and_the_original_stays() -> None:
    other = changed(SETTINGS, seed=1)
    assert (other.seed, SETTINGS.seed) == (1, 20251116)
    with pytest.raises(ValueError, match="sead"):
        changed(SETTINGS, sead=1)


def test_every_section_refuses_what_it_does_not_know() -> None:
    sections = [Settings, *Section.__subclasses__()]
    assert len(sections) > 25
    for section in sections:
        with pytest.raises(ValueError, match="nonsense is unknown"):
            section.model_validate({"nonsense": 1})
