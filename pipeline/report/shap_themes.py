"""Biology first: themes of features, how sure their order is, in whom they raise predictions, and when.

Nothing is estimated here but means of contributions by group; intervals are those of shap/<landmark>.json.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pandas as pd

from features.documents.feature import LandmarkFeatureEntry
from models.explanation.attribution import UNUSED
from models.explanation.documents import ContributionSummary, Direction, ThemeContribution
from pipeline.project.estimates import Estimate
from pipeline.report.drawing import PALETTE, About, Spec
from pipeline.report.labels import Labels
from pipeline.report.page import decimal, domain_name, measure
from pipeline.report.shap_charts import ranking_chart, split_chart
from pipeline.report.shap_tables import described
from pipeline.report.tables import Privacy, Table

MAX_DIRECTIONS = 3
"""In a sentence: the largest."""
MAX_GROUPS = 6
"""Columns of groups in the table of themes; a kind of groups that has no room is left out."""


@dataclass(frozen=True)
class ThemesPart:
    """The opening of a landmark's page; `sentences` by theme, the largest first."""

    charts: Mapping[str, Spec]
    tables: Mapping[str, Table]
    sentences: Mapping[str, str]


def themes_part(
    summary: ContributionSummary,
    over_landmarks: Mapping[str, ContributionSummary],
    patients: Mapping[str, int],
    explained: pd.DataFrame,
    groups: Mapping[str, pd.Series],
    named: Mapping[str, LandmarkFeatureEntry],
    shown: Mapping[str, str],
    colours: Mapping[str, str],
    process: Sequence[str],
    privacy: Privacy,
    labels: Labels,
    about: About,
) -> ThemesPart:
    """Return figures, tables and sentences on the themes of a landmark; empty without themes.

    Parameters
    ----------
    over_landmarks : mapping
        The contributions at every landmark that has a model, in order.
    patients : mapping
        How many patients were explained at each landmark.
    explained : DataFrame
        usubjid, and the contribution of every feature.
    groups : mapping of str to Series
        What patients are told apart by, such as HR: their group by usubjid, in words.
    process : sequence of str
        Patterns of features that tell of assay and process; those that are in a theme are not.
    """
    themes = sorted(summary["biology"], key=lambda row: (-row["mean_abs"], row["group"]))
    if not themes:
        return ThemesPart({}, {}, {})
    charts = {"themes": _themes_chart(themes, named, colours, about)}
    landmarks = _over_landmarks(over_landmarks, patients, labels)
    if len(set(landmarks["domain"])) > 1:
        by_landmark = dict(zip(map(labels.name, over_landmarks), PALETTE * 3, strict=False))
        charts["themes-landmarks"] = split_chart(landmarks, by_landmark)
    tables = {"themes": themes_table(themes, explained, groups, privacy)}
    in_theme = {name for theme in themes for name in theme["members"]}
    rows = [
        {
            "feature": described(named[row["feature"]], shown),
            "mean": measure(Estimate(row["mean_abs"], row["low"], row["high"])),
            "rank": row["rank"],
        }
        for row in summary["features"]
        if row["mean_abs"] and row["feature"] not in in_theme
        if any(fnmatchcase(row["feature"], pattern) for pattern in process)
    ]
    if rows:
        columns = {"feature": "Feature", "mean": "Mean |contribution|", "rank": "Rank of all features"}
        caption = "Assay and process: what tells of how was measured and treated, not of biology"
        tables["process"] = Table.of("process-table", caption, columns, rows)
    return ThemesPart(charts, tables, theme_sentences(themes, summary["directions"]))


def groups_of(
    measured: pd.DataFrame, cohort: pd.DataFrame, split_by: str, labels: Labels
) -> dict[str, pd.Series]:
    """Return by what patients are told apart: the feature `split_by`, and arms if there are several.

    By name, such as HR, the group of every patient in words, index usubjid.
    """
    keys = {"Arm": cohort.set_index("usubjid")["arm"]} if len(set(cohort["arm"])) > 1 else {}
    if split_by in measured and len(set(measured[split_by].dropna())) > 1:
        keys = {split_by.upper(): measured.set_index("usubjid")[split_by], **keys}
    return {kind: key.map(labels.name, na_action="ignore") for kind, key in keys.items()}


def rank_range(themes: Sequence[ThemeContribution], theme: ThemeContribution) -> tuple[int, int]:
    """Return the ranks that the intervals leave open: themes wholly above and wholly below are set apart."""
    above = sum(other["mean_low"] > theme["mean_high"] for other in themes)
    below = sum(other["mean_high"] < theme["mean_low"] for other in themes)
    return 1 + above, len(themes) - below


