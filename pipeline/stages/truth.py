"""Stage truth: what only a simulation knows. No stage but a truth check may depend on it."""

from pipeline.project import paths
from pipeline.project.files import write_table
from pipeline.project.rule_files import read_rules
from pipeline.project.stage import Run, Stage
from pipeline.sources.simulation.settings import read_settings
from pipeline.sources.simulator import simulate

STAGE = Stage(
    reads=(paths.SOURCE, paths.SIMULATION_TABLES, paths.RULES_TABLE, paths.GENES),
    writes=(paths.TRUTH,),
)


def main(run: Run) -> None:
    """Simulate again, deterministically, and write the true probabilities."""
    rules = read_rules(run.path(paths.RULES_TABLE), run.path(paths.GENES))
    write_table(run.path(paths.TRUTH), simulate(read_settings(run.path(paths.SOURCE)), rules=rules).truth)


if __name__ == "__main__":
    STAGE.run(main)
