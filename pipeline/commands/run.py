"""Commands of `pcr` for the active study: run, summary, diff, report.

A run that does not end well leaves the checkout as it was: the study's results, dvc.lock, which study is
active, the raw files. What it had finished stays in DVC's run cache, from which the next run goes on.
"""

import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated, Any, Self

import typer
from rich.markup import escape

from pipeline.console import FAULT, reported_errors, stderr, stdout
from pipeline.project import paths
from pipeline.workspace import former_results
from pipeline.workspace.root import user_path
from pipeline.workspace.run_lock import require_idle_dvc, run_lock
from pipeline.workspace.study import (
    ACTIVE,
    ARTIFACTS,
    COPIED,
    DATA,
    LOCK,
    activate,
    active_study,
    parked_lock,
    study_file,
    take_in,
)
from pipeline.workspace.supervisor import Failure, SupervisedDvc

app = typer.Typer()

VALIDATION = Path(paths.VALIDATION)
KILLED = 128
"""A shell's exit code of a command that a signal ended is this plus the signal's number."""
STUDY_HELP = "Name of a file in configs/studies, without .yaml."
SOURCE_HELP = (
    "Folder with the study's raw files; only read. Needed the first time, and when the files changed."
)
PROFILE_HELP = "How often things are drawn: default (minutes), full (hours, resumable); else as configured."
WAIT_HELP = "Wait for the end of another run in this checkout, instead of being refused."
READINGS_HELP = "Also what the readings of the rules change."
Study = Annotated[str, typer.Option(help=STUDY_HELP)]
Source = Annotated[Path | None, typer.Option(help=SOURCE_HELP, parser=user_path)]
Profile = Annotated[str | None, typer.Option(help=PROFILE_HELP)]
VERBOSE_HELP = "Show all that DVC says, the commands of the stages included."
Verbose = Annotated[bool, typer.Option("--verbose", help=VERBOSE_HELP)]
Wait = Annotated[bool, typer.Option("--wait", help=WAIT_HELP)]


@app.command()
def run(
    study: Study = "nct07239271",
    source: Source = None,
    profile: Profile = None,
    wait: Wait = False,
    verbose: Verbose = False,
) -> None:
    """Check the input, run every stage that is out of date, and show the results.

    For example: `pcr run`, `pcr run --study ispy2 --source ../ispy2-files`, or `pcr run --profile full`.
    A run that fails or is stopped leaves everything as it was. It exits with 1, or 70 for our own faults.
    """
    with reported_errors():
        study_file(study)
        with run_lock(study, wait=wait) as lock:
            code = _run(lock, study, source, profile, verbose=verbose)
            if code == 0:
                _print_summary()
    if code != 0:
        raise typer.Exit(code)


@app.command()
def summary(
    readings: Annotated[bool, typer.Option("--readings", help=READINGS_HELP)] = False,
) -> None:
    """Show one line per landmark of the active study: n, pCR, AUC, Brier, and the model against the rules.

    For example: `pcr summary`, or `pcr summary --readings`.
    """
    with reported_errors():
        _print_summary(readings=readings)


@app.command()
def diff(
    revision: Annotated[
        str, typer.Argument(help="A commit, branch or tag, or an experiment of DVC by its name.")
    ] = "HEAD",
) -> None:
    """Show in ten lines what changed against a commit, and which headline figures of the study with it.

    For example: `pcr diff` after a run, or `pcr diff main`.
    """
    from pipeline.commands.diff import differences  # noqa: PLC0415

    with reported_errors():
        lines = differences(active_study(), revision)
    for line in lines:
        stdout().print(line, markup=False, highlight=False, soft_wrap=True)


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
        print_patient(ARTIFACTS / active_study(), landmark, patient, top)


