"""The command line `pcr`: collects the commands, and lets them work from any folder."""

import typer

from pipeline.commands import ctdna_reference, intake, registry, run, trial
from pipeline.workspace.root import enter_checkout

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Predict pathological complete response at the landmarks of an adaptive neoadjuvant trial.",
)

for commands in (run, registry, intake, trial, ctdna_reference):
    app.add_typer(commands.app)


@app.callback()
def _checkout() -> None:
    """Go to the checkout's root; paths that are given stay relative to where the user stands."""
    enter_checkout()


if __name__ == "__main__":
    app()
