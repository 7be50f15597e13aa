"""Commands of `pcr` on the trial and its results: design."""

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
    """Simulate what a trial like this one would find: error, power, bias, coverage, widths, looks, branches.

    For example: `pcr design`, or `pcr design --plan mine.yaml --out mine`. Takes half a minute.
    """
    from pipeline.commands.design import design as simulate  # noqa: PLC0415

    with reported_errors():
        simulate(plan, out)
