"""The settings of the simulated trial, read and checked once: configs/simulation.yaml and its tables."""

import csv
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from features.errors import UserError
from features.keys import refuse_unknown_keys, unknown_name
from pipeline.project.files import read_yaml
from pipeline.project.paths import SIMULATION_TABLES
from pipeline.sources.simulation.course_parameters import (
    Adaptive,
    Control,
    CtDNA,
    Fate,
    FollowUp,
    Imaging,
    Regimen,
    Response,
    Safety,
    Surgery,
    Toxicity,
    Treatment,
)
from pipeline.sources.simulation.omics import AssayParameters
from pipeline.sources.simulation.patient_parameters import (
    Centres,
    Clinical,
    Cohort,
    Drift,
    Eligibility,
    Foci,
    Genome,
    Labs,
    Latents,
    Pathology,
)
from pipeline.sources.simulation.section import Section, Visit, faults_of
from pipeline.sources.simulation.table_rows import (
    AdverseEventKind,
    AdverseEventShare,
    BloodGene,
    CourseTest,
    Dose,
    LaboratoryTest,
    Prophylaxis,
    Row,
    TumourGene,
    adverse_event_terms,
    by_name,
)

TABLES = Path(SIMULATION_TABLES)
SAFETY_TABLES = {"doses": "doses.csv", "tests": "course_tests.csv", "care": "supportive_care.csv"}
Parameters = dict[str, Any]
"""The content of the file, before it is checked."""
Collected = Literal["collected", "not_planned"]


