"""The page of `pcr design`: power curves, and a table for each question of a protocol."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from models.design.against_rules import PART as FORECASTS
from models.design.interactions import PART as INTERACTIONS
from models.design.settings import DesignPlan
from pipeline.design.gates import PART as GATES
from pipeline.report.drawing import PALETTE, Spec, colours_of, data_of, spec_of
from pipeline.report.study.figures import svg
from pipeline.wording import SIMULATED

COLUMNS = {
    "patients": "Patients", "difference": "True difference, points", "superiority": "Finds a difference",
    "superiority_closed_form": "by formula", "non_inferiority": "Within the margin", "bias": "Bias, points",
    "coverage": "Coverage", "width": "Width, points", "detectable": "Found with 80 %, points",
}  # fmt: skip
OF_FORECASTS = {
    "difference": "True difference", "found": "Found", "found_closed_form": "by formula", "bias": "Bias",
    "coverage": "Coverage", "width": "Width", "detectable": "Found with 80 %",
}  # fmt: skip
OF_GATES = {"passed": "Passed", "shown_bad": "Shown bad", "too_few": "Too few patients to tell"}
MEASURES = {"log_loss": "Log loss", "auc": "AUC", "net_benefit": "Net benefit at"}
GATE_NAMES = {
    "temporal": "later patients", "left_out_centres": "other centres", "calibration_slope": "slope",
    "o_e": "O:E", "ici": "ICI", "delta_log_loss": "log loss, model minus rules",
    "delta_net_benefit": "net benefit, model minus rules, at",
}  # fmt: skip
SPENDING = {"obrien_fleming": "like O'Brien and Fleming", "pocock": "like Pocock"}
WIDTH = 440
"""Of a figure: its letters stay legible on a phone."""
SHARES = {"superiority", "non_inferiority", "coverage", "rejects", "stops_early", "found", *OF_GATES}
BY_FORMULA = {"superiority_closed_form", "rejects_by_integration", "found_closed_form"}
IN_POINTS = ("difference", "bias", "width", "detectable", "bias_at_stop")
PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the trial would find ({{ simulated }})</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; margin: 1rem 0; } table { border-collapse: collapse; }
caption { text-align: left; font-weight: 600; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #d9dde3; text-align: right; white-space: nowrap; }
thead th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; } figure { flex: 0 1 34rem; margin: 1rem 0; }
svg { max-width: 100%; height: auto; }
</style></head>
<body>
<p><strong>{{ simulated }}</strong></p>
<h1>What a trial like this one would find</h1>
<p>{{ trials }} simulated trials a scenario; tests at a two-sided error of {{ alpha }}; the margin of
{{ margin }} points and all shares and effects are assumptions of {{ where }}. After a share of trials stands
its Monte Carlo standard error. A missing outcome counts as non-pCR; pCR is not event-free survival.</p>
{% for part in parts %}
<h2>{{ part.title }}</h2>
<p>{{ part.text }}</p>
<div class="figures">
{% for chart, caption in part.figures %}
<figure>{{ chart }}<figcaption>{{ caption }} Lines: by formula, points: simulated.</figcaption></figure>
{% endfor %}
</div>
{% for caption, frame in part.tables %}
<div class="wide" tabindex="0" role="region" aria-label="{{ caption }}">
<table><caption>{{ caption }}</caption>
<thead><tr>{% for name in frame.columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in frame.itertuples(index=False) %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}
{% endfor %}
</body></html>
""")


def design_page(plan: DesignPlan, frame: pd.DataFrame, where: str) -> str:
    """Return the page: a part for the arms, the model beside the rules, the gates, and interactions."""
    return PAGE.render(
        simulated=SIMULATED,
        trials=f"{plan.trials:,}",
        alpha=f"{plan.alpha:.3g}",
        margin=f"{100 * plan.margin:g}",
        where=where,
        parts=[_arms(frame), _forecasts(plan, frame), _gates(plan, frame), _interactions(plan, frame)],
    )


def _part(
    title: str,
    text: str,
    figures: Sequence[tuple[Spec, str]],
    tables: Sequence[tuple[str, pd.DataFrame]],
) -> dict[str, object]:
    # vl-convert escapes what stands in a chart.
    drawn = [(Markup(svg(spec, WIDTH)), caption) for spec, caption in figures]  # noqa: S704
    return {"title": title, "text": text, "figures": drawn, "tables": tables}


def _arms(frame: pd.DataFrame) -> dict[str, object]:
    curve = power_chart(frame), "Power to find a difference, by true difference and number of patients."
    tables = [
        ("Scenarios", scenario_table(frame)),
        ("Looks before the end, by alpha spending", looks_table(frame)),
        ("Branches of the adaptive arm: patients, and the width of the interval of pCR", branch_table(frame)),
        ("R6 randomised again, 1:1", again_table(frame)),
    ]
    return _part("The arms", "Adaptive minus control, as randomised.", [curve], tables)


