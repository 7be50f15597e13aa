"""Sections of the study report on models: performance, subgroups, stability, sensitivity, strategies."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pipeline.report.drawing import Spec
from pipeline.report.page import count, domain_name, measure
from pipeline.report.results import Results
from pipeline.report.study_charts import (
    benefit_chart,
    calibration_chart,
    forest_chart,
    instability_chart,
)
from pipeline.report.tables import Privacy, Table

OUT_OF_FOLD = "out of fold"
MODEL = "chosen"
NAMES = {
    "chosen": "model",
    "rules": "rules",
    "rules_allocation": "rules' allocation",
    "all": "treat all",
    "none": "treat none",
}
HARM = {"de_escalation": "de-escalation, the event is pCR", "escalation": "escalation, the event is no pCR"}
MEASURES = {"auc": ("AUC", None), "slope": ("Calibration slope", 1.0), "o_e": ("Observed over expected", 1.0)}
Part = tuple[dict[str, Spec], dict[str, Table]]


def _about(found: Mapping[str, Any], scale: str, sampling: str = OUT_OF_FOLD) -> dict[str, Any]:
    return {
        "n": int(found["n"]["value"]),
        "events": int(found["events"]["value"]),
        "scale": scale,
        "sampling": sampling,
    }


def _row(label: str, found: Mapping[str, Any], detail: str = "", *, mark: bool = False) -> dict[str, Any]:
    return {
        "label": label,
        **{k: float(found[k]) for k in ("value", "low", "high")},
        "detail": detail,
        "mark": "yes" if mark else "no",
    }


def performance_part(results: Results) -> Part:
    """Return calibration and decision curves of every landmark."""
    charts: dict[str, Spec] = {}
    for name, curves in results.curves.items():
        whole = results.landmarks[name][MODEL]
        shown = curves["calibration"]
        shown = shown[shown["model"].isin([MODEL])].replace({"model": NAMES})
        charts[f"calibration-{name}"] = calibration_chart(
            shown,
            f"Calibration at {name}: observed along predicted probability, with band",
            _about(whole, "probability"),
        )
        for decision, title in HARM.items():
            part = curves["benefit"]
            part = part[part["decision"] == decision].drop(columns="decision")
            part = part.assign(strategy=part["strategy"].map(NAMES))
            charts[f"benefit-{decision.replace('_', '-')}-{name}"] = benefit_chart(
                part, f"Net benefit at {name}: {title}", _about(whole, f"net benefit, {title}")
            )
    return charts, {}


def domains_part(results: Results, landmarks: Sequence[str], threshold: str) -> Part:
    """Return what each domain adds to the domains before it, and to all the others, at every landmark."""
    rows, drawn = [], []
    n, events = 0, 0
    for name in landmarks:
        for pair, found in results.comparison["domains"].get(name, {}).items():
            if pair == "adequacy" or "delta_auc" not in found:
                continue
            label = added_name(pair)
            rows.append(
                {
                    "landmark": name,
                    "added": label,
                    "auc": measure(found["delta_auc"], difference=True),
                    "loss": measure(found["delta_log_loss"], 4, difference=True),
                    "benefit": measure(found.get(threshold), difference=True),
                }
            )
            drawn.append(_row(f"{name}: {label}", found["delta_auc"], f"n = {found['n']['value']}"))
            n, events = max(n, int(found["n"]["value"])), max(events, int(found["events"]["value"]))
    if not drawn:
        return {}, {}
    about = {"n": n, "events": events, "scale": "difference in AUC", "sampling": OUT_OF_FOLD}
    columns = {
        "landmark": "Landmark",
        "added": "Added",
        "auc": "AUC",
        "loss": "Log loss",
        "benefit": f"Net benefit at {threshold.partition('@')[2]}",
    }
    return (
        {"domains-added": forest_chart(pd.DataFrame(drawn), "Difference in AUC", about)},
        {
            "domains": Table.of(
                "domains-table",
                "What each domain adds: linear candidate, same patients and folds",
                columns,
                rows,
                text=("added",),
            )
        },
    )


def added_name(pair: str) -> str:
    """Return what a pair of sets of domains differs in, in words."""
    more, _, less = pair.partition("-")
    if more == "all":
        return f"all, against {_listed(less)}"
    added = [domain for domain in more.split("+") if domain not in less.split("+")]
    return f"{_listed('+'.join(added))} to {_listed(less)}"


def _listed(names: str) -> str:
    return " + ".join(domain_name(name) for name in names.split("+")).replace(
        "without ctdna", "without ctDNA"
    )


def subgroups_part(results: Results, landmark: str, landmarks: Sequence[str], privacy: Privacy) -> Part:
    """Return forests of subgroups and centres at one landmark, and the table of all landmarks."""
    charts: dict[str, Spec] = {}
    whole = results.landmarks[landmark][MODEL]
    found = results.subgroups[landmark]
    for key, (title, reference) in MEASURES.items():
        rows = [
            _row(
                f"{kind.replace('_', ' and ')}: {group} (n = {v['n']['value']}, pCR {v['events']['value']})",
                v[key],
                kind,
            )
            for kind, groups in found.items()
            if kind not in {"centre", "centre_pooled"}
            for group, v in groups.items()
            if "low" in v.get(key, {}) and not privacy.hides(v["n"]["value"])
        ]
        if rows:
            charts[f"subgroups-{key.replace('_', '-')}"] = forest_chart(
                pd.DataFrame(rows), f"{title} at {landmark}", _about(whole, title), reference
            )
        charts |= _centres_chart(found, key, title, reference, landmark, whole)
    tables = {
        name: subgroups_table(results.subgroups[name], name, privacy)
        for name in landmarks
        if results.subgroups[name]
    }
    return charts, tables


def _centres_chart(
    found: Mapping[str, Any],
    key: str,
    title: str,
    reference: float | None,
    landmark: str,
    whole: Mapping[str, Any],
) -> dict[str, Spec]:
    rows = [
        _row(f"{centre} (n = {v['n']['value']}, pCR {v['events']['value']})", v[key])
        for centre, v in found.get("centre", {}).items()
        if "low" in v.get(key, {})
    ]
    pooled = found.get("centre_pooled", {}).get(key, {})
    if len(rows) < 2:
        return {}
    if "low" in pooled:
        rows.append(_row("All centres, pooled", pooled, "random effects", mark=True))
        if "prediction_low" in pooled:
            new = {
                "value": pooled["value"],
                "low": pooled["prediction_low"],
                "high": pooled["prediction_high"],
            }
            rows.append(_row("A new centre (prediction interval)", new, "prediction interval", mark=True))
    spec = forest_chart(
        pd.DataFrame(rows), f"{title} by centre at {landmark}", _about(whole, title), reference
    )
    return {f"centres-{key.replace('_', '-')}": spec}


def subgroups_table(found: Mapping[str, Any], landmark: str, privacy: Privacy) -> Table:
    """Return n, events and measures of all subgroups of a landmark; small cells are not shown."""
    rows = []
    for kind, groups in found.items():
        if kind in {"centre", "centre_pooled"}:
            continue
        for group, v in groups.items():
            small = privacy.hides(v["n"]["value"])
            rows.append(
                {
                    "group": f"{kind.replace('_', ' and ')}: {group}",
                    "n": privacy.cell(v["n"]["value"]),
                    "events": "" if small else privacy.cell(v["events"]["value"]),
                }
                | {key: measure(v.get(key), 2 if key != "auc" else 3) for key in MEASURES}
            )
    columns = {"group": "Subgroup", "n": "n", "events": "pCR"} | {
        key: title for key, (title, _) in MEASURES.items()
    }
    return Table.of(f"subgroups-{landmark}", f"Subgroups at {landmark}, out of fold", columns, rows)


def stability_part(results: Results, landmark: str, landmarks: Sequence[str], most: int) -> Part:
    """Return optimism, later patients, left-out centres, and how far bootstrap models lie apart."""
    rows = []
    for name in landmarks:
        found = results.robustness[name]
        if not found:
            continue
        auc, slope = (found["optimism_corrected"].get(key, {}) for key in ("auc", "calibration_slope"))
        temporal = found.get("temporal", {})
        left_out = found.get("left_out_centres", {}).get("pooled", {})
        rows.append(
            {
                "landmark": name,
                "corrected": _approximate(auc),
                "slope": _approximate(slope),
                "later": measure(temporal.get("auc")),
                "later_oe": measure(temporal.get("o_e"), 2),
                "centres": measure(left_out.get("auc")) if left_out else "not at this landmark",
                "instability": f"{found['instability']['mean_absolute_prediction_error']['value']:.3f}",
            }
        )
    if not rows:
        return {}, {}
    columns = {
        "landmark": "Landmark",
        "corrected": "AUC, optimism corrected",
        "slope": "Slope, optimism corrected",
        "later": "AUC, later patients",
        "later_oe": "O:E, later patients",
        "centres": "AUC, left-out centres",
        "instability": "Mean instability",
    }
    charts = {}
    curve = results.curves[landmark].get("instability")
    if curve is not None:
        step = max(1, len(curve) // most)
        about = _about(
            results.landmarks[landmark][MODEL], "probability", "in fold: models of bootstrap samples"
        )
        charts["instability"] = instability_chart(curve.iloc[::step], about)
    tables = {
        "stability": Table.of(
            "stability-table", "The whole procedure outside its own patients", columns, rows
        )
    }
    centres = results.robustness[landmark].get("left_out_centres", {}).get("centres", {})
    drawn = [
        _row(f"{name} left out (n = {v['n']['value']}, pCR {v['events']['value']})", v["auc"])
        for name, v in centres.items()
        if "low" in v.get("auc", {})
    ]
    if len(drawn) > 1:
        charts["left-out-centres"] = forest_chart(
            pd.DataFrame(drawn),
            f"AUC in each left-out centre at {landmark}",
            _about(results.landmarks[landmark][MODEL], "AUC", "in centres that the model had not seen"),
            None,
        )
    return charts, tables


def _approximate(found: Mapping[str, Any]) -> Any:
    if "value" not in found:
        return measure(found or None)
    renamed = {"value": found["value"]}
    if "approximate_low" in found:
        renamed |= {"low": found["approximate_low"], "high": found["approximate_high"]}
    return measure(renamed)


def sensitivity_part(results: Results) -> Part:
    """Return the primary comparison under every other definition."""
    found = results.sensitivity
    rows, drawn = [], []
    for name, v in found.items():
        delta = v["delta_log_loss"]
        rows.append(
            {
                "run": name,
                "n": count(v["n"]["value"]),
                "events": count(v["events"]["value"]),
                "model": measure(v.get("auc_chosen")),
                "rules": measure(v.get("auc_rules")),
                "delta": measure(delta, 4, difference=True),
            }
        )
        if "low" in delta:
            drawn.append(_row(name, delta, f"n = {v['n']['value']}", mark=name == "as in the run"))
    if not drawn:
        return {}, {}
    first = next(iter(found.values()))
    columns = {
        "run": "Run",
        "n": "n",
        "events": "pCR",
        "model": "AUC, model",
        "rules": "AUC, rules",
        "delta": "Log loss, model minus rules",
    }
    return (
        {
            "sensitivity-runs": forest_chart(
                pd.DataFrame(drawn), "Difference in log loss, model minus rules", _about(first, "log loss")
            )
        },
        {"sensitivity": Table.of("sensitivity-table", "The primary comparison, run by run", columns, rows)},
    )


def size_part(results: Results) -> Part:
    """Return Riley's criteria by landmark: patients needed and parameters supported."""
    rows = [
        {
            "landmark": name,
            **{
                key: count(found["development"][key])
                for key in ("n", "parameters", "needed", "parameters_supported")
            },
            "validation": count(max(found["validation"].values())),
            "enough": "yes" if found["development"]["enough"] else "no",
        }
        for name, found in results.size.items()
    ]
    columns = {
        "landmark": "Landmark",
        "n": "Patients",
        "parameters": "Candidate parameters",
        "needed": "Patients needed for them",
        "parameters_supported": "Parameters supported",
        "enough": "Enough",
        "validation": "Patients to validate",
    }
    return {}, {
        "size": Table.of("size-table", "Sample size by Riley's criteria", columns, rows)
    } if rows else {}