class Interruption:
    """Ctrl-C, SIGTERM and the end of the terminal while a run is at work: they end DVC, once.

    However often Ctrl-C is pressed, DVC is waited for and former results are brought back.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._dvc: SupervisedDvc | None = None
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # What whoever started the run had ignored (nohup, a job in the background) stays so.
            if signal.getsignal(number) != signal.SIG_IGN:
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, former in self._former.items():
            # One more Ctrl-C must not cut off the message that all is as before.
            signal.signal(number, former if self.signal is None else signal.SIG_IGN)

    def supervise(self, dvc: SupervisedDvc) -> Failure | None:
        """Wait for DVC's end, which an interruption brings about, and return why it failed."""
        self._dvc = dvc
        if self.signal is not None:
            dvc.stop()
        failure = dvc.wait()
        self._dvc = None
        dvc.close()
        return failure

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            return
        self.signal = number
        if self._dvc is not None:
            self._dvc.stop()


def _run(lock: int, study: str, source: Path | None, profile: str | None, *, verbose: bool) -> int:
    """Check, compute, and bring former results back where that fails; return the exit code."""
    from pipeline.intake.preflight import preflight  # noqa: PLC0415 - `pcr --help` should not wait for pandas

    require_idle_dvc()
    if former_results.is_kept():
        told = escape(former_results.bring_back().sentence())
        stderr().print(f"The last run was killed. {told}", highlight=False)
    preflight(study, source)
    with Interruption() as interruption:
        former_results.keep(study, *_touched(study))
        failure = None
        try:
            _activate(study, source, profile)
            if interruption.signal is None:
                dvc = SupervisedDvc(lock, ["repro"], verbose=verbose)
                from pipeline.commands import summary  # noqa: F401,PLC0415 - loaded while DVC is at work

                failure = interruption.supervise(dvc)
        except Exception:
            if interruption.signal is None:
                stderr().print(escape(former_results.restored()), highlight=False)
                raise
        if interruption.signal is not None:
            reason = f"Ended by {signal.Signals(interruption.signal).name}."
            code = KILLED + interruption.signal
        elif failure is not None:
            reason, code = _reason(failure), FAULT if failure.status == FAULT else 1
        else:
            former_results.discard()
            return 0
        told = escape(f"{reason} {former_results.restored()}")
        stderr().print(f"[bold red]Stopped.[/] {told}", highlight=False)
        return code


def _touched(study: str) -> tuple[list[Path], list[Path]]:
    """Return the folders of a study, and the small files that a run of it may write."""
    locks = [parked_lock(study), parked_lock(active_study())]
    data = [DATA / f"{study}.dvc", DATA / ".gitignore"]
    return [ARTIFACTS / study, DATA / study], [LOCK, ACTIVE, COPIED, VALIDATION, *locks, *data]


def _activate(study: str, source: Path | None, profile: str | None) -> None:
    """Make a study the active one, take its raw files in, and set how often things are drawn."""
    from pipeline.project.files import read_yaml  # noqa: PLC0415
    from pipeline.sources.mapped import source_files  # noqa: PLC0415
    from pipeline.workspace.profiles import apply_profile  # noqa: PLC0415

    activate(study)
    if source is not None:
        take_in(study, source, source_files(read_yaml(study_file(study)), source))
    if profile is not None:
        apply_profile(profile)
    former_results.expect([ACTIVE, VALIDATION])


def _reason(failure: Failure) -> str:
    """Return why a run failed, and where it is told more fully."""
    if failure.storage is not None:
        return f"{failure.storage[0].upper()}{failure.storage[1:]}."
    if failure.stage is None or failure.status is None:
        return f"DVC: {failure.text}."
    killer = KILLED - failure.status if failure.status > KILLED else failure.status
    if killer == -signal.SIGKILL:
        return f"Stage {failure.stage} was killed by signal 9, as happens where memory does not suffice."
    if killer < 0:
        return f"Stage {failure.stage} was killed by signal {-killer}."
    return f"Stage {failure.stage} failed; its message is above."


def _print_summary(*, readings: bool = False) -> None:
    from pipeline.commands.summary import print_summary  # noqa: PLC0415 - pandas

    print_summary(ARTIFACTS / active_study(), readings=readings)
