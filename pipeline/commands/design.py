"""`pcr design`: the operating characteristics of a trial, as a page, a table and data."""

from pathlib import Path

import altair as alt
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup
from rich.markup import escape

from models.design.settings import DesignPlan, design_plan
from models.design.study import as_frame, operating_characteristics
from pipeline.console import stdout
from pipeline.project.files import read_yaml, write_json, write_table, write_text
from pipeline.report.drawing import PALETTE, Spec, colours_of, data_of, spec_of
from pipeline.report.study.figures import svg
from pipeline.wording import SIMULATED

COLUMNS = {
    "patients": "Patients", "difference": "True difference, points", "superiority": "Finds a difference",
    "superiority_closed_form": "by formula", "non_inferiority": "Within the margin", "bias": "Bias, points",
    "coverage": "Coverage", "width": "Width, points", "detectable": "Found with 80 %, points",
}  # fmt: skip
IN_POINTS = ("difference", "bias", "width", "detectable")
PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>What the trial would find ({{ simulated }})</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; } caption { text-align: left; font-weight: 600; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #d9dde3; text-align: right; }
th:first-child, td:first-child { text-align: left; } svg { max-width: 100%; height: auto; }
</style></head>
<body>
<p><strong>{{ simulated }}</strong></p>
<h1>What a trial like this one would find</h1>
<p>{{ trials }} simulated trials a scenario; tests at a two-sided error of {{ alpha }}; the margin of
{{ margin }} points and all shares and effects are assumptions of {{ where }}. After a share of trials stands
its Monte Carlo standard error. A missing outcome counts as non-pCR; pCR is not event-free survival.</p>
<figure>{{ curve }}<figcaption>Power to find a difference, by true difference and number of patients; lines:
by formula, points: simulated.</figcaption></figure>
{% for caption, frame in tables %}
<table><caption>{{ caption }}</caption>
<thead><tr>{% for name in frame.columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in frame.itertuples(index=False) %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
{% endfor %}
</body></html>
""")


def design(where: Path, out: Path) -> None:
    """Simulate by the plan `where`, write design.html, .csv and .json into `out`, print the scenarios.

    Raises
    ------
    UserError
        If the plan does not exist or says what cannot be.
    """
    plan = design_plan(read_yaml(where), str(where))
    rows = operating_characteristics(plan)
    frame = as_frame(rows)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "design.html", design_page(plan, frame, str(where)))
    write_table(out / "design.csv", frame)
    write_json(out / "design.json", rows)
    table = scenario_table(frame).to_string(index=False)
    stdout().print(f"{SIMULATED}\n{escape(table)}", highlight=False, soft_wrap=True)
    stdout().print(f"Page and data: {escape(str(out))}", highlight=False)


def design_page(plan: DesignPlan, frame: pd.DataFrame, where: str) -> str:
    """Return the page: power curves, and tables of scenarios, looks, branches and R6 randomised again."""
    tables = [
        ("Scenarios", scenario_table(frame)),
        ("Looks before the end, by alpha spending", looks_table(frame)),
        ("Branches of the adaptive arm: patients, and the width of the interval of pCR", branch_table(frame)),
        ("R6 randomised again, 1:1", again_table(frame)),
    ]
    return PAGE.render(
        simulated=SIMULATED,
        trials=f"{plan.trials:,}",
        alpha=f"{plan.alpha:.3g}",
        margin=f"{100 * plan.margin:g}",
        where=where,
        curve=Markup(svg(power_chart(frame))),  # noqa: S704 - vl-convert escapes what stands in a chart
        tables=tables,
    )


def shown(measure: str, value: float, error: float) -> str:
    """Return a number as the tables have it: a share in per cent with its error, a difference in points."""
    if measure in {"superiority", "non_inferiority", "coverage", "rejects", "stops_early"}:
        return f"{100 * value:.1f} % ({100 * error:.1f})"
    if measure in {"superiority_closed_form", "rejects_by_integration"}:
        return f"{100 * value:.1f} %"
    if measure in IN_POINTS or measure == "bias_at_stop":
        return f"{100 * value:.2f}"
    return f"{value:.3f}" if measure.startswith("bound") else f"{value:,.0f}"


def _wide(frame: pd.DataFrame, part: str, keys: list[str]) -> pd.DataFrame:
    rows = frame.loc[frame["part"] == part]
    texts = [shown(*row) for row in rows[["measure", "value", "error"]].itertuples(index=False, name=None)]
    wide = rows.assign(text=texts).pivot_table(
        index=keys, columns="measure", values="text", aggfunc="first", sort=False
    )
    return wide.reset_index().rename_axis(columns=None)


def scenario_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the scenarios for the protocol, a row each."""
    wide = _wide(frame, "scenario", ["scenario"])
    return wide[["scenario", *COLUMNS]].rename(columns={"scenario": "Scenario", **COLUMNS})


def looks_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the group sequential tests of every scenario."""
    wide = _wide(frame, "looks", ["scenario", "group"])
    names = {
        "scenario": "Scenario", "group": "Spending", "rejects": "Finds a difference",
        "rejects_by_integration": "by integration", "stops_early": "Stops early",
        "mean_patients": "Patients, mean", "bias_at_stop": "Bias at the stop, points",
    }  # fmt: skip
    bounds = {
        name: f"z at {name.removeprefix('bound_')}" for name in map(str, wide) if name.startswith("bound_")
    }
    return wide[[*names, *bounds]].rename(columns=names | bounds)


def branch_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the sizes of the branches in every scenario, with the middle 95 % of the trials."""
    rows = frame.loc[frame["part"] == "branch"]
    wide = rows.pivot_table(index=["scenario", "group"], columns="measure", values="value", sort=False)
    wide = wide.reset_index()
    patients = [f"{n:.0f} ({low:.0f} to {high:.0f})"
                for n, low, high in zip(wide["n"], wide["n_low"], wide["n_high"], strict=True)]  # fmt: skip
    return pd.DataFrame({
        "Scenario": wide["scenario"], "Branch": wide["group"], "Patients (95 % of trials)": patients,
        "Width of pCR, points": [f"{100 * width:.1f}" for width in wide["width"]],
    })  # fmt: skip


def again_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the power of the second randomisation."""
    wide = _wide(frame, "rerandomised", ["scenario"])
    points = [f"{100 * float(effect):g}" for effect in wide["scenario"]]
    return pd.DataFrame({"True difference, points": points, "Patients, mean": wide["patients"],
                         "Finds a difference": wide["superiority"]})  # fmt: skip


def power_chart(frame: pd.DataFrame) -> Spec:
    """Return the power curves: by formula as lines, simulated as points."""
    rows = frame.loc[frame["part"] == "curve"].assign(points=lambda rows: 100 * rows["group"].astype(float))
    rows = rows.rename(columns={"scenario": "patients", "value": "power"})[
        ["patients", "points", "measure", "power"]
    ]
    sizes = list(dict.fromkeys(rows["patients"]))
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(sizes))]
    encoded = {
        "x": alt.X("points:Q", title="True difference in pCR, points"),
        "y": alt.Y("power:Q", title="Power", scale=alt.Scale(domain=[0, 1])),
        "color": colours_of("patients", sizes, colours, columns=len(sizes), title="Patients"),
    }
    lines = (
        alt.Chart(data_of(rows.loc[rows["measure"] == "superiority_closed_form"]))
        .mark_line()
        .encode(**encoded)
    )
    points = (
        alt.Chart(data_of(rows.loc[rows["measure"] == "superiority"]))
        .mark_point(filled=True)
        .encode(**encoded)
    )
    return spec_of(alt.layer(lines, points), "Power by true difference and number of patients", 340)