def _forecasts(plan: DesignPlan, frame: pd.DataFrame) -> dict[str, object]:
    aucs = frame.loc[(frame["part"] == FORECASTS) & (frame["measure"] == "rules"), "value"]
    text = (
        "Models are given by their predictions of known AUC, slope and O:E, the rules (AUC "
        f"{aucs.iloc[0]:.2f}) by the pCR of their branches: what learning either costs is not in these "
        "figures. The AUC sees neither slope nor O:E. Found: the interval of the difference lies wholly on "
        "the model's side. "
        f"{plan.forecasts.trials:,} trials; patients are those with an outcome."
    )
    curves = [
        (spec, f"{name}: power to find the model better than the rules, by number of patients.")
        for name, spec in forecast_charts(frame).items()
    ]
    tables = [(f"{name}: model minus rules", table) for name, table in forecast_tables(frame).items()]
    return _part("A model beside the rules", text, curves, tables)


def _gates(plan: DesignPlan, frame: pd.DataFrame) -> dict[str, object]:
    text = (
        f"The same models before the gates of promotion (configs/gates.yaml): {plan.gates.trials:,} trials "
        f"with {plan.gates.centres} centres, {plan.gates.later_share:.0%} of the patients after the first "
        "origin. "
        "Gates that judge the fitting (instability, leakage, the null check, the truth) are left out."
    )
    tables = [
        ("All these gates together", gate_table(frame)),
        ("Each gate: passed", each_gate_table(frame)),
    ]
    return _part("Does a model pass the gates?", text, [], tables)


def _interactions(plan: DesignPlan, frame: pd.DataFrame) -> dict[str, object]:
    text = (
        "Likelihood ratio test that the arms' odds ratio is another in the group than in the others, with a "
        f"difference of {100 * plan.base.effect:g} points over both. By formula: Wald's test."
    )
    curves = [
        (spec, f"{name}: power to find that the arms' odds ratio is another, by ratio of the odds ratios.")
        for name, spec in interaction_charts(frame).items()
    ]
    return _part("Arm by group", text, curves, [("Power to find an interaction", interaction_table(frame))])


def shown(measure: str, value: float, error: float) -> str:
    """Return a number as the tables have it: a share in per cent with its error, a difference in points."""
    if measure in SHARES:
        return f"{100 * value:.1f} % ({100 * error:.1f})"
    if measure in BY_FORMULA:
        return f"{100 * value:.1f} %"
    if measure in IN_POINTS:
        return f"{100 * value:.2f}"
    return f"{value:.3f}" if measure.startswith("bound") else f"{value:,.0f}"


def _wide(rows: pd.DataFrame, keys: list[str], columns: str = "measure") -> pd.DataFrame:
    texts = [shown(*row) for row in rows[["measure", "value", "error"]].itertuples(index=False, name=None)]
    wide = rows.assign(text=texts).pivot_table(
        index=keys, columns=columns, values="text", aggfunc="first", sort=False
    )
    return _numbered(wide)


