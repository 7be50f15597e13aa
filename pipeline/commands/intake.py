"""The commands of `pcr` for a study of one's own: check, init-study, dictionary, export."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import reported_errors, stdout
from pipeline.workspace.root import user_path

app = typer.Typer()

STUDY_HELP = "Name of a file in configs/studies, without .yaml."
Folder = Annotated[
    Path | None, typer.Argument(help="Folder with the study's raw files; only read.", parser=user_path)
]
Study = Annotated[str, typer.Option(help=STUDY_HELP)]
Exported = Annotated[str, typer.Option(help=STUDY_HELP + " Its raw tables must have been made.")]
PAGE_HELP = "HTML page to write (default data-dictionary.html); the rows go as CSV beside it."
DictionaryPage = Annotated[Path | None, typer.Option(help=PAGE_HELP, parser=user_path)]


@app.command()
def check(
    folder: Folder = None,
    study: Study = "nct07239271",
    source: Annotated[Path | None, typer.Option(help="The same as the argument.", parser=user_path)] = None,
    page: Annotated[
        Path | None,
        typer.Option(help="Write all problems to this HTML page, and as CSV beside it.", parser=user_path),
    ] = None,
    audit: Annotated[
        bool, typer.Option(help="Read files of any size a second time, by another way, and compare.")
    ] = False,
) -> None:
    """Check a study's file and raw data against the contract, and change nothing.

    What was read of every file is told first; files below 5 MB are always read by two readers.

    For example: `pcr check ../ispy2-files --study ispy2 --page problems.html`.
    """
    from features.contract.validation import ContractError  # noqa: PLC0415 - `pcr --help` should not wait for pandas
    from features.documents.study import parse_study, with_defaults  # noqa: PLC0415
    from pipeline.intake.arms import arm_lines  # noqa: PLC0415
    from pipeline.intake.pages import problem_rows, reading_lines, write_problems  # noqa: PLC0415
    from pipeline.intake.preflight import checked  # noqa: PLC0415
    from pipeline.project.files import read_yaml  # noqa: PLC0415
    from pipeline.sources.tables import SourceTables  # noqa: PLC0415
    from pipeline.workspace.study import study_file  # noqa: PLC0415

    with reported_errors():
        try:
            raw = checked(study, folder if folder is not None else source, audit=audit)
        except ContractError as error:
            if page is not None:
                write_problems(page, study, error.problems, SourceTables({}).dropped)
            raise
        if page is not None:
            write_problems(page, study, raw.problems, raw.dropped, raw.reading, raw.examples)
    for line in reading_lines(raw.reading):
        stdout().print(line, markup=False, highlight=False, soft_wrap=True)
    rows = problem_rows(raw.problems, raw.dropped)
    shown = rows[["severity", "where", "column", "rule", "rows", "ids", "what to do"]]
    for severity, where, column, rule, count, ids, advice in shown.itertuples(index=False, name=None):
        place = f"{where}.{column}" if column else where
        who = f", such as {ids}" if ids else ""
        at = f" ({count} rows{who})" if count else ""
        todo = f" -> {advice}" if severity == "warning" else ""
        stdout().print(f"{severity}: {place}: {rule}{at}{todo}", markup=False, soft_wrap=True)
    checked_study = parse_study(with_defaults(read_yaml(study_file(study))))
    for line in arm_lines(checked_study, raw.tables) if checked_study.has_outcome else ():
        stdout().print(line, markup=False, highlight=False, soft_wrap=True)
    warnings = int((rows["severity"] == "warning").sum())
    repairs = int((rows["severity"] == "repair").sum())
    stdout().print(f"{study}: no errors, {warnings} warnings, {repairs} repairs")


@app.command("init-study")
def init_study(
    name: Annotated[str, typer.Argument(help="Name of the new study: lower-case letters, digits, - and _.")],
    standard: Annotated[
        list[str] | None,
        typer.Option(help="A ready mapping of configs/mappings, such as sdtm or redcap; may be repeated."),
    ] = None,
    templates: Annotated[
        Path | None,
        typer.Option(help="Folder for the template tables; default NAME-tables.", parser=user_path),
    ] = None,
) -> None:
    """Write a commented study file to begin with, and template tables with the contract's columns.

    For example: `pcr init-study mytrial`, or with `--standard sdtm --standard variants-vcf`.
    """
    from pipeline.intake.new_study import new_study  # noqa: PLC0415
    from pipeline.intake.preflight import CONTRACT  # noqa: PLC0415
    from pipeline.project.configs import read_contract  # noqa: PLC0415
    from pipeline.workspace.study import STUDIES  # noqa: PLC0415

    folder = templates if templates is not None else user_path(f"{name}-tables")
    with reported_errors():
        path = new_study(name, standard or [], STUDIES, folder, read_contract(CONTRACT))
    stdout().print(f"{path} is there: look at the lines with TODO, then pcr check FOLDER --study {name}")
    if not standard:
        stdout().print(f"{folder} has an empty table for each that the study file names")


@app.command()
def dictionary(out: DictionaryPage = None) -> None:
    """Write the data dictionary: every table and column of the contract with unit, range and levels.

    For example: `pcr dictionary --out data-dictionary.html`.
    """
    from pipeline.intake.pages import write_dictionary  # noqa: PLC0415
    from pipeline.intake.preflight import CONTRACT  # noqa: PLC0415
    from pipeline.project.configs import read_contract  # noqa: PLC0415

    out = out if out is not None else user_path("data-dictionary.html")
    with reported_errors():
        write_dictionary(out, read_contract(CONTRACT))
    stdout().print(f"{out} and {out.with_suffix('.csv')}")


@app.command("export")
def export_tables(
    out: Annotated[Path, typer.Argument(help="Folder to write; it must not be there.", parser=user_path)],
    standard: Annotated[list[str], typer.Option(help="A mapping of configs/mappings; may be repeated.")],
    study: Exported = "nct07239271",
) -> None:
    """Write a study's raw tables as SDTM, REDCap, MAF or VCF files, which read back as the same tables.

    For example: `pcr export sdtm-files --standard sdtm`, `--standard sdtm --standard sdtm-json`,
    `--standard redcap --standard variants-maf`, or `--standard sdtm --standard variants-vcf`.
    """
    from pipeline.intake.preflight import ARTIFACTS, CONTRACT  # noqa: PLC0415
    from pipeline.project.configs import read_contract  # noqa: PLC0415
    from pipeline.project.files import read_tables, read_yaml, replacing  # noqa: PLC0415
    from pipeline.sources.export import export  # noqa: PLC0415
    from pipeline.workspace.study import StudyError, study_file  # noqa: PLC0415

    with reported_errors():
        content = read_yaml(study_file(study)) | {"standards": standard, "mapping": None}
        content |= {"simulated": False, "simulations": []}
        raw = ARTIFACTS / study / "raw"
        if out.exists():
            raise StudyError(f"{out} is there already; name another folder")
        if not raw.is_dir():
            raise StudyError(f"{raw} is not there: run the study first (pcr run --study {study})")
        with replacing(out) as new:
            new.mkdir()
            export(read_tables(raw), content, read_contract(CONTRACT), new)
    stdout().print(f"{out} is written; it is read by a study file with standards: {', '.join(standard)}")
