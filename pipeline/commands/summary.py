"""What `make run` ends with: one line per landmark, and where the reports are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pipeline.console import stdout
from pipeline.project import paths
from pipeline.project.files import read_json, read_yaml
from pipeline.project.settings import read_settings
from pipeline.report.facts import Facts, study_facts
from pipeline.report.labels import Labels
from pipeline.report.results import read_comparison, read_robustness
from pipeline.report.settings import PageSettings
from pipeline.report.study.glance import comparison_sentence
from pipeline.wording import LOWER_LOSS, NO_RECOMMENDATION, NOTHING_CLINICAL, SIMULATED
from pipeline.workspace.study import ACTIVE


def print_summary(artifacts: Path, *, readings: bool = False) -> None:
    """Print the results of the active study from its metrics; what the readings change only if asked.

    Raises
    ------
    FileNotFoundError
        If the pipeline has not run yet.
    """
    study = read_yaml(ACTIVE)
    facts = study_facts(study, pd.read_parquet(artifacts / "cohort" / "cohort.parquet"))
    comparison = read_json(artifacts / "metrics" / "comparison.json")
    rows = [
        summary_row(
            landmark,
            read_json(artifacts / "results" / f"{landmark}.json"),
            comparison[landmark],
            read_json(artifacts / "results" / f"learning-{landmark}.json").get("chosen", "no model"),
            facts,
        )
        for landmark in study["landmarks"]
    ]
    title = study["title"] + (f"\n[bold]{SIMULATED}[/]" if study["simulated"] else "")
    caption = f"Out of fold, {facts.everybody}; intervals below the values. Log loss: {LOWER_LOSS.lower()}"
    table = Table(
        title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    for header in rows[0]:
        table.add_column(
            header, justify="left" if header in {"landmark", "chosen"} else "right", no_wrap=True
        )
    for row in rows:
        table.add_row(*row.values())
    console = stdout()
    console.print(table)
    labels = Labels(read_settings(PageSettings, Path(paths.REPORT_PAGES)).labels, study["visits"])
    compared = read_comparison(artifacts / "metrics")
    robustness = read_robustness(artifacts / "results", compared.declared.landmark)
    if sentence := comparison_sentence(compared, robustness, facts, labels):
        console.print(f"{sentence} {NOTHING_CLINICAL if study['simulated'] else ''}", highlight=False)
    tables = rules_tables(artifacts / "review") if facts.rules else []
    for below in tables if readings else ():
        console.print(below)
    if tables and not readings:
        console.print("branches and readings of the rules: pcr summary --readings", highlight=False)
    for page in sorted((artifacts / "reports").glob("*.html")):
        console.print(f"report: {page}", highlight=False, soft_wrap=True)


def rules_tables(review: Path) -> list[Table]:
    """Return what the readings of the rules change, for the terminal; nothing where no arm follows rules."""
    branches = pd.read_csv(review / "branches.csv")
    readings = pd.read_csv(review / "readings.csv")
    if branches.empty:
        return []
    side_by_side = Table(
        title=f"Protocol branches of the adaptive arm (patients); {NO_RECOMMENDATION}",
        box=SIMPLE_HEAD,
    )
    for header in branches:
        side_by_side.add_column(
            str(header).replace("in_force", "readings in force"),
            justify="left" if header in {"node", "branch"} else "right",
        )
    for cells in branches.astype("str").to_numpy():
        side_by_side.add_row(*cells)
    changed = Table(title="Patients whose answer changes under another reading", box=SIMPLE_HEAD)
    for header in ("no.", "setting", "in force", "alternative"):
        changed.add_column(header)
    changed.add_column("patients", justify="right")
    rows: list[dict[str, Any]] = readings.to_dict("records")  # type: ignore[assignment]  # names are text
    for row in rows:
        count = (
            str(row["note"]) if pd.isna(row["changed"]) else f"{row['changed']:.0f} of {row['patients']:.0f}"
        )
        of_reading = (str(row["number"]), row["setting"], row["in_force"], row["alternative"])
        changed.add_row(*of_reading, count)
    return [side_by_side, changed]


def summary_row(
    landmark: str, metrics: Mapping[str, Any], differences: Mapping[str, Any], candidate: str, facts: Facts
) -> dict[str, str]:
    """Return one line of the summary as text, by column header; without rules, no column of theirs."""
    chosen = metrics["chosen"]
    row = {
        "landmark": landmark,
        "n": str(chosen["n"]["value"]),
        "pCR": str(chosen["events"]["value"]),
        "chosen": candidate,
        "AUC\nmodel": interval(chosen.get("auc")),
        "AUC\nrules": interval(metrics.get("rules", {}).get("auc")),
        f"log loss\nmodel - {facts.comparator}": interval(
            differences.get("chosen-rules", {}).get("delta_log_loss")
        ),
    }
    if not facts.rules:
        del row["AUC\nrules"]
    return row


def interval(measure: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Return the value and, on a line of its own, its interval; or that it could not be computed."""
    if measure is None:
        return "not evaluated"
    if "error" in measure:
        return "not computable"
    bounds = f"\n{measure['low']:.{digits}f} to {measure['high']:.{digits}f}" if "low" in measure else ""
    return f"{measure['value']:.{digits}f}{bounds}"
