"""Make runs of one study fail, kill them and stop them, and compare every file of the checkout after each.

`python -m tests.fault_campaign 30` does so with the small graph of tests/toy.py: every stage fails in turn,
30 runs are killed at random moments, 10 are stopped by Ctrl-C, and 20 times two studies are started together.
`python -m tests.fault_campaign 30 --pipeline` does the same to the whole pipeline, on eighty patients at one
landmark. Every file, `git status` and `dvc status` must be as before; of two studies started together each
must have its own results.

With `--keep FOLDER` the checkout and the names of the faults that passed stay there, and the same command
goes on after them: with the whole pipeline they take more than an hour of processor time.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.toy import STAGES, A, B, ToyProject, kill, made
from tests.workspace import Workspace, tracked

INTERRUPTED = 10
PAIRS = 20
# A module `sitecustomize`, so each stage must have an interpreter of its own (`PCR_WARM_SOCKET`).
# Ends a stage a moment after it has begun, when DVC has removed its former outputs, or at its very end.
ENDING = """
import atexit, os, threading
if os.environ.get("DVC_STAGE", "-") == os.environ.get("FAILING_STAGE"):
    if os.environ["FAILING_AT"] == "end":
        atexit.register(os._exit, 9)
    else:
        threading.Timer(0.2, os._exit, [9]).start()
