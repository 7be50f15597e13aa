"""Stage overview: the first page of a study's reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.console import refusals
from pipeline.files import read_json, read_yaml, stage_paths, write_text
from pipeline.report.charts import differences_chart
from pipeline.report.page import OVERVIEW, domain_name, page_links, render

MODEL, REFERENCE = "chosen", "rules"
HIGHER_IS_BETTER = ("auc",)
ALL = "all arms"


def overview_page(
    study: Mapping[str, Any],
    flow: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Any]],
    comparison: Mapping[str, Any],
    descriptions: Mapping[str, Mapping[str, Any]],
    problems: pd.DataFrame,
    level: float,
) -> str:
    """Return the HTML of the overview.

    Parameters
    ----------
    study, flow : mapping
        The study file and the cohort's flow.
    metrics, descriptions : mapping
        By landmark: its metrics and what its features are.
    comparison : mapping
        ``primary`` and, by landmark, the paired differences.
    problems : DataFrame
        table, column, rule, rows: warnings of the input.
    level : float
        Confidence level of the intervals.
    """
    declared = comparison["primary"]["declared"]
    differences = difference_rows(study, comparison)
    chart = differences_chart(
        difference_points(differences, f"delta_{declared['metric']}"),
        f"Difference in {declared['metric'].replace('_', ' ')}, model minus {declared['against']}",
    )
    return render(
        "index.html.j2",
        study,
        {"differences": chart},
        here=OVERVIEW,
        level=level,
        primary=comparison["primary"],
        lower_is_better=declared["metric"] not in HIGHER_IS_BETTER,
        landmarks=landmark_rows(study, metrics, descriptions),
        differences=differences,
        arms=study["arms"],
        flow_rows=flow_rows(study, flow),
        outcome=flow["outcome"],
        outcome_missing=flow["outcome_missing"],
        criteria=flow["criteria"],
        problems=problems.to_dict("records"),
        late=late_rows(study, descriptions),
    )


def landmark_rows(
    study: Mapping[str, Any],
    metrics: Mapping[str, Mapping[str, Any]],
    descriptions: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return one row per landmark: measures of model and rules, and where the explanation is."""
    address = dict(page_links(study))
    return [
        {
            "name": name,
            "chosen": metrics[name][MODEL],
            "rules": metrics[name].get(REFERENCE),
            "address": address[name],
            "features": len(descriptions[name]["features"]),
            "absent": [domain_name(domain) for domain in descriptions[name]["absent_domains"]],
        }
        for name in study["landmarks"]
    ]


def difference_rows(study: Mapping[str, Any], comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per landmark and group of patients (all, then by arm), the primary one marked."""
    declared = comparison["primary"]["declared"]
    pair = f"{declared['model']}-{declared['against']}"
    rows = []
    for landmark in study["landmarks"]:
        for arm in (None, *study["arms"]):
            name = f"{pair}@{arm}" if arm else pair
            if name in comparison[landmark]:
                rows.append(
                    {
                        "landmark": landmark,
                        "group": arm or ALL,
                        "primary": (landmark, arm) == (declared["landmark"], declared["arm"]),
                        "measures": comparison[landmark][name],
                    }
                )
    return rows


def difference_points(rows: list[dict[str, Any]], key: str) -> pd.DataFrame:
    """Return what the chart of differences draws: rows that have the measure, with its interval."""
    drawn = [row for row in rows if "low" in row["measures"].get(key, {})]
    return pd.DataFrame(
        [
            {
                "label": f"{row['landmark']}: {row['group']}" + (" (primary)" if row["primary"] else ""),
                "primary": "yes" if row["primary"] else "no",
                **{bound: float(row["measures"][key][bound]) for bound in ("value", "low", "high")},
            }
            for row in drawn
        ],
        columns=["label", "primary", "value", "low", "high"],
    )


def flow_rows(study: Mapping[str, Any], flow: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the cohort from randomisation to the last landmark: label, all, by_arm, detail."""

    def row(label: str, n: int, by_arm: Mapping[str, int], detail: Mapping[str, int]) -> dict[str, Any]:
        return {"label": label, "all": n, "by_arm": by_arm, "detail": detail}

    landmarks = [
        row(f"At risk at {name}", at["at_risk"], at["by_arm"], at["not_at_risk"])
        for name, at in ((name, flow["landmarks"][name]) for name in study["landmarks"])
    ]
    return [
        row("Randomised", flow["randomised"], flow["by_arm"], {}),
        row("Eligible", flow["eligible"], flow["eligible_by_arm"], {}),
        *landmarks,
        row("pCR", flow["pcr"], flow["pcr_by_arm"], {}),
    ]


def late_rows(
    study: Mapping[str, Any], descriptions: Mapping[str, Mapping[str, Any]], reason: str = "reported_late"
) -> dict[str, int]:
    """Return how many rows each landmark did not see because they were reported after its decision."""
    late = {
        name: sum(row["rows"] for row in descriptions[name].get("late", []) if row["reason"] == reason)
        for name in study["landmarks"]
    }
    return {name: rows for name, rows in late.items() if rows}


def main() -> None:
    """Read what the other stages found, write the first page."""
    args = stage_paths(
        __doc__ or "", "study", "validation", "flow", "metrics", "description", "problems", "page"
    )
    with refusals():
        study = read_yaml(args.study)
        page = overview_page(
            study,
            read_json(args.flow),
            {name: read_json(Path(args.metrics) / f"{name}.json") for name in study["landmarks"]},
            read_json(Path(args.metrics) / "comparison.json"),
            {name: read_json(Path(args.description) / f"{name}.json") for name in study["landmarks"]},
            pd.read_csv(args.problems, dtype={"column": str, "ids": str}, keep_default_na=False),
            read_yaml(args.validation)["level"],
        )
    write_text(Path(args.page), page)


if __name__ == "__main__":
    main()
