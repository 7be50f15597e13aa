"""How long the simulator takes for 100,000 patients, and the engine for deciding them: `make bench`.

Processor seconds of one process. The engine's time is that of `models.rules.table` at both nodes; reading
the inputs from raw tables is shown beside it.
"""

from pathlib import Path
from time import process_time

from rich.table import Table

from features.cohort import build_cohort
from models.rules.inputs import inputs_from_tables
from models.rules.table import decide, rule_table
from pipeline.console import stdout
from pipeline.simulation_checks.populations import read_simulation_spec
from pipeline.sources.simulator import simulate

PATIENTS = 100_000


def main() -> None:
    """Simulate, read the inputs, decide, and print the seconds."""
    spec = read_simulation_spec(Path("configs/study.yaml"), Path("configs"))
    table = Table("step", "goal (s)", "processor time (s)", title=f"{PATIENTS:,} simulated patients")
    began = process_time()
    made = simulate(spec.simulation, n=PATIENTS, rules=spec.by.rules)
    table.add_row("simulate", "20", f"{process_time() - began:.2f}")
    cohort = build_cohort(made.tables, spec.study, spec.by.eligibility).frame
    rules = rule_table(spec.by.rules)
    began = process_time()
    inputs = inputs_from_tables(made.tables, cohort, rules)
    table.add_row("read the inputs of the rules at three nodes", "-", f"{process_time() - began:.2f}")
    inputs["regimen_assigned"] = inputs["rule_c2"] = "UNKNOWN"
    began = process_time()
    for node in rules.deciding:
        decide(inputs.loc[inputs["node"] == node], rules, node)
    table.add_row("decide at both nodes", "2", f"{process_time() - began:.2f}")
    stdout().print(table)


if __name__ == "__main__":
    main()
