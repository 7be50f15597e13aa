"""What is checked before any stage runs: DVC first removes a stage's outputs, so bad input must stop here."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from features.cohort import build_cohort
from features.contract.validation import Contract, ContractError
from features.documents.study import Study, parse_study, with_defaults
from features.documents.study_entries import StudyDocument
from features.eligibility import check_criteria
from features.errors import UserError
from models.description.plan import description_plan
from models.explanation.plan import explanation_plan
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import comparator_settings, model_settings, serving_settings
from pipeline.console import stderr
from pipeline.intake.arms import require_groupings
from pipeline.project import paths
from pipeline.project.configs import (
    chosen_file,
    read_contract,
    read_eligibility,
    read_feature_settings,
    read_identifiers,
    read_regimens,
)
from pipeline.project.files import read_yaml, require_outcome, write_table
from pipeline.project.rule_files import read_rules
from pipeline.sources.assays import require_made
from pipeline.sources.challengers import read_forecasts
from pipeline.sources.ingest import Ingested, ingest, without_outcome
from pipeline.sources.mapped import check_study_file
from pipeline.sources.tables import SourceTables
from pipeline.workspace.study import DATA, LOCK, StudyError, require_unedited_copy, study_file

CONTRACT = Path("configs/contract")
IDENTIFIERS = Path("configs/identifiers.yaml")
REGIMENS = Path("configs/regimens.yaml")
ELIGIBILITY = Path("configs/eligibility")
RULES = Path("configs/rules")
GENES = RULES / "pam_genes.csv"
FEATURES = Path("configs/features.yaml")
CHECK = Path("configs/check.yaml")
ARTIFACTS = Path("artifacts")
DVC_FILES = (Path("dvc.yaml"), LOCK)
SETTINGS: dict[str, Callable[[object], object]] = {
    paths.MODELS: model_settings,
    paths.COMPARATORS: comparator_settings,
    paths.SERVING: serving_settings,
    paths.EXPLANATION: explanation_plan,
    paths.DESCRIPTION_PLAN: description_plan,
    paths.VALIDATION: validation_plan,
    paths.MEASURES_PLAN: partial(validation_plan, {}),
}
"""Files that only later stages read: what is wrong in them is said before the first one runs."""


def preflight(name: str, source: Path | None) -> None:
    """Check all that a run of a study needs, and change nothing.

    Raises
    ------
    UserError
        If the study, its raw files or the files of DVC are wrong, or the active copy of the study file was
        edited. All problems of the raw tables are in one message; artifacts/<study>/refused.csv lists them.
    """
    require_outcome(read_yaml(study_file(name)))
    require_unedited_copy()
    for path in DVC_FILES:
        _require_dvc_file(path)
    for file, parse in SETTINGS.items():
        parse(read_yaml(Path(file)))
    checked(name, source)


def _require_dvc_file(path: Path) -> None:
    """Refuse a file of DVC's that DVC could not read."""
    if not path.exists():
        return
    remedy = f"to take the committed one: git checkout HEAD -- {path}"
    try:
        content = read_yaml(path)
    except UserError as error:
        raise UserError(f"{error}; {remedy}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a file of DVC's any more; {remedy}")


def _require_own_name(name: str, document: StudyDocument) -> None:
    """Refuse a copied study file with the other study's name or folder: it would write over its results."""
    if document["study"] != name:
        raise StudyError(
            f"{study_file(name)} says `study: {document['study']}`: its results would take the place of that "
            f"study's; write `study: {name}`, or rename the file"
        )
    if not document.get("simulated") and Path(document["source"]) != DATA / name:
        raise StudyError(
            f"{study_file(name)} says `source: {document['source']}`; a study's files are in a folder of "
            f"its own: write `source: {DATA / name}`"
        )


def checked(name: str, source: Path | None, *, audit: bool = False) -> Ingested:
    """Return a study's raw data as they would be read; nothing is changed.

    A simulated study's tables are checked by the stage that makes them; here only its files are.

    Raises
    ------
    UserError
        If the study file, the contract or the outcome is not valid.
    """
    document = read_yaml(study_file(name))
    check_study_file(document)
    _require_own_name(name, document)
    study = parse_study(with_defaults(document))
    if study.has_outcome:
        require_groupings(study, validation_plan({}, read_yaml(Path(paths.MEASURES_PLAN))).subgroups)
    if Path(study.source).suffix == ".yaml":
        if source is not None:
            raise StudyError(f"study {name} is simulated: run it without SOURCE")
        require_made(list(study.assays), read_yaml(Path(study.source)).get("omics") or {})
        nothing = SourceTables({})
        return Ingested({}, nothing.repairs, nothing.dropped)
    folder = source if source is not None else DATA / name
    if not folder.is_dir():
        raise StudyError(f"{folder} is not a folder: give the study's raw files, SOURCE=path")
    library = not study.has_outcome
    contract = read_contract(CONTRACT)
    contract = without_outcome(contract) if library else contract
    for entry in (document.get("challengers") or {}).values():
        read_forecasts(folder / entry["path"])
    try:
        rules = None if library else read_rules(chosen_file(RULES, study.rules, "rules"), GENES)
        patterns, regimens = read_identifiers(IDENTIFIERS), read_regimens(REGIMENS)
        raw = ingest(study, folder, contract, patterns, rules, regimens, audit=audit)
    except ContractError as error:
        listed = ARTIFACTS / name / "refused.csv"
        write_table(listed, error.problems.drop(columns="by_centre"))
        stderr().print(f"All problems are listed in {listed}.")
        raise
    if library:
        return raw
    file = chosen_file(ELIGIBILITY, study.eligibility, "eligibility")
    criteria = read_eligibility(file)
    check_criteria(criteria, contract, str(file))
    cohort = build_cohort(raw.tables, study, criteria)
    told = _rehearsed(raw, cohort.frame, study, contract)
    problems = [part for part in (raw.problems, told) if len(part)]
    return replace(raw, problems=pd.concat(problems, ignore_index=True)) if problems else raw


def _rehearsed(raw: Ingested, cohort: pd.DataFrame, study: Study, contract: Contract) -> pd.DataFrame:
    """Return what a run would meet in tables that keep the contract."""
    # scikit-learn and LightGBM take seconds to import, for which nothing that is refused before should wait.
    from pipeline.intake.assay_rehearsal import assay_remarks  # noqa: PLC0415
    from pipeline.intake.rehearsal import (  # noqa: PLC0415
        CheckSettings,
        Preparations,
        as_problems,
        rehearse,
    )
    from pipeline.project.settings import read_settings  # noqa: PLC0415

    by = Preparations(
        study,
        contract,
        read_feature_settings(FEATURES, GENES),
        model_settings(read_yaml(Path(paths.MODELS))),
        validation_plan(*(read_yaml(Path(path)) for path in (paths.VALIDATION, paths.MEASURES_PLAN))),
        read_settings(CheckSettings, CHECK),
    )
    told = rehearse(raw.tables, cohort, by)
    if not raw.omics:
        return told
    return pd.concat([told, as_problems(assay_remarks(raw.omics, cohort, by))], ignore_index=True)
