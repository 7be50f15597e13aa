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
    reads=(
        paths.STUDY, paths.COHORT_FOLDER, paths.REPORT_PAGES, paths.STORED_MODELS, paths.METRICS_FOLDER,
        paths.RESULTS, paths.SHAP, paths.PREDICTIONS_FOLDER, paths.FEATURES_FOLDER, paths.REPORTS,
    ),
)  # fmt: skip


def main(run: Run) -> None:
    """Make sure that the state and its landmarks have exactly one run each, and every model one version."""
    artifacts = run.path(paths.STORED_MODELS).parent
    added = track_state(read_state(run.path(paths.STUDY), PIPELINE, LOCK, artifacts))
    stdout().print(added.told)


if __name__ == "__main__":
    STAGE.run(main)