"""
# One landmark of eighty patients with the least of everything, so that most of a run is DVC and imports.
TINY: dict[str, dict[str, Any]] = {
    "configs/study.yaml": {"landmarks": ["baseline"], "primary": {"landmark": "baseline"}},
    f"configs/studies/{A}.yaml": {"landmarks": ["baseline"], "primary": {"landmark": "baseline"}},
    "configs/simulation.yaml": {"cohort": {"n": 80}},
    "configs/validation.yaml": {
        "folds": 2,
        "repeats": 1,
        "inner_folds": 2,
        "bootstrap": 20,
        "loess_bootstrap": 5,
        "population": 200,
        "resampling": {"bootstrap": 1, "leave_centres_out": False, "origins": [0.7]},
    },
    "configs/models.yaml": {"candidates": {"logistic": {"penalties_per_patient": [0.2]}}},
}


class Campaign:
    """Runs of study B that do not end well, and whether anything differs after them.

    `edits` are changes of B's study file that give its run something to do, from a number that is new each
    time. `mixed` tells which results of a study are not of its title.
    """

    def __init__(
        self,
        project: ToyProject,
        seed: int,
        edits: tuple[Callable[[int], dict[str, Any]], ...],
        mixed: Callable[[Path, str, dict[str, str]], list[str]],
    ) -> None:
        self.project = project
        self.edits = edits
        self.mixed = mixed
        self.lost: list[str] = []
        self.stale = self.dvc_status()
        self.log = passed(project.folder)
        # Another run of the same campaign goes on with other titles and other moments.
        self.runs = 100 * len(self.passed())
        self.draw = random.Random(f"{seed} {self.runs}")  # noqa: S311 - when to kill is no secret

    def passed(self) -> list[str]:
        """Return the names of the faults after which nothing was lost, in this run and in former ones."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.is_file() else []

    def note(self, name: str, faults: list[str]) -> None:
        """Note what a fault has lost, or that it passed."""
        self.lost += faults
        print(f"{name}: {'; '.join(faults) or 'nothing differs'}", flush=True)
        if not faults:
            with self.log.open("a", encoding="utf-8") as log:
                log.write(f"{name}\n")

    def dvc_status(self) -> str:
        """Return what DVC finds out of date of the active study."""
        return self.project.call("dvc", "status", "--json").stdout

    def state(self) -> dict[str, str]:
        """Return what a run that does not end well must leave as it was."""
        status = self.project.call("git", "status", "--porcelain").stdout
        return self.project.snapshot() | {"git status": status}

    def edit(self) -> None:
        """Change B's study file, so that its run has something to do."""
        self.runs += 1
        self.project.write_study(B, **self.draw.choice(self.edits)(self.runs))

    def seconds(self) -> float:
        """Return how long the quickest of B's runs takes, after each of the edits."""
        taken = []
        for change in self.edits:
            self.runs += 1
            self.project.write_study(B, **change(self.runs))
            begun = time.monotonic()
            self.project.pcr("run", "--study", B)
            taken.append(time.monotonic() - begun)
        self.project.pcr("run")
        self.project.commit()
        return min(taken)

    def compare(self, name: str, before: dict[str, str], *faults: str) -> None:
        """Note everything that is not as before, when all processes of a run have ended."""
        self.project.wait_for_end(120)
        after = self.state() | {"dvc status": self.dvc_status()}
        before |= {"dvc status": self.stale}
        changed = sorted(path for path in before | after if before.get(path) != after.get(path))
        self.note(name, [*faults, *(f"{path} differs" for path in changed[:5])])

    def fail(self, stage: str, **environment: str) -> None:
        """Let one stage fail, unless that was tried before."""
        name = f"{stage} failed at its {environment.get('FAILING_AT', 'begin')}"
        if name in self.passed():
            return
        before = self.state()
        done = self.project.pcr("run", "--study", B, expect=None, **environment)
        failed = done.returncode != 0 and f"Stage {stage} " in " ".join(done.stderr.split())
        self.compare(name, before, *([] if failed else [f"it did not fail: {done.stderr[-300:]}"]))

    def kill(self, seconds: float, **environment: str) -> bool:
        """Kill a run at a random moment; tell whether it was still at work.

        What was killed before DVC began, the next run brings back.
        """
        moment = self.draw.uniform(0.3, seconds)
        self.edit()
        before = self.state()
        process = self.project.start("run", "--study", B, **environment)
        time.sleep(moment)
        if process.poll() is not None:
            return self.ended(process)
        kill(process)
        self.project.wait_for_end(120)
        if self.finished():
            self.activate_a()
            return False
        if self.is_kept():
            self.project.pcr("run")
        self.compare(f"killed after {moment:.2f} s", before)
        return True

    def interrupt(self, seconds: float, **environment: str) -> bool:
        """Press Ctrl-C at a random moment, one to three times; tell whether the run was still at work."""
        moment = self.draw.uniform(2, seconds)
        self.edit()
        before = self.state()
        process = self.project.start("run", "--study", B, **environment)
        time.sleep(moment)
        if process.poll() is not None:
            return self.ended(process)
        for _ in range(self.draw.randint(1, 3)):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        printed = process.communicate()[0]
        told = process.returncode == 128 + signal.SIGINT and "Traceback" not in printed
        self.compare(
            f"Ctrl-C after {moment:.2f} s",
            before,
            *([] if told else [f"exit code {process.returncode}: {printed[-300:]}"]),
        )
        return True

    def ended(self, process: Any) -> bool:
        """Make A active again after a run of B that had ended before its moment came."""
        printed = process.communicate()[0]
        if process.returncode != 0:
            self.lost.append(f"a run that nothing was done to: {printed[-300:]}")
        self.activate_a()
        return False

    def activate_a(self) -> None:
        """Make A active again, beside new results of B."""
        self.project.pcr("run")
        self.project.commit()

    def is_kept(self) -> bool:
        """Tell whether former results are still set aside."""
        return (self.project.folder / ".pcr/former/record.json").exists()

    def finished(self) -> bool:
        """Tell whether B's results were whole when its run was killed: it was about to print them."""
        active = self.project.read("configs/study.yaml")["study"] == B
        stale = {name for name in json.loads(self.dvc_status()) if ":" not in name}
        return active and not self.is_kept() and stale <= {"track"}

    def repeat(self, fault: Callable[..., bool], times: int, seconds: float, **environment: str) -> None:
        """Repeat a fault until it has met so many runs at work, with those of former runs of the campaign."""
        name = "Ctrl-C" if fault == self.interrupt else "killed"
        met = sum(passed.startswith(name) for passed in self.passed())
        for _ in range(3 * times):
            if met >= times:
                break
            met += fault(seconds, **environment)
        if met < times:
            self.lost.append(f"{name}: only {met} of {times} runs were met at work")

    def repeat_together(self, times: int) -> None:
        """Start both studies together until they were so many times, with those of former runs."""
        for _ in range(times - sum(passed.startswith("together") for passed in self.passed())):
            self.together()

    def together(self, **environment: str) -> None:
        """Start both studies at once, the later one waiting, and look for anything of the other's."""
        self.runs += 1
        titles = {study: f"{study} together {self.runs}" for study in (A, B)}
        for study, title in titles.items():
            self.project.write_study(study, title=title)
        before = {study: self.results(study) for study in titles}
        faults: list[str] = []
        both = [self.project.start("run", "--wait", "--study", study, **environment) for study in titles]
        printed = [process.communicate()[0] for process in both]
        for study, process, text in zip(titles, both, printed, strict=True):
            if process.returncode != 0:
                faults.append(f"{study}: {text[-300:]}")
            if set(self.results(study)) != set(before[study]):
                faults.append(f"{study} has other files than before")
            faults += self.mixed(self.project.folder, study, titles)
        faults += self.locks_with_two_studies()
        runs = tracked(self.project)["runs"] if (self.project.folder / "mlflow.db").exists() else []
        if len(runs) != len(set(runs)):
            faults.append("MLflow has a run twice")
        self.note(f"together {self.runs}", faults)
        self.project.pcr("run")

    def results(self, study: str) -> list[str]:
        """Return the paths of a study's results."""
        folder = self.project.folder / "artifacts" / study
        return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file()]

    def locks_with_two_studies(self) -> list[str]:
        """Return what is wrong of dvc.lock and the ones set aside: each has outputs of one study."""
        faults = []
        for path in (self.project.folder / "dvc.lock", *(self.project.folder / ".pcr/dvc-locks").iterdir()):
            stages = self.project.read(str(path.relative_to(self.project.folder)))["stages"].values()
            outs = [out["path"] for stage in stages for out in stage.get("outs", ())]
            studies = {out.split("/")[1] for out in outs}
            if len(studies) != 1:
                faults.append(f"{path.name} has outputs of {sorted(studies)}")
        return faults


