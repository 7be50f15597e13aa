"""The tables of a landmark's SHAP page."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from features.documents.feature import LandmarkFeatureEntry
from models.description.as_measured import Measured
from models.explanation.attribution import UNUSED
from models.explanation.documents import (
    ContributionSummary,
    Direction,
    FeatureContribution,
    GroupContribution,
)
from pipeline.project.estimates import Estimate, Measures, bounds_text
from pipeline.report.labels import Labels
from pipeline.report.page import (
    NOT_EVALUATED,
    count,
    domain_name,
    explained,
    measure,
    missing_share,
    percent,
    percent_interval,
    unit_text,
)
from pipeline.report.tables import Table

# Units of a number without dimension.
NO_UNIT = ("", "1")
AS_BLOCK = "as a block: overview"
UPPER_THIRD = "upper third"
"""Of the values of a number: the first of the two groups that are compared."""
NOT_EXPECTED = "none"
"""What is printed of a feature on which no direction was published."""


def described(feature: LandmarkFeatureEntry, shown: Mapping[str, str]) -> Markup:
    """Return a feature's label as a link to its view, its description and its name on hover."""
    name = feature["name"]
    return Markup('<a href="#feature" data-feature="{}" title="{} ({})">{}</a>').format(
        name, feature["description"], name, shown[name]
    )


def told_features(features: Sequence[LandmarkFeatureEntry], labels: Labels) -> list[LandmarkFeatureEntry]:
    """Return the features with descriptions as readers meet them: keys by their labels, and notes."""
    return [{**each, "description": labels.described(each["name"], each["description"])} for each in features]


def landmark_tables(
    summary: ContributionSummary,
    domains_added: Mapping[str, Measures],
    named: Mapping[str, LandmarkFeatureEntry],
    absent: Sequence[str],
    shown: Mapping[str, str],
    labels: Labels,
) -> dict[str, Table]:
    """Return the tables of the page by their names; `shown` has the labels of the features."""
    return {
        "domains": domains_table(summary["domains"], domains_added, absent, list(summary.get("assays", {}))),
        "stability": stability_table(summary, named, shown, labels),
        "directions": directions_table(summary["directions"], named, shown, labels),
        "interactions": Table.of(
            "interactions",
            "Pairs of features by the mean absolute value of their interaction, calibrated log-odds",
            {"first": "Feature", "second": "with", "mean": "Mean |interaction|", "n": "Predictions"},
            [
                {
                    "first": described(named[row["first"]], shown),
                    "second": described(named[row["second"]], shown),
                    "mean": f"{row['mean_abs']:.4f}",
                    "n": count(row["patients"]),
                }
                for row in summary["interactions"]
            ],
            text=("second",),
        ),
        "assays": assays_table(summary, labels),
        "clusters": Table.of(
            "clusters",
            "Features that carry the same information: read their contributions together",
            {
                "features": "Features",
                "rho": "Mean |correlation|",
                "patients": "Known together in",
                "together": "Together",
                "apart": "Sum of each alone",
            },
            [
                {
                    "features": Markup("; ").join(described(named[name], shown) for name in row["features"]),
                    "rho": f"{row['correlation']:.2f}",
                    "patients": count(row["patients"]),
                    "together": f"{row['together']:.3f}",
                    "apart": f"{row['apart']:.3f}",
                }
                for row in summary["clusters"]
                if row["apart"]
            ],
        ),
    }


def assays_table(summary: ContributionSummary, labels: Labels) -> Table:
    """Return the columns of each assay that move the predictions most; no row where the model takes none."""
    rows = [
        {
            "assay": labels.name(assay),
            "column": explained(row["column"].replace("_", " "), row["column"]),
            "mean": f"{row['mean_abs']:.4f}",
            "fits": percent(row["stability"]),
        }
        for assay, columns in summary.get("assays", {}).items()
        for row in columns
    ]
    return Table.of(
        "assays",
        "Columns of each assay by mean |contribution|, and how often each is among the largest",
        {"assay": "Assay", "column": "Column", "mean": "Mean |contribution|", "fits": "Among them in fits"},
        rows,
        text=("column",),
    )