def strategy_part(results: Results) -> Part:
    """Return the values of the strategies as randomised, beside the truth where it is known."""
    truth = results.truth.get("strategies", {})
    labels = {
        "reference": "all by {1}",
        "treated": "all by {0}",
        "difference": "difference",
        "policy": "policy by baseline features",
        "policy_gain": "policy minus the better fixed strategy",
        "policy_share": "share that the policy assigns to {0}",
    }
    rows, drawn = [], []
    n = 0
    for pair, values in results.strategies.items():
        names = pair.split("-", 1)
        n = int(values["n"]["value"])
        for key, label in labels.items():
            if key in values:
                text = label.format(*names)
                true = truth.get(pair, {}).get(key, {}).get("value")
                rows.append(
                    {
                        "what": text,
                        "value": measure(values[key]),
                        "truth": "" if true is None else f"{true:.3f}",
                    }
                )
                if "low" in values[key] and key in {"reference", "treated", "policy"}:
                    drawn.append(_row(text, values[key]))
    if not rows:
        return {}, {}
    columns = {"what": "Value", "value": "Estimate"} | ({"truth": "Truth of the simulation"} if truth else {})
    about = {
        "n": n,
        "events": None,
        "scale": "mean probability of pCR as delivered",
        "sampling": "cross-fitted, as randomised",
    }
    return (
        {
            "strategy-values": forest_chart(
                pd.DataFrame(drawn), "Mean probability of pCR, as delivered", about, None
            )
        },
        {
            "strategy": Table.of(
                "strategy-table", f"Value of the strategies as randomised, {count(n)} patients", columns, rows
            )
        },
    )


