"""Stage track: put the state of the pipeline into MLflow, once.

A leaf without outputs, run on every `dvc repro`: what MLflow lacks is made from the artifacts, what it has is
left alone. `pcr sync` does the same by hand, `pcr verify` compares.
"""

from pipeline.project.console import stdout
from pipeline.project.files import stage_paths
from pipeline.registry.runs import track_state
from pipeline.registry.state import read_state


def main() -> None:
    """Make sure that the state and its landmarks have exactly one run each, and every model one version."""
    args = stage_paths(__doc__ or "", "study", "pipeline", "lock", "artifacts")
    added = track_state(read_state(args.study, args.pipeline, args.lock, args.artifacts))
    stdout().print(added.told)


if __name__ == "__main__":
    main()
