"""The command line `pcr`."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import ctdna_reference as commands_library
from pipeline.commands import intake as commands_intake
from pipeline.commands import registry as commands_registry
from pipeline.project.console import reported_errors, stderr
from pipeline.project.study import active_study

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Predict pathological complete response at the landmarks of an adaptive neoadjuvant trial.",
)

for commands in (commands_registry, commands_intake, commands_library):
    app.add_typer(commands.app)

STUDY_HELP = "Name of a file in configs/studies, without .yaml."
SOURCE_HELP = (
    "Folder with the study's raw files; only read. Needed the first time, and when the files changed."
)
Study = Annotated[str, typer.Option(help=STUDY_HELP)]
Source = Annotated[Path | None, typer.Option(help=SOURCE_HELP)]


PROFILE_HELP = "How often things are drawn: default (minutes), full (hours, resumable); else as configured."


@app.command()
def run(
    study: Study = "nct07239271",
    source: Source = None,
    profile: Annotated[str | None, typer.Option(help=PROFILE_HELP)] = None,
) -> None:
    """Check the input, run every stage that is out of date, and show the results.

    For example: `pcr run`, `pcr run --study ispy2 --source ../ispy2-files`, or `pcr run --profile full`.
    """
    from pipeline.intake.preflight import preflight  # noqa: PLC0415 - `pcr --help` should not wait for pandas
    from pipeline.project.profiles import apply_profile  # noqa: PLC0415

    with reported_errors():
        preflight(study, source)
        if profile is not None:
            apply_profile(profile)
    if (code := _dvc("repro")) != 0:
        # DVC removes a stage's outputs before it runs the stage: bring the former ones back.
        _dvc("checkout", "--quiet")
        stderr().print(
            "[bold red]Stopped.[/] A stage failed; its message is above. Former results are as before."
        )
        raise typer.Exit(code)
    summary()


@app.command()
def summary() -> None:
    """Show one line per landmark of the active study: n, pCR, AUC, Brier, and the model against the rules."""
    from pipeline.commands.summary import print_summary  # noqa: PLC0415

    with reported_errors():
        print_summary(Path("artifacts") / active_study())


@app.command()
def report(
    landmark: Annotated[str, typer.Option(help="Landmark of the active study, such as c2.")],
    patient: Annotated[str, typer.Option(help="Pseudonymous id, as in predictions/<landmark>.parquet.")],
    top: Annotated[int, typer.Option(help="Features shown; the others are summed.", min=1)] = 12,
) -> None:
    """Explain one patient's out-of-fold prediction, from the base value to the calibrated probability.

    For example: `pcr report --landmark c2 --patient NCT07239271-0001`.
    """
    from pipeline.commands.patient_report import print_patient  # noqa: PLC0415

    with reported_errors():
        print_patient(Path("artifacts") / active_study(), landmark, patient, top)


@app.command()
def validate(
    model: Annotated[str, typer.Option(help="Folder of a stored model, or models:/NAME@ALIAS.")],
    study: Annotated[str, typer.Option(help=STUDY_HELP)],
    landmark: Annotated[str, typer.Option(help="Landmark of that study whose features are scored.")],
    source: Annotated[
        Path | None, typer.Option(help="Folder with its raw files; default data/STUDY.")
    ] = None,
    recalibrate: Annotated[
        str, typer.Option(help="none, or recalibrate on this cohort: intercept, logistic.")
    ] = "none",
    out: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file, too.")] = None,
) -> None:
    """Score a stored model on another cohort, with all measures; nothing is fitted again.

    For example: `pcr validate --model artifacts/nct07239271/models/baseline --study ispy2 --landmark t0
    --source ../ispy2-files`.
    """
    from pipeline.commands.validate import print_validation  # noqa: PLC0415

    with reported_errors():
        print_validation(model, study, landmark, source, recalibrate, out)


def _dvc(*arguments: str) -> int:
    """Run DVC with this interpreter, and return its exit code."""
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], check=False).returncode  # noqa: S603


if __name__ == "__main__":
    app()
