"""What is checked before any stage runs: DVC first removes a stage's outputs, so bad input must stop here."""

from pathlib import Path

from features.cohort import build_cohort
from features.contract import ContractError
from pipeline.project.configs import read_contract, read_rules
from pipeline.project.console import stderr
from pipeline.project.files import read_yaml, require_outcome, write_table
from pipeline.project.study import ACTIVE, DATA, StudyError, activate, active_study, study_file, take_in
from pipeline.sources.mapped import check_study_file, source_files
from pipeline.sources.mapping.study_file import NO_OUTCOME
from pipeline.sources.tables import SourceTables
from pipeline.stages.raw import Ingested, ingest, without_outcome

CONTRACT = Path("configs/contract")
IDENTIFIERS = Path("configs/identifiers.yaml")
ELIGIBILITY = Path("configs/eligibility.yaml")
RULES = Path("configs/rules")
GENES = RULES / "pam_genes.csv"
ARTIFACTS = Path("artifacts")


def preflight(name: str, source: Path | None) -> None:
    """Check a study and its raw files; only then make it the active one and take the files in.

    Raises
    ------
    ValueError
        With one message for all that is wrong. Refused rows are listed in artifacts/<study>/refused.csv.
    """
    require_outcome(read_yaml(study_file(name)))
    checked(name, source)
    activate(name)
    if source is not None:
        take_in(name, source, source_files(read_yaml(study_file(name)), source))


def checked(name: str, source: Path | None) -> Ingested:
    """Return a study's raw data as they would be read; nothing is changed.

    A simulated study's tables are checked by the stage that makes them; here only its files are.

    Raises
    ------
    ValueError
        If the study file, the contract or the outcome is not in order.
    """
    path = ACTIVE if study_file(name) and active_study() == name else study_file(name)
    study = read_yaml(path)
    check_study_file(study)
    if Path(study["source"]).suffix == ".yaml":
        if source is not None:
            raise StudyError(f"study {name} is simulated: run it without SOURCE")
        read_yaml(Path(study["source"]))
        nothing = SourceTables({})
        return Ingested({}, nothing.repairs, nothing.dropped)
    folder = source if source is not None else DATA / name
    if not folder.is_dir():
        raise StudyError(f"{folder} is not a folder: give the study's raw files, SOURCE=path")
    library = study["outcome"] == NO_OUTCOME
    contract = read_contract(CONTRACT)
    contract = without_outcome(contract) if library else contract
    try:
        rules = {} if library else read_rules(RULES / f"{study['rules']}.yaml", GENES)
        raw = ingest(study, folder, contract, read_yaml(IDENTIFIERS), rules)
    except ContractError as error:
        listed = ARTIFACTS / name / "refused.csv"
        write_table(listed, error.problems.drop(columns="by_centre"))
        stderr().print(f"All problems are listed in {listed}.")
        raise
    if library:
        return raw
    for definition in (study["outcome"]["definition"], *study["outcome"]["sensitivity"]):
        outcome = study["outcome"] | {"definition": definition}
        build_cohort(raw.tables, study | {"outcome": outcome}, read_yaml(ELIGIBILITY))
    return raw
