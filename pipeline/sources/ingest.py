"""From a study's source to checked raw tables: read, validated, cross-checked, waived, or refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from features.checks.across_tables import RECIST_DIFFERS, cross_problems
from features.contract.cells import as_type
from features.contract.identifiers import IdentifierPatterns
from features.contract.validation import Contract, refuse, validate
from features.documents.study import Study, Waiver
from features.exposure import Regimens, derived_exposure
from features.recist import categories_of
from models.rules.document import RuleDocument
from pipeline.sources.omics.tables import OmicsTable
from pipeline.sources.tables import DROPPED_COLUMNS, SourceTables

WAIVABLE_ERRORS = ("not_before", "not_after")


@dataclass(frozen=True)
class Ingested:
    """Raw tables as the contract has them, warnings and repairs, and the rows of the files left out.

    `reading` and `examples` say what was read of every file (`pipeline.sources.reading`); `omics`: tables of
    assays, by name.
    """

    tables: dict[str, pd.DataFrame]
    problems: pd.DataFrame
    dropped: pd.DataFrame
    reading: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: pd.DataFrame = field(default_factory=pd.DataFrame)
    omics: Mapping[str, OmicsTable] = field(default_factory=dict)


def source_tables(
    study: Study, source: Path, contract: Contract, rules: RuleDocument | None, *, audit: bool = False
) -> SourceTables:
    """Return raw tables, unchecked: simulated where `source` is a file, else read from the folder."""
    if source.suffix == ".yaml":
        # A real study needs no simulator.
        from pipeline.sources.simulation.omics import assay_tables  # noqa: PLC0415
        from pipeline.sources.simulation.settings import read_settings  # noqa: PLC0415
        from pipeline.sources.simulator import simulate  # noqa: PLC0415

        made = simulate(read_settings(source), rules=rules)
        patients = made.truth["usubjid"].to_numpy()
        return SourceTables(
            made.tables, assays={name: assay_tables(assay, patients) for name, assay in made.assays.items()}
        )
    from pipeline.sources.mapped import read_study  # noqa: PLC0415

    return read_study(study.document, source, contract, audit=audit)


def waived(problems: pd.DataFrame, waivers: Sequence[Waiver]) -> pd.DataFrame:
    """Return the problems, those that a waiver covers with severity waived, reason and who in the rule.

    A waiver covers warnings and dates in an impossible order, in no more rows than it says; a problem that
    grew since is not covered any more.
    """
    problems = problems.copy()
    for waiver in waivers:
        rule = problems["rule"].str.split(":").str[0]
        fits = (problems["table"] == waiver.table) & (problems["column"] == waiver.column)
        fits &= (rule == waiver.rule) & (problems["rows"] <= waiver.rows)
        fits &= (problems["severity"] == "warning") | rule.isin(WAIVABLE_ERRORS)
        problems.loc[fits, "severity"] = "waived"
        problems.loc[fits, "rule"] += f"; waived by {waiver.who}: {waiver.reason}"
    return problems


def judged_by_lesions(response: pd.DataFrame, lesions: pd.DataFrame, visits: Sequence[str]) -> pd.DataFrame:
    """Return the response table with the category that the lesions give, where they give one."""
    category = categories_of(response, lesions, visits)
    return response.assign(overall=category.fillna(response["overall"]))


def without_outcome(contract: Contract) -> Contract:
    """Return the contract of a study without outcome: no surgery, and nobody need be randomised to an arm."""
    subjects = contract["subjects"]
    arm = replace(subjects.columns["arm"], required=False)
    tables = {name: spec for name, spec in contract.items() if name != "surgery"}
    return tables | {"subjects": replace(subjects, columns={**subjects.columns, "arm": arm})}


def dated_visits(read: SourceTables, contract: Contract) -> tuple[SourceTables, list[str]]:
    """Return the tables with the date of every draw (scan, test) for its visit, and the visits in order.

    Where there is no date there is no visit, which the contract refuses.
    """
    tables, origins, visits = dict(read.tables), dict(read.origins), set()
    for name, frame in read.tables.items():
        visit, date = contract[name].timing.visit, contract[name].timing.performed
        if visit is None or date is None or date not in frame:
            continue
        dates = as_type(frame[date], "date")[0].dt.strftime("%Y-%m-%d")
        tables[name] = frame.assign(**{visit: dates})
        origins[name, visit] = origins.get((name, date), "")
        visits |= set(dates.dropna())
    return replace(read, tables=tables, origins=origins), sorted(visits)


def with_exposure(
    tables: dict[str, pd.DataFrame], regimens: Regimens | None, study: Study
) -> dict[str, pd.DataFrame]:
    """Return checked tables, with the exposure that the drugs make where the study gives drugs alone."""
    if regimens is None or "drug_exposure" not in tables or "exposure" in tables:
        return tables
    names = study.vocabulary["regimens"]
    return tables | {"exposure": derived_exposure(tables["drug_exposure"], regimens, names)}


def ingest(
    study: Study,
    source: Path,
    contract: Contract,
    identifiers: IdentifierPatterns,
    rules: RuleDocument | None,
    regimens: Regimens | None = None,
    *,
    audit: bool = False,
) -> Ingested:
    """Read a study's raw tables and check them; with `audit`, large files too by a second reader.

    With `regimens`, the regimen of a cycle follows from its drugs in a study that gives drugs alone.

    Raises
    ------
    ContractError
        If a rule of severity error is violated; it carries every problem.
    """
    read = source_tables(study, source, contract, rules, audit=audit)
    if study.has_dated_visits:
        read, visits = dated_visits(read, contract)
        study = study.with_visits(visits)
    checked, problems = validate(read.tables, contract, study.vocabulary, identifiers, study.ranges)
    crossed = cross_problems(checked, contract, study.visits, regimens, study.vocabulary["regimens"])
    checked = with_exposure(checked, regimens, study)
    if study.response_by_lesions and {"response", "lesions"} <= set(checked):
        checked["response"] = judged_by_lesions(checked["response"], checked["lesions"], study.visits)
        differs = crossed["rule"] == RECIST_DIFFERS
        crossed.loc[differs, ["severity", "rule"]] = [
            "repair",
            "lesions_count: in place of the recorded category",
        ]
    omics, reading = {}, read.reading
    if study.assays:
        from pipeline.sources.assays import assay_reading, made_assays, read_assays  # noqa: PLC0415

        patients = checked["subjects"]["usubjid"].tolist()
        omics = (
            made_assays(study.assays, read.assays)
            if source.suffix == ".yaml"
            else read_assays(study.document, source, patients, contract)
        )
        reading = pd.concat([reading, assay_reading(omics)], ignore_index=True)
    doubts = [table.problems for table in omics.values()]
    filled = [frame for frame in (problems, crossed, read.repairs, *doubts) if len(frame)]
    problems = waived(pd.concat(filled or [problems], ignore_index=True), study.waivers)
    refuse(problems, read.origins)
    left_out = [row for table in omics.values() for row in table.dropped]
    dropped = read.dropped
    if left_out:
        dropped = pd.DataFrame([*dropped.itertuples(index=False), *left_out], columns=DROPPED_COLUMNS)
    return Ingested(checked, problems, dropped, reading, read.examples, omics)
