"""How often watching a model cries wolf, and how late it notices (`make monitoring-check`), into docs/."""

import argparse
from dataclasses import asdict
from pathlib import Path

from models.monitoring.operating import SCENARIOS, Characteristics, characteristics
from models.monitoring.settings import MonitoringSettings
from pipeline.project import paths
from pipeline.project.files import write_json, write_text
from pipeline.project.settings import read_settings

TRAINING = (1500, 500)
START, END = "<!-- figures of make monitoring-check -->", "<!-- end of figures -->"


def table(rows: list[tuple[int, Characteristics]]) -> str:
    """Return the figures as a table in Markdown."""
    lines = [
        "| learned from | stream | alarm | median delay | CUSUM / calibration / inputs first | update |",
        "|---|---|---|---|---|---|",
    ]
    for patients, row in rows:
        by = " / ".join(f"{100 * share:.1f} %" for share in row.by_kind.values())
        chosen = ", ".join(f"{name} {100 * share:.0f} %" for name, share in row.chosen.items() if share)
        lines.append(
            f"| {patients:,} | {row.scenario} | {100 * row.alarmed:.1f} % of {row.streams} | "
            f"{row.median_delay:.0f} of {row.patients} | {by} | {chosen} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Simulate, write docs/monitoring.json and the table of docs/monitoring.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("docs/monitoring.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/monitoring.md"))
    arguments = parser.parse_args()
    settings = read_settings(MonitoringSettings, Path(paths.MONITORING))
    rows = [
        (
            patients,
            characteristics(
                scenario, settings, streams=arguments.streams, training_patients=patients, seed=1
            ),
        )
        for patients in TRAINING
        for scenario in SCENARIOS
    ]
    write_json(arguments.out, [{"training_patients": n, **asdict(row)} for n, row in rows])
    before, _, rest = arguments.page.read_text(encoding="utf-8").partition(START)
    after = rest.partition(END)[2]
    write_text(arguments.page, f"{before}{START}\n\n{table(rows)}\n\n{END}{after}")


if __name__ == "__main__":
    main()
