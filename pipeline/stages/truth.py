"""Stage truth: what only a simulation knows. No stage but a truth check may depend on it."""

from pipeline.project.configs import read_rules
from pipeline.project.files import stage_paths, write_table
from pipeline.sources.simulation.settings import read_settings
from pipeline.sources.simulator import simulate


def main() -> None:
    """Simulate again, deterministically, and write the true probabilities."""
    args = stage_paths(__doc__ or "", "source", "rules", "genes", "out")
    rules = read_rules(args.rules, args.genes)
    write_table(args.out, simulate(read_settings(args.source), rules=rules).truth)


if __name__ == "__main__":
    main()