def passed(folder: Path) -> Path:
    """Return the file with the names of the faults that passed in a checkout."""
    return folder.with_name("passed.txt")


def mixed_tables(folder: Path, study: str, titles: dict[str, str]) -> list[str]:
    """Return the toy graph's tables that are not of a study's title."""
    tables = (folder / "artifacts" / study / "raw").rglob("*.csv")
    head = f"{study}\n{titles[study]}\n"
    return [f"{path} is not of {study}" for path in tables if not path.read_text().startswith(head)]


def mixed_pages(folder: Path, study: str, titles: dict[str, str]) -> list[str]:
    """Return the pages and models of the pipeline that are not of a study and its title alone."""
    artifacts = folder / "artifacts" / study
    faults = [
        f"{page} is not of {study} alone"
        for page in sorted((artifacts / "reports").glob("*.html"))
        if {name for name, title in titles.items() if title in page.read_text(encoding="utf-8")} != {study}
    ]
    models = sorted((artifacts / "models").glob("*/model.json"))
    others = [model for model in models if json.loads(model.read_text())["study"] != study]
    return faults + [f"{model} is not of {study}" for model in others]


def title(number: int) -> dict[str, Any]:
    """Return another title: the pipeline packs its models again, and all that follows."""
    return {"title": f"title {number}"}


def acknowledged(number: int) -> dict[str, Any]:
    """Return another acknowledgement of the leakage alarm: the pipeline fits its models again."""
    return {"leakage_acknowledged": f"made up {number}"}


def of_the_small_graph(folder: Path, kills: int, seed: int) -> Campaign:
    """Run the whole campaign with the graph of tests/toy.py."""
    campaign = Campaign(made(folder), seed, (title,), mixed_tables)
    campaign.edit()
    for stage in STAGES:
        campaign.project.trouble(**{stage: "fail"})
        campaign.fail(stage)
    campaign.project.trouble()
    campaign.repeat(campaign.kill, kills, 12, STAGE_SECONDS="1")
    campaign.repeat(campaign.interrupt, INTERRUPTED, 9, STAGE_SECONDS="2")
    campaign.repeat_together(PAIRS)
    return campaign


def pipeline_project(folder: Path) -> ToyProject:
    """Return a checkout of the pipeline in which two tiny simulated studies have results, and A is active."""
    project: ToyProject = ToyProject.at(folder)
    if passed(folder).is_file():
        project.call("git", "checkout", "--", "configs")
        project.pcr("run", "--wait")
        return project
    folder.mkdir()
    Workspace(folder)
    for path, changes in TINY.items():
        project.change(path, changes)
    project.write_study(B, title="first title")
    project.commit()
    project.pcr("run", "--study", B)
    project.pcr("run")
    project.commit()
    passed(folder).touch()
    return project


def of_the_pipeline(folder: Path, kills: int, seed: int) -> Campaign:
    """Run the whole campaign with the pipeline itself on two tiny simulated studies."""
    project = pipeline_project(folder)
    campaign = Campaign(project, seed, (title, acknowledged), mixed_pages)
    # Other patients, so that every stage has something to do.
    project.change("configs/simulation.yaml", {"cohort": {"n": 79}})
    campaign.stale = campaign.dvc_status()
    shim = folder.with_name("shim")
    shim.mkdir(exist_ok=True)
    (shim / "sitecustomize.py").write_text(ENDING)
    path = os.pathsep.join([str(shim), str(folder)])
    # In their order: what comes before a stage is in the run cache then, and the stage itself is not.
    for stage in project.read("dvc.lock")["stages"]:
        for moment in ("begin", "end"):
            campaign.fail(
                stage, PYTHONPATH=path, FAILING_STAGE=stage, FAILING_AT=moment, PCR_WARM_SOCKET="none"
            )
    # The patients of A's results, so that the run of A after a kill has nothing to compute.
    project.call("git", "checkout", "configs/simulation.yaml")
    campaign.stale = campaign.dvc_status()
    seconds = campaign.seconds()
    print(f"the quickest run of {B} takes {seconds:.1f} s", flush=True)
    campaign.repeat(campaign.kill, kills, seconds)
    campaign.repeat(campaign.interrupt, INTERRUPTED, seconds)
    campaign.repeat_together(PAIRS)
    return campaign


def main() -> None:
    """Run the campaign, and say what was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--pipeline", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder that holds the checkout, to go on from")
    chosen = parser.parse_args()
    begun = time.monotonic()
    with contextlib.ExitStack() as until_done:
        folder = chosen.keep or Path(until_done.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        work = of_the_pipeline if chosen.pipeline else of_the_small_graph
        campaign = work(folder.resolve() / "project", chosen.kills, chosen.seed)
    for line in campaign.lost:
        print(line)
    print(f"{len(campaign.lost)} of the faults lost or mixed anything ({time.monotonic() - begun:.0f} s)")
    if campaign.lost:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