class Settings(Section):
    """All parameters of the simulated trial.

    The adaptive arm is treated by the table of rules named `rules`, which needs ctDNA after C1 and imaging
    after C2 and C4. Whatever is given by regimen is given for every regimen. `omics` are assays of many
    features, none by default.
    """

    study: str
    seed: int
    rules: str
    control_ctdna: Collected
    control_imaging: Collected
    cohort: Cohort
    centres: Centres
    drift: Drift
    latents: Latents
    clinical: Clinical
    pathology: Pathology
    foci: Foci
    eligibility: Eligibility
    labs: Labs
    genome: Genome
    ctdna: CtDNA
    visits_after_cycle: dict[Visit, int]
    treatment: Treatment
    response: Response
    regimens: dict[str, Regimen]
    control: Control
    adaptive: Adaptive
    imaging: Imaging
    toxicity: Toxicity
    safety: Safety
    fate: Fate
    surgery: Surgery
    follow_up: FollowUp
    omics: dict[str, AssayParameters] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _the_rules_have_their_visits(self) -> Self:
        for name, visits, needed in (
            ("ctdna", self.ctdna.visits, {"c1"}), ("imaging", self.imaging.visits, {"c2", "c4"}),
        ):  # fmt: skip
            missing = sorted(needed - set(visits))
            if missing:
                raise ValueError(f"{name}.visits: the rules need {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _every_planned_visit_has_its_numbers(self) -> Self:
        plasma, scans = ["baseline", *self.ctdna.visits], ["baseline", *self.imaging.visits]
        for place, visits, given in (
            ("ctdna.not_done_share", plasma, self.ctdna.not_done_share),
            ("ctdna.failed_share", plasma, self.ctdna.failed_share),
            ("imaging.not_done_share", scans, self.imaging.not_done_share),
            ("visits_after_cycle", [*plasma, *scans], self.visits_after_cycle),
        ):
            missing = [visit for visit in visits if visit not in given]
            if missing:
                raise ValueError(f"{place}: {', '.join(missing)} is missing")
        after = self.visits_after_cycle
        for place, visits, by_cycle in (
            ("ctdna.clearance.log10_fall_by_cycle", plasma[1:], self.ctdna.clearance.log10_fall_by_cycle),
            ("imaging.log_shrinkage_by_cycle", scans[1:], self.imaging.log_shrinkage_by_cycle),
        ):
            missing = [str(after[visit]) for visit in visits if after[visit] not in by_cycle]
            if missing:
                raise ValueError(f"{place}: cycle {', '.join(missing)} is missing")
        return self

    @model_validator(mode="after")
    def _regimens_are_complete_and_known(self) -> Self:
        regimens, adaptive = set(self.regimens), self.adaptive
        complete: dict[str, Collection[str]] = {
            "adaptive.refusal": adaptive.refusal,
            "adaptive.instead": adaptive.instead,
        }
        for term, shares in self.toxicity.terms.items():
            complete |= {f"toxicity, {term}, severe": shares.severe, f"toxicity, {term}, mild": shares.mild}
        for place, given in complete.items():
            if set(given) != regimens:
                different = ", ".join(sorted(set(given) ^ regimens))
                raise ValueError(f"{place}: must have each regimen once; differs in {different}")
        dosed = {dose.regimen for dose in self.safety.doses}
        if dosed != regimens:
            raise ValueError(
                f"doses: must have each regimen; differs in {', '.join(sorted(dosed ^ regimens))}"
            )
        named = [self.control.first_regimen, adaptive.first_regimen, *adaptive.if_indeterminate]
        for name in (*named, *adaptive.switch_choice, *adaptive.instead.values()):
            if name not in regimens:
                raise ValueError(f"regimen {unknown_name(name, sorted(regimens))}")
        return self

    @model_validator(mode="after")
    def _centres_have_assays(self) -> Self:
        change = self.drift.assay_change
        replaced = {} if change is None else change.replaced_by
        for place, names in (("centres.assay", self.centres.assay), ("drift.assay_change", replaced)):
            for name in (*names, *(replaced.values() if names is replaced else ())):
                if name not in self.ctdna.assays:
                    raise ValueError(f"{place}: {unknown_name(name, list(self.ctdna.assays))}")
        return self

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        cohort = self.cohort
        spans = [
            cohort.consent_before_randomisation,
            cohort.biopsy_before_consent,
            cohort.first_dose_after_randomisation,
        ]
        for span in (*spans, self.ctdna.draw_day, self.imaging.scan_day, self.fate.event_days):
            if span.earliest > span.latest:
                raise ValueError(f"earliest {span.earliest} is after latest {span.latest}")
        return self


Gene = TypeVar("Gene", TumourGene, BloodGene)
Part = TypeVar("Part", bound=Section)


def changed(section: Part, **values: Any) -> Part:
    """Return a copy of a section with other values, checked like the original.

    Raises
    ------
    ValueError
        If a value is not valid.
    """
    kind = type(section)
    return kind.model_validate({name: getattr(section, name) for name in kind.model_fields} | values)


def read_settings(path: Path, tables: Path = TABLES) -> Settings:
    """Read and check the settings and their tables.

    Parameters
    ----------
    path : Path
        A file like configs/simulation.yaml. What it says of a gene comes before what the table says.
    tables : Path
        The folder with the tables: laboratory values, adverse events, doses, tests, care and genes.

    Raises
    ------
    UserError
        If a file is missing, or a parameter or column is unknown, missing or not valid; every fault is named.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: must be the parameters of a simulation by name")
    with faults_of(path):
        return Settings.model_validate(_with_tables(content, path, tables))


def _with_tables(content: Parameters, path: Path, folder: Path) -> Parameters:
    """Return the parameters with the rows of the tables where they belong."""
    blood = read_rows(folder / "blood_genes.csv", BloodGene)
    tests = by_name(read_rows(folder / "laboratory.csv", LaboratoryTest), "code")
    with faults_of(folder / "toxicity.csv"):
        terms = adverse_event_terms(
            read_rows(folder / "toxicity_terms.csv", AdverseEventKind),
            read_rows(folder / "toxicity.csv", AdverseEventShare),
        )
    genome = _part(content, "genome", path)
    return content | {
        "labs": _part(content, "labs", path, tests="laboratory.csv") | {"tests": tests},
        "toxicity": _part(content, "toxicity", path, terms="toxicity.csv") | {"terms": terms},
        "safety": _part(content, "safety", path, **SAFETY_TABLES)
        | {
            "doses": read_rows(folder / "doses.csv", Dose),
            "tests": by_name(read_rows(folder / "course_tests.csv", CourseTest), "code"),
            "care": read_rows(folder / "supportive_care.csv", Prophylaxis),
        },
        "genome": genome
        | {
            "tumor": _genes(read_rows(folder / "tumour_genes.csv", TumourGene), genome, "tumor", path),
            "ch": _genes([row for row in blood if row.origin == "ch"], genome, "ch", path),
            "germline": _genes([row for row in blood if row.origin == "germline"], genome, "germline", path),
        },
    }


def _part(content: Parameters, name: str, path: Path, **moved: str) -> Parameters:
    """Return a part of the parameters, which must not hold what has moved into a table."""
    part = content.get(name)
    if not isinstance(part, dict):
        raise UserError(f"{path}: {name} is missing, or has no keys")
    for key, table in moved.items():
        if key in part:
            raise UserError(f"{path}: {name}.{key} is a table now; move it to {TABLES / table}")
    return part


def _genes(rows: Sequence[Gene], genome: Parameters, origin: str, path: Path) -> dict[str, Gene]:
    """Return the genes of a table, with the numbers that the parameters give instead."""
    genes = by_name(rows, "gene")
    instead = genome.get(origin) or {}
    refuse_unknown_keys(instead, list(genes), f"{path}: genome.{origin}")
    for name, numbers in instead.items():
        place = f"{path}: genome.{origin}.{name}"
        refuse_unknown_keys(numbers, list(type(genes[name]).model_fields), place)
        with faults_of(place):
            genes[name] = type(genes[name]).model_validate(genes[name].model_dump() | numbers)
    return genes


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Return the rows of a table; its columns are the fields of `kind`, in any order.

    Raises
    ------
    UserError
        If there is no such file, a column is unknown or missing, or a cell is not valid; the line is named.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; the simulation needs this table")
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.reader(file)
        columns = next(table, [])
        refuse_unknown_keys(
            dict.fromkeys(columns), list(kind.model_fields), str(path), list(kind.model_fields)
        )
        rows = []
        for cells in table:
            place = f"{path}, line {table.line_num}"
            if len(cells) != len(columns):
                raise UserError(f"{place}: {len(cells)} cells; the header has {len(columns)}")
            with faults_of(place):
                rows.append(kind.model_validate(dict(zip(columns, cells, strict=True))))
    return rows
