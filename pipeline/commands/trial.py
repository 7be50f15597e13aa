"""Commands of `pcr` on the trial, and for those who write of its results or check them."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import reported_errors
from pipeline.workspace.root import user_path

app = typer.Typer()

PLAN_HELP = "The plan, as configs/design.yaml."
OUT_HELP = "Folder for design.html, design.csv and design.json."


@app.command()
def design(
    plan: Annotated[Path, typer.Option(help=PLAN_HELP, parser=user_path)] = Path("configs/design.yaml"),
    out: Annotated[Path, typer.Option(help=OUT_HELP, parser=user_path)] = Path("artifacts/design"),
) -> None:
    """Simulate what a trial like this one would find: the arms, branches, a model, the gates, groups.

    For example: `pcr design`, or `pcr design --plan mine.yaml --out mine`. Takes some minutes.
    """
    from pipeline.commands.design import design as simulate  # noqa: PLC0415

    with reported_errors():
        simulate(plan, out)


@app.command()
def ard(
    where: Annotated[
        list[str] | None, typer.Option(help="COLUMN=TEXT that rows must contain; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for ard.parquet, ard.csv and ard.json (Dataset-JSON).", parser=user_path),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Compare with the ard.parquet of another state.", parser=user_path)
    ] = None,
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Compute all again from stored fits, and compare."),
    ] = False,
) -> None:
    """List every number of the active study's results, export them, or compare them with another state's.

    For example: `pcr ard --where measure=auc --where landmark=c2`, or `pcr ard --out ard`. Exits with 1 if
    rows differ.
    """
    from features.errors import UserError  # noqa: PLC0415
    from pipeline.commands.ard import ard as run  # noqa: PLC0415

    with reported_errors():
        filters = dict(text.partition("=")[::2] for text in where or ())
        if not all(filters.values()):
            raise UserError("--where: must be COLUMN=TEXT, such as measure=auc")
        differ = run(filters, out, against, recompute=recompute)
    if differ:
        raise typer.Exit(1)


@app.command()
def adam(
    out: Annotated[Path, typer.Option(help="Folder for the datasets and define.xml.", parser=user_path)],
) -> None:
    """Write the active study's analysis datasets: CDISC ADaM in SAS transport files and Dataset-JSON.

    For example: `pcr adam --out adam`. Patients' values are in them: they stay where the raw tables stay.
    """
    from pipeline.commands.adam import adam as run  # noqa: PLC0415

    with reported_errors():
        run(out)


LANDMARK_HELP = "Landmark of the active study, such as c2."


@app.command()
def folds(
    landmark: Annotated[str, typer.Option(help=LANDMARK_HELP)],
    out: Annotated[Path, typer.Option(help="CSV or Parquet file to write.", parser=user_path)],
) -> None:
    """Write which patients are in which fold of every repeat, for models that are made elsewhere.

    For example: `pcr folds --landmark c2 --out folds.csv`. Ids and folds, no outcomes.
    """
    from pipeline.commands.challenge import folds as run  # noqa: PLC0415

    with reported_errors():
        run(landmark, out)


@app.command()
def challenge(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: usubjid, repeat, fold, p.", parser=user_path)],
    landmark: Annotated[str, typer.Option(help=LANDMARK_HELP)],
    name: Annotated[str, typer.Option(help="What the other model is called.")] = "challenger",
    fixed: Annotated[
        bool, typer.Option("--fixed", help="It learned from none of these patients: one p in all repeats.")
    ] = False,
) -> None:
    """Judge out-of-fold predictions of a model made elsewhere beside the active study's model.

    For example: `pcr challenge predictions.csv --landmark c2 --name network`. The study file's `challengers`
    put it into the report.
    """
    from pipeline.commands.challenge import challenge as run  # noqa: PLC0415

    with reported_errors():
        run(file, name, landmark, fixed=fixed)


@app.command()
def reproduce(
    python: Annotated[
        Path | None,
        typer.Option(help="Another Python that computes, with its own libraries.", parser=user_path),
    ] = None,
    fits: Annotated[
        bool, typer.Option("--fits", help="Fit every model again, too (as long as a run).")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for STUDY.md, the report.", parser=user_path)
    ] = None,
) -> None:
    """Compute the active study's results anew in a copy, and compare them with the stored ones cell by cell.

    For example: `pcr reproduce`, or `pcr reproduce --python .venv-latest/bin/python --out docs/reproduction`.
    Exits with 1 if a stage fails or anything differs beyond nine digits.
    """
    from pipeline.commands.reproduce import reproduce as run  # noqa: PLC0415

    with reported_errors():
        made = run(python, out, fits=fits)
    if not made.sound:
        raise typer.Exit(1)


@app.command()
def paper(
    out: Annotated[Path, typer.Option(help="Folder for STUDY-COMMIT.zip.", parser=user_path)] = Path(
        "artifacts/paper"
    ),
) -> None:
    """Write all figures (SVG, PNG), data (CSV) and tables (CSV, Word) of the active study's pages as one zip.

    For example: `pcr paper`, or `pcr paper --out manuscript`. What the pages hide is
    hidden there, too.
    """
    from pipeline.commands.paper import paper as run  # noqa: PLC0415

    with reported_errors():
        run(out)


@app.command()
def methods(
    out: Annotated[
        Path | None, typer.Option(help="A file ending in .md or .docx; else it is printed.", parser=user_path)
    ] = None,
) -> None:
    """Tell abstract, statistical methods, TRIPOD+AI and PROBAST+AI of the run, each sentence with its source.

    For example: `pcr methods`, or `pcr methods --out methods.docx`. What is not true of the run is not said.
    """
    from pipeline.commands.methods import methods as run  # noqa: PLC0415

    with reported_errors():
        run(out)
