"""Stage track: put the state of the pipeline into MLflow, once.

A leaf without outputs, run on every `dvc repro`: what MLflow lacks is made from the artifacts, what it has is
left alone. `pcr sync` does the same by hand, `pcr verify` compares.
"""

from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.stage import Run, Stage
from pipeline.registry.runs import track_state
from pipeline.registry.state import LOCK, PIPELINE, read_state

STAGE = Stage(
    # It runs whatever has changed, and compares what it takes with dvc.lock by content. So it names only what
    # it stands behind: the pages come last, made from all that MLflow is given.
    reads=(paths.STUDY, paths.STORED_MODELS, paths.REPORTS),
)


def main(run: Run) -> None:
    """Make sure that the state and its landmarks have exactly one run each, and every model one version."""
    artifacts = run.path(paths.STORED_MODELS).parent
    added = track_state(read_state(run.path(paths.STUDY), PIPELINE, LOCK, artifacts))
    stdout().print(added.told)


if __name__ == "__main__":
    STAGE.run(main)