def theme_sentences(themes: Sequence[ThemeContribution], directions: Sequence[Direction]) -> dict[str, str]:
    """Return a sentence on each theme: its size, its rank, and directions whose interval excludes zero."""
    sentences = {}
    for theme in themes:
        if not theme["mean_abs"]:
            continue
        first, last = rank_range(themes, theme)
        rank = f"rank {first}" if first == last else f"rank {first} to {last}"
        told = _directions([row for row in directions if row["feature"] in theme["members"]])
        ends = f"{theme['mean_low']:.2f} to {theme['mean_high']:.2f}"
        sentences[theme["group"]] = (
            f"moves the log-odds of pCR by {theme['mean_abs']:.2f} on average ({ends}), "
            f"{rank} of {len(themes)}"
            f"{f'; contributions are {told}' if told else ''}."
        )
    return sentences


def _directions(rows: Sequence[Direction]) -> str:
    """Return the largest directions that the numbers support, in words; empty without any.

    A name that several features share, such as two measurements of a size, may have them disagree.
    """
    clear = [row for row in rows if row["verdict"] != UNUSED and (row["low"] > 0 or row["high"] < 0)]
    largest = sorted(clear, key=lambda row: -abs(row["difference"]))
    signs: dict[str, set[bool]] = {}
    for row in largest:
        signs.setdefault(row["name"], set()).add(row["difference"] > 0)
    words = {
        name: "lower and higher, by feature," if len(both) > 1 else "higher" if True in both else "lower"
        for name, both in signs.items()
    }
    return ", ".join([f"{how} with {name}" for name, how in words.items()][:MAX_DIRECTIONS])


def _themes_chart(
    themes: Sequence[ThemeContribution],
    named: Mapping[str, LandmarkFeatureEntry],
    colours: Mapping[str, str],
    about: About,
) -> Spec:
    rows = [
        {
            "label": row["group"],
            "domain": domain_name(named[row["members"][0]]["domain"]),
            "mean_abs": row["mean_abs"],
            "low": row["mean_low"],
            "high": row["mean_high"],
            "key": ", ".join(row["members"]),
            "description": "; ".join(named[member]["description"] for member in row["members"]),
            "more": f"{row['features']} features",
        }
        for row in themes
    ]
    return ranking_chart(pd.DataFrame(rows), colours, about)


def _over_landmarks(
    summaries: Mapping[str, ContributionSummary], patients: Mapping[str, int], labels: Labels
) -> pd.DataFrame:
    """Return the themes of every landmark, in the order of the last one; `domain` is the landmark."""
    rows = [
        {
            "label": theme["group"], "domain": labels.name(name), "mean_abs": theme["mean_abs"],
            "low": theme["mean_low"], "high": theme["mean_high"], "n": patients[name],
        }
        for name, summary in reversed(list(summaries.items()))
        for theme in sorted(summary["biology"], key=lambda row: (-row["mean_abs"], row["group"]))
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["label", "domain", "mean_abs", "low", "high", "n"])
    order = list(dict.fromkeys(frame["label"]))
    landmarks = [labels.name(name) for name in summaries]
    keys = {"label": order.index, "domain": landmarks.index}
    return frame.sort_values(["label", "domain"], key=lambda column: column.map(keys[str(column.name)]))


def themes_table(
    themes: Sequence[ThemeContribution],
    explained: pd.DataFrame,
    groups: Mapping[str, pd.Series],
    privacy: Privacy,
) -> Table:
    """Return the themes with their rank, and the mean contribution in each group: above 0 it raises pCR."""
    members: dict[str, pd.Series] = {}
    sizes: dict[str, int] = {}
    for kind, group in groups.items():
        of_patient = explained["usubjid"].map(group)
        inside = {f"{kind}: {name}": of_patient == name for name in sorted(group.dropna().unique())}
        n = {name: int(explained.loc[rows, "usubjid"].nunique()) for name, rows in inside.items()}
        shown = [name for name, count in n.items() if count and not privacy.hides(count)]
        # All groups of a kind stand in the table, or none.
        if len(members) + len(shown) <= MAX_GROUPS:
            members |= {name: inside[name] for name in shown}
            sizes |= {name: n[name] for name in shown}
    rows = []
    for theme in themes:
        first, last = rank_range(themes, theme)
        total = explained[theme["members"]].sum(axis=1)
        rows.append(
            {
                "theme": theme["group"],
                "mean": measure(Estimate(theme["mean_abs"], theme["mean_low"], theme["mean_high"]), 2),
                "rank": str(first) if first == last else f"{first} to {last}",
            }
            | {name: _signed(float(total[members[name]].mean())) for name in members}
        )
    columns = {"theme": "Theme", "mean": "Mean |contribution|", "rank": "Rank by interval"}
    heads = {name: f"{name} (n\u00a0=\u00a0{sizes[name]:,})" for name in members}
    caption = "Themes: size with interval"
    if members:
        caption += ", and mean contribution by group (above 0: raises the prediction)"
    return Table.of("themes-table", caption, columns | heads, rows)


def _signed(number: float) -> str:
    """Return a number with its sign, none where it is 0 as it is printed."""
    return decimal(number, 2, signed=True) if round(number, 2) else decimal(0, 2)