def truth_part(results: Results, landmarks: Sequence[str]) -> Part:
    """Return what the models are worth on patients simulated anew, beside the estimates."""
    rows = []
    for name in landmarks:
        found = results.truth.get(name)
        if found is None:
            continue
        estimated = results.landmarks[name][MODEL]
        rows.append(
            {
                "landmark": name,
                "n": count(found["n"]["value"]),
                "estimated": measure(estimated.get("auc")),
                "auc": measure(found["chosen"].get("auc")),
                "attainable": measure(found.get("attainable_auc")),
                "slope": measure(found["chosen"].get("calibration_slope"), 2),
                "o_e": measure(found["chosen"].get("o_e"), 2),
                "rules": measure(found["rules"].get("auc")),
            }
        )
    columns = {
        "landmark": "Landmark",
        "n": "New patients",
        "estimated": "AUC, out of fold",
        "auc": "AUC, truth",
        "attainable": "About the best attainable",
        "slope": "Slope, truth",
        "o_e": "O:E, truth",
        "rules": "AUC of the rules, truth",
    }
    return {}, {
        "truth": Table.of("truth-table", "The final models on patients simulated anew", columns, rows)
    } if rows else {}


def shown_threshold(comparison: Mapping[str, Any]) -> str:
    """Return the measure of net benefit shown beside AUC: the middle one of those configured."""
    keys = sorted(
        {
            k
            for pairs in comparison["domains"].values()
            for pair in pairs.values()
            for k in pair
            if k.startswith("delta_net_benefit@")
        }
    )
    return keys[len(keys) // 2] if keys else ""
