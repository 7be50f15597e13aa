"""Make runs of one study fail, kill them and stop them, and compare every file of the checkout after each.

`python -m tests.fault_campaign 30` does so with the small graph of tests/toy.py: every stage fails in turn,
30 runs are killed at random moments, 10 are stopped by Ctrl-C, and 10 times two studies are started together.
`python -m tests.fault_campaign 30 --pipeline` fails every stage of the real pipeline in turn on the small
trial of tests/workspace.py, and kills 30 runs of it.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

from tests.toy import STAGES, A, B, ToyProject, kill, made
from tests.workspace import Workspace

# Ends a stage a moment after it has begun, when DVC has removed its former outputs.
ENDING = """
import os, threading
if os.environ.get("DVC_STAGE", "-") == os.environ.get("FAILING_STAGE"):
    threading.Timer(0.2, os._exit, [9]).start()
"""


class Campaign:
    """Runs of study B that do not end well, and whether anything differs after them."""

    def __init__(self, project: ToyProject, seed: int) -> None:
        self.project = project
        self.draw = random.Random(seed)  # noqa: S311 - when to kill is no secret
        self.runs = 0
        self.lost: list[str] = []

    def edit(self) -> None:
        """Give B another title, so that its run has something to do."""
        self.runs += 1
        self.project.title(B, f"title {self.runs}")

    def compare(self, name: str, before: dict[str, str]) -> None:
        """Note every file that is not as before, when all processes of a run have ended."""
        self.project.wait_for_end(120)
        after = self.project.snapshot()
        changed = sorted(path for path in before | after if before.get(path) != after.get(path))
        if changed:
            self.lost.append(f"{name}: {', '.join(changed[:5])}")

    def fail(self, stage: str, **environment: str) -> None:
        """Let one stage fail."""
        before = self.project.snapshot()
        done = self.project.pcr("run", "--study", B, expect=None, **environment)
        if done.returncode == 0 or f"Stage {stage} " not in " ".join(done.stderr.split()):
            self.lost.append(f"{stage} did not fail: {done.stderr[-300:]}")
        self.compare(stage, before)

    def kill(self, seconds: float, **environment: str) -> None:
        """Kill a run at a random moment; what was killed before DVC began, the next run brings back."""
        moment = self.draw.uniform(0.3, seconds)
        self.edit()
        before = self.project.snapshot()
        process = self.project.start("run", "--study", B, **environment)
        time.sleep(moment)
        kill(process)
        self.project.wait_for_end(120)
        self.project.pcr("run")
        self.compare(f"killed after {moment:.2f} s", before)

    def interrupt(self, seconds: float, **environment: str) -> None:
        """Press Ctrl-C at a random moment, one to three times."""
        moment = self.draw.uniform(2, seconds)
        self.edit()
        before = self.project.snapshot()
        process = self.project.start("run", "--study", B, **environment)
        time.sleep(moment)
        for _ in range(self.draw.randint(1, 3)):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        printed = process.communicate()[0]
        if process.returncode != 128 + signal.SIGINT or "Traceback" in printed:
            self.lost.append(f"Ctrl-C after {moment:.2f} s: exit code {process.returncode}: {printed[-300:]}")
        self.compare(f"Ctrl-C after {moment:.2f} s", before)

    def together(self, **environment: str) -> None:
        """Start both studies at once, the later one waiting, and look for a file of the other's."""
        self.runs += 1
        titles = {study: f"{study} together {self.runs}" for study in (A, B)}
        for study, title in titles.items():
            self.project.title(study, title)
        both = [self.project.start("run", "--wait", "--study", study, **environment) for study in titles]
        printed = [process.communicate()[0] for process in both]
        for study, process, text in zip(titles, both, printed, strict=True):
            if process.returncode != 0:
                self.lost.append(f"together, {study}: {text[-300:]}")
            for path in (self.project.folder / "artifacts" / study / "raw").rglob("*.csv"):
                if not path.read_text().startswith(f"{study}\n{titles[study]}\n"):
                    self.lost.append(f"together: {path} is not of {study}")
        self.project.pcr("run")


def of_the_small_graph(folder: Path, kills: int, seed: int) -> Campaign:
    """Run the whole campaign with the graph of tests/toy.py."""
    campaign = Campaign(made(folder), seed)
    campaign.edit()
    for stage in STAGES:
        campaign.project.trouble(**{stage: "fail"})
        campaign.fail(stage)
    campaign.project.trouble()
    for _ in range(kills):
        campaign.kill(12, STAGE_SECONDS="1")
    for _ in range(10):
        campaign.interrupt(9, STAGE_SECONDS="2")
    for _ in range(10):
        campaign.together()
    return campaign


def of_the_pipeline(folder: Path, kills: int, seed: int) -> Campaign:
    """Fail every stage of the real pipeline on the small trial, and kill runs of it."""
    folder.mkdir()
    project: ToyProject = ToyProject.at(folder)
    Workspace(folder)
    project.change("configs/simulation.yaml", {"cohort": {"n": 400}})
    project.title(B, "first title")
    project.commit()
    project.pcr("run", "--study", B)
    project.pcr("run")
    project.commit()
    campaign = Campaign(project, seed)
    project.change("configs/validation.yaml", {"seed": 7, "bootstrap": 51})
    project.change("configs/simulation.yaml", {"cohort": {"n": 390}})
    shim = folder.with_name("shim")
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(ENDING)
    path = os.pathsep.join([str(shim), str(folder)])
    for stage in project.read("dvc.lock")["stages"]:
        campaign.fail(stage, PYTHONPATH=path, FAILING_STAGE=stage)
        print(f"{stage}: {len(campaign.lost)} lost", flush=True)
    # A's parameters are as in its results, so that the run of A after a kill has nothing to compute.
    project.call("git", "checkout", "configs/validation.yaml", "configs/simulation.yaml")
    for _ in range(kills):
        campaign.kill(20)
        print(f"killed: {len(campaign.lost)} lost", flush=True)
    return campaign


def main() -> None:
    """Run the campaign, and say what was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("--pipeline", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        work = of_the_pipeline if chosen.pipeline else of_the_small_graph
        campaign = work(Path(scratch) / "project", chosen.kills, chosen.seed)
    for line in campaign.lost:
        print(line)
    print(f"{len(campaign.lost)} of the faults lost or mixed anything ({time.monotonic() - begun:.0f} s)")
    if campaign.lost:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