def _numbered(wide: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its keys as columns, its patients as text."""
    table = wide.reset_index().rename_axis(columns=None)
    return table.assign(n=table["n"].map("{:,}".format)) if "n" in table else table


def _of(frame: pd.DataFrame, part: str) -> pd.DataFrame:
    return frame.loc[frame["part"] == part]


def scenario_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the scenarios for the protocol, a row each."""
    wide = _wide(_of(frame, "scenario"), ["scenario"])
    return wide[["scenario", *COLUMNS]].rename(columns={"scenario": "Scenario", **COLUMNS})


def looks_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the group sequential tests of every scenario."""
    wide = _wide(_of(frame, "looks").replace({"group": SPENDING}), ["scenario", "group"])
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
    wide = _of(frame, "branch").pivot_table(
        index=["scenario", "group"], columns="measure", values="value", sort=False
    )
    wide = wide.reset_index()
    patients = [f"{n:.0f} ({low:.0f} to {high:.0f})"
                for n, low, high in zip(wide["n"], wide["n_low"], wide["n_high"], strict=True)]  # fmt: skip
    return pd.DataFrame({
        "Scenario": wide["scenario"], "Branch": wide["group"], "Patients (95 % of trials)": patients,
        "Width of pCR, points": [f"{100 * width:.1f}" for width in wide["width"]],
    })  # fmt: skip


def again_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the power of the second randomisation."""
    wide = _wide(_of(frame, "rerandomised"), ["scenario"])
    points = [f"{100 * float(effect):g}" for effect in wide["scenario"]]
    return pd.DataFrame({"True difference, points": points, "Patients, mean": wide["patients"],
                         "Finds a difference": wide["superiority"]})  # fmt: skip


def _measure_name(measure: str) -> str:
    name, _, threshold = measure.partition("@")
    return f"{MEASURES[name]} {threshold}".rstrip()


def forecast_tables(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return model minus rules by the name of the measure: a row for each model and number of patients."""
    rows = _of(frame, FORECASTS)
    compared = rows.loc[rows["measure"].isin(OF_FORECASTS)]
    return {_measure_name(str(measure)): _forecast_table(of) for measure, of in compared.groupby("group")}


def _forecast_table(rows: pd.DataFrame) -> pd.DataFrame:
    # A difference in log loss, AUC or net benefit is no share of patients.
    plain = rows["measure"].isin(IN_POINTS)
    texts = [
        f"{value:.4f}" if number else shown(measure, value, error)
        for number, measure, value, error in zip(
            plain, rows["measure"], rows["value"], rows["error"], strict=True
        )
    ]
    wide = rows.assign(text=texts).pivot_table(
        index=["scenario", "n"], columns="measure", values="text", aggfunc="first", sort=False
    )
    names = {"scenario": "Model", "n": "Patients", **OF_FORECASTS}
    return _numbered(wide)[list(names)].rename(columns=names)


def gate_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return what happens to every model with every number of patients."""
    rows = _of(frame, GATES)
    wide = _wide(rows.loc[rows["group"] == ""], ["scenario", "n"])
    return wide.rename(columns={"scenario": "Model", "n": "Patients", **OF_GATES})


def each_gate_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return how often every gate is passed."""
    rows = _of(frame, GATES)
    wide = _wide(rows.loc[rows["group"] != ""], ["scenario", "n"], columns="group")
    names = {name: _gate_name(name) for name in map(str, wide.columns[2:])}
    return wide.rename(columns={"scenario": "Model", "n": "Patients", **names})


def _gate_name(gate: str) -> str:
    gate, _, threshold = gate.partition("@")
    where, dot, what = gate.rpartition(".")
    name = f"{GATE_NAMES[what]} {threshold}".rstrip()
    return f"{name}, {GATE_NAMES[where]}" if dot else name


def interaction_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the power of the test by group, ratio and number of patients, and the ratio found with 80 %."""
    rows = _of(frame, INTERACTIONS)
    power = rows.loc[rows["measure"] == "found"].copy()
    power["group"] = "ratio " + power["group"]
    wide = _wide(power, ["scenario", "n"], columns="group")
    keys = pd.MultiIndex.from_frame(power[["scenario", "n"]].drop_duplicates())
    least = rows.loc[rows["measure"] == "detectable"].set_index(["scenario", "n"])["value"]
    wide["found"] = ["none" if np.isnan(ratio) else f"{ratio:.2f}" for ratio in least.reindex(keys)]
    return wide.rename(columns={"scenario": "Group", "n": "Patients", "found": "Found with 80 %, ratio"})


def power_chart(frame: pd.DataFrame) -> Spec:
    """Return the power curves: by formula as lines, simulated as points."""
    rows = _of(frame, "curve").assign(points=lambda rows: 100 * rows["group"].astype(float))
    rows = rows.rename(columns={"scenario": "patients", "value": "power"})
    x = alt.X("points:Q", title="True difference in pCR, points")
    return spec_of(
        _curves(rows, x, "patients", "superiority"), "Power by true difference and number of patients", 340
    )


def forecast_charts(frame: pd.DataFrame) -> dict[str, Spec]:
    """Return the power to find a model better than the rules by number of patients, by measure."""
    rows = _of(frame, FORECASTS).rename(columns={"scenario": "model", "value": "power"})
    rows = rows.loc[rows["measure"].isin(["found", "found_closed_form"])]
    x = alt.X("n:Q", title="Patients")
    return {
        _measure_name(str(measure)): spec_of(_curves(of, x, "model", "found"), f"Power by {measure}", 300)
        for measure, of in rows.groupby("group")
    }


def interaction_charts(frame: pd.DataFrame) -> dict[str, Spec]:
    """Return the power to find an interaction by ratio of odds ratios, by grouping."""
    rows = _of(frame, INTERACTIONS)
    rows = rows.loc[rows["measure"] != "detectable"].rename(columns={"value": "power"})
    rows = rows.assign(ratio=rows["group"].astype(float), patients=rows["n"].astype(str))
    x = alt.X(
        "ratio:Q",
        title="Ratio of the odds ratios",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(values=sorted(rows["ratio"].unique().tolist())),
    )
    return {
        str(name): spec_of(_curves(of, x, "patients", "found"), f"Power by ratio, {name}", 300)
        for name, of in rows.groupby("scenario", sort=False)
    }


def _curves(rows: pd.DataFrame, x: alt.X, colour: str, measure: str) -> alt.LayerChart:
    """Return power along `x`, a colour for each level: by formula as lines, simulated as points."""
    levels = [str(level) for level in dict.fromkeys(rows[colour])]
    colours = [PALETTE[k % len(PALETTE)] for k in range(len(levels))]
    encoded = {
        "x": x,
        "y": alt.Y("power:Q", title="Power", scale=alt.Scale(domain=[0, 1])),
        "color": colours_of(colour, levels, colours, columns=3, title=colour.capitalize()),
    }
    formula = alt.Chart(data_of(rows.loc[rows["measure"] == f"{measure}_closed_form"])).mark_line()
    points = alt.Chart(data_of(rows.loc[rows["measure"] == measure])).mark_point(filled=True)
    return alt.layer(formula.encode(**encoded), points.encode(**encoded))
