"""Stage truth: what only a simulation knows. No stage but a truth check may depend on it."""

from pipeline.project.configs import read_rules
from pipeline.project.files import read_yaml, stage_paths, write_table
from pipeline.sources.simulator import simulate


def main() -> None:
    """Simulate again, deterministically, and write the true probabilities."""
    args = stage_paths(__doc__ or "", "source", "rules", "genes", "out")
    write_table(args.out, simulate(read_yaml(args.source), rules=read_rules(args.rules, args.genes)).truth)


if __name__ == "__main__":
    main()
