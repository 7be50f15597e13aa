"""The commands of `pcr` for studies without an outcome: library, priors."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.console import reported_errors, stdout
from pipeline.workspace.root import user_path

app = typer.Typer()

Name = Annotated[str, typer.Argument(help="Name of a file in configs/studies that says `outcome: none`.")]
Out = Annotated[Path, typer.Option(help="Folder to write; one that is there is replaced.", parser=user_path)]
Source = Annotated[
    Path | None,
    typer.Option(help="Folder with its raw files; default data/NAME. Only read.", parser=user_path),
]
Piece = Annotated[Path, typer.Argument(help="priors.yaml of a library's report.", parser=user_path)]
Base = Annotated[Path, typer.Option(help="The simulator's settings to begin with.", parser=user_path)]
New = Annotated[
    Path, typer.Option(help="File to write, such as configs/simulation-mine.yaml.", parser=user_path)
]


@app.command()
def library(name: Name, out: Out, source: Source = None) -> None:
    """Report on a study without outcome: mutations, haematopoiesis, kinetics, assays; simulator's priors.

    For example: `pcr library ctdna958 --source ../ctdna958-files --out reports/ctdna958`.
    """
    from pipeline.intake.ctdna_reference.report import make_library_report  # noqa: PLC0415 - `pcr --help` should not wait for pandas

    with reported_errors():
        found = make_library_report(name, source, out)
    stdout().print(
        f"{out}/library.html: {found['patients']} patients, {found['samples']} samples", highlight=False
    )
    stdout().print(
        f"{out}/priors.yaml: look at it, then pcr priors {out}/priors.yaml --out FILE", highlight=False
    )


@app.command()
def priors(
    piece: Piece,
    out: New,
    base: Base = Path("configs/simulation.yaml"),
    kinetics: Annotated[
        bool, typer.Option("--kinetics", help="Take over the fall of the allele fraction, too.")
    ] = False,
) -> None:
    """Put a library's priors into a copy of the simulator's settings, to name under `source` in a study file.

    For example: `pcr priors reports/ctdna958/priors.yaml --out configs/simulation-ctdna958.yaml`.
    """
    from pipeline.intake.ctdna_reference.priors import apply_priors  # noqa: PLC0415

    with reported_errors():
        said = apply_priors(piece, base, out, kinetics=kinetics)
    for line in said:
        stdout().print(line, highlight=False, soft_wrap=True)
    stdout().print(f"{out} is written: {len(said)} settings replaced", highlight=False)