def domains_table(
    domains: Sequence[GroupContribution],
    added: Mapping[str, Measures],
    absent: Sequence[str],
    assays: Sequence[str] = (),
) -> Table:
    """Return each domain's share beside what it adds in AUC and net benefit to the other domains.

    What assays add is judged as blocks, apart from the domains.
    """
    single = len(domains) - len(assays) < 2
    measures = sorted(
        {key for pair in added.values() for key in pair if key.startswith("delta_net_benefit@")}
    )
    shown = measures[len(measures) // 2] if measures else ""
    rows = []
    for row in domains:
        others = "+".join(
            other["group"] for other in domains if other is not row and other["group"] not in assays
        )
        # The set without the last domain goes by the names of the domains that are in it.
        pair = added.get(f"all-without {row['group']}", added.get(f"all-{others}", Measures()))
        missing = AS_BLOCK if row["group"] in assays else "only domain" if single else NOT_EVALUATED
        rows.append(
            {
                "domain": domain_name(row["group"]),
                "features": row["features"],
                "share": percent_interval(Estimate(row["share"], row["low"], row["high"]), 1),
                "auc": measure(pair["delta_auc"], difference=True) if "delta_auc" in pair else missing,
                "benefit": measure(pair[shown], difference=True) if shown in pair else missing,
            }
        )
    rows += [
        {
            "domain": domain_name(name),
            "features": 0,
            "share": "absent: no such data here",
            "auc": "",
            "benefit": "",
        }
        for name in absent
    ]
    threshold = shown.partition("@")[2]
    columns = {
        "domain": "Domain",
        "features": "Features",
        "share": "Share",
        "auc": "Adds to the others: AUC",
        "benefit": f"Adds: net benefit at {threshold}" if threshold else "Adds: net benefit",
    }
    return Table.of(
        "domains", "Share of each domain and what it adds to the others, out of fold", columns, rows
    )


def stability_table(
    summary: ContributionSummary,
    named: Mapping[str, LandmarkFeatureEntry],
    shown: Mapping[str, str],
    labels: Labels,
) -> Table:
    """Return every feature's mean |contribution| with interval, range over centres, and expectation."""
    expected = expectations(summary["directions"], labels)
    rows = [
        {
            "feature": described(named[row["feature"]], shown),
            "domain": domain_name(row["domain"]),
            "rank": row["rank"],
            "mean": measure(Estimate(row["mean_abs"], row["low"], row["high"]))
            if row["mean_abs"]
            else UNUSED,
            "centres": _centres(row) if row["mean_abs"] else "",
            "top": percent(row["top"]) if row["mean_abs"] else "",
            "expected": expected.get(row["feature"], NOT_EXPECTED),
        }
        for row in summary["features"]
    ]
    columns = {
        "feature": "Feature",
        "rank": "Rank",
        "mean": "Mean |contribution|",
        "centres": "Lowest to highest centre",
        "top": f"In the top {summary['top']}",
        "domain": "Domain",
        "expected": "Expected of it",
    }
    caption = f"All features: interval over {summary['resamples']} resamples"
    if any(row["centres"] for row in rows):
        caption += ", range over centres"
    else:
        del columns["centres"]
    if summary["left_out"]:
        caption += f"; no expectation is held against {', '.join(summary['left_out'])} here"
    return Table.of("stability", caption, columns, rows, text=("domain", "expected"))


def expectations(directions: Sequence[Direction], labels: Labels) -> dict[str, str]:
    """Return what published results let expect of each feature, in words; a feature of none is not there."""
    words: dict[str, list[str]] = {}
    for row in directions:
        words.setdefault(row["feature"], []).append(f"{row['expected']} ({_compared(row, labels)})")
    return {feature: "; ".join(each) for feature, each in words.items()}


def largest(summary: ContributionSummary, n: int) -> Sequence[FeatureContribution]:
    """Return the `n` largest of the features that the model uses; of all where it uses none."""
    used = [row for row in summary["features"] if row["mean_abs"]]
    return (used or summary["features"])[:n]


def without_expectation(summary: ContributionSummary, ranked: Sequence[FeatureContribution]) -> list[str]:
    """Return those of the features `ranked` that the model uses and no published result says anything on."""
    expected = {row["feature"] for row in summary["directions"]}
    return [row["feature"] for row in ranked if row["mean_abs"] and row["feature"] not in expected]


def _compared(row: Direction, labels: Labels) -> str:
    if row["of"] == UPPER_THIRD:
        return row["of"]
    return f"{labels.name(row['of'])} against {labels.name(row['against'])}"


def _centres(row: FeatureContribution) -> str:
    low, high = row["centre_low"], row["centre_high"]
    return "" if low is None or high is None else bounds_text(low, high)


def directions_table(
    directions: Sequence[Direction],
    named: Mapping[str, LandmarkFeatureEntry],
    shown: Mapping[str, str],
    labels: Labels,
) -> Table:
    """Return the direction expected against the direction found; a disagreement is marked."""
    rows = [
        {
            "name": Markup('{} <span class="source">{}</span>').format(row["name"], row["source"]),
            "feature": described(named[row["feature"]], shown),
            "compared": _compared(row, labels),
            "expected": row["expected"],
            "found": UNUSED
            if row["verdict"] == UNUSED
            else measure(Estimate(row["difference"], row["low"], row["high"]), difference=True),
            "stability": "" if row["verdict"] == UNUSED else percent(row["stability"]),
            "verdict": Markup("<strong>disagrees</strong>")
            if row["verdict"] == "disagrees"
            else row["verdict"],
            "class": "is-primary" if row["verdict"] == "disagrees" else "",
        }
        for row in directions
    ]
    columns = {
        "name": "Expectation, section of docs/evidence.md",
        "feature": "Feature",
        "compared": "Compared",
        "expected": "Expected",
        "found": "Observed (log-odds)",
        "stability": "Same sign",
        "verdict": "Verdict",
    }
    return Table.of(
        "plausibility",
        "Directions expected from published results and observed out of fold",
        columns,
        rows,
        text=("feature", "compared", "expected", "verdict"),
    )


def unit_words(unit: str) -> str:
    """Return a unit in words, a logarithm by what was measured: ``log10 fraction``: ``%, as a logarithm``."""
    told = Measured.by(unit)
    named = "number" if told.unit in NO_UNIT else unit_text(told.unit)
    return f"{named}, as a logarithm" if told.logarithm else named


def inputs_table(
    features: Sequence[LandmarkFeatureEntry],
    ranked: Sequence[FeatureContribution],
    shown: Mapping[str, str],
    labels: Labels,
) -> Table:
    """Return every input in the model's order, with its rank, for the end of the page."""
    rank = {row["feature"]: row["rank"] for row in ranked}
    rows = [
        {
            "name": described(f, shown),
            "domain": domain_name(f["domain"]),
            "known": labels.name(f["known_at"]),
            "unit": "; ".join(map(labels.name, f["levels"])) if f["levels"] else unit_words(f["unit"]),
            "missing": missing_share(f["share_missing"]),
            "rank": rank[f["name"]],
            "what": f["description"],
        }
        for f in features
    ]
    columns = {
        "name": "Input",
        "domain": "Domain",
        "known": "Known at",
        "unit": "Unit or levels",
        "missing": "Missing",
        "rank": "Rank",
        "what": "What it is",
    }
    caption = f"All {len(features)} inputs in the model's order; missing: share of the patients at risk"
    return Table.of("inputs", caption, columns, rows, text=("domain", "known", "unit", "what"))
