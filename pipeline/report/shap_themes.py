"""Biology first: themes of features, how sure their order is, in whom they raise predictions, and when.

Nothing is computed here: all numbers are those of shap/<landmark>.json.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import pandas as pd
from markupsafe import Markup

from features.documents.feature import LandmarkFeatureEntry
from models.explanation.attribution import DISAGREES, UNUSED
from models.explanation.documents import (
    ContributionSummary,
    Direction,
    FeatureContribution,
    GroupMean,
    ThemeContribution,
)
from pipeline.project.estimates import Estimate
from pipeline.report.drawing import PALETTE, About, Spec, in_sentence
from pipeline.report.facts import listed
from pipeline.report.labels import Labels
from pipeline.report.page import decimal, domain_name, measure, percent
from pipeline.report.shap_charts import ranking_chart, split_chart
from pipeline.report.shap_tables import UPPER_THIRD, described
from pipeline.report.tables import Privacy, Table

MAX_DIRECTIONS = 3
"""In a sentence: the largest."""
NAMED = 3
"""Features that a title names."""
MAX_GROUPS = 6
"""Groups that a title names, and columns of groups in the table of themes, where a kind has room or none."""
MAX_OUTSIDE = 5
"""Features of no theme that are told beside the themes: the largest."""


@dataclass(frozen=True)
class ThemesPart:
    """The opening of a landmark's page; `sentences` by theme, the largest first.

    `outside` tells which features of no theme move the predictions more than every theme; empty if none does.
    """

    charts: Mapping[str, Spec]
    tables: Mapping[str, Table]
    sentences: Mapping[str, str]
    outside: str = ""


def themes_part(
    summary: ContributionSummary,
    over_landmarks: Mapping[str, ContributionSummary],
    patients: Mapping[str, int],
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
    tables = {"themes": themes_table(themes, privacy, labels)}
    in_theme = {name for theme in themes for name in theme["members"]}
    others = [row for row in summary["features"] if row["mean_abs"] and row["feature"] not in in_theme]
    of_process = [row for row in others if any(fnmatchcase(row["feature"], pattern) for pattern in process)]
    rows = [
        {
            "feature": described(named[row["feature"]], shown),
            "mean": measure(Estimate(row["mean_abs"], row["low"], row["high"])),
            "rank": row["rank"],
        }
        for row in of_process
    ]
    if rows:
        columns = {"feature": "Feature", "mean": "Mean |contribution|", "rank": "Rank of all features"}
        caption = "Assay and process: what tells how a patient was measured and treated, not of biology"
        tables["process"] = Table.of("process-table", caption, columns, rows)
    larger = [row for row in others if row not in of_process and row["mean_abs"] > themes[0]["mean_abs"]]
    return ThemesPart(
        charts,
        tables,
        theme_sentences(themes, summary["directions"], summary["features"], shown),
        outside_sentence(larger, named, shown),
    )


def outside_sentence(
    larger: Sequence[FeatureContribution],
    named: Mapping[str, LandmarkFeatureEntry],
    shown: Mapping[str, str],
) -> Markup:
    """Return which features, of no theme, move the predictions more than every theme; empty without any."""
    if not larger:
        return Markup()
    told = Markup("; ").join(
        Markup("{} by {:.2f} ({:.2f} to {:.2f})").format(
            described(named[row["feature"]], shown), row["mean_abs"], row["low"], row["high"]
        )
        for row in larger[:MAX_OUTSIDE]
    )
    more = len(larger) - MAX_OUTSIDE
    rest = f"; and {more} more" if more > 0 else ""
    return Markup("In no theme, and moving the log-odds more than every theme: {}{}.").format(told, rest)


def landmark_titles(
    summary: ContributionSummary,
    shown: Mapping[str, str],
    over_landmarks: Mapping[str, ContributionSummary],
    privacy: Privacy,
    labels: Labels,
) -> dict[str, str]:
    """Return the titles of a landmark's figures by their id: which theme, domain and features are largest."""
    titles = {}
    # The same themes in another order are the same.
    together: dict[frozenset[str], str] = {}
    top = {
        labels.name(name): together.setdefault(frozenset(first), listed(first, "or"))
        for name, each in over_landmarks.items()
        if (first := _first(each["biology"]))
    }
    if len(top) > 1:
        titles["themes-landmarks"] = f"The largest theme: {_by_value(top, 'at')}."
    for kind, rows in summary["splits"].items():
        inside = [row for row in rows if not privacy.hides(row["patients"])]
        largest = {
            labels.name(row["part"]): domain_name(row["group"])
            for row in sorted(inside, key=lambda row: row["mean_abs"])
        }
        parts = dict.fromkeys(labels.name(row["part"]) for row in inside)
        if len(parts) > 1 and len({row["group"] for row in inside}) > 1:
            said = _by_value({part: largest[part] for part in parts}, "in")
            if len(parts) > MAX_GROUPS:
                said = f"by group, {listed(list(dict.fromkeys(largest[part] for part in parts)))}"
            titles[f"split-{kind}"] = f"The largest domain: {said}."
    if len(summary["biology"]) > 1:
        titles["themes"] = f"The largest theme is {listed(_first(summary['biology']), 'or')}."
    domains = sorted(summary["domains"], key=lambda row: -row["share"])
    if len(domains) > 1:
        first = [
            f"{domain_name(row['group'])}, {percent(row['share'])}"
            for row in domains
            if row["high"] >= domains[0]["low"]
        ]
        titles["domain-shares"] = f"The largest share is that of {', or of '.join(first)}."
    names = [shown[row["feature"]] for row in summary["features"][:NAMED] if row["mean_abs"]]
    if len(names) == NAMED:
        titles["ranking"] = f"The largest are {listed(names)}."
    return titles


def _first(themes: Sequence[ThemeContribution]) -> list[str]:
    """Return the largest theme, and those that its interval does not set apart from it, the largest first."""
    ordered = sorted(themes, key=lambda row: (-row["mean_abs"], row["group"]))
    return [row["group"] for row in ordered if row["first_rank"] == ordered[0]["first_rank"]]


def _by_value(values: Mapping[str, str], preposition: str) -> str:
    """Return which value stands at which places, such as ``ctDNA at C1 and C2; imaging at C4``."""
    places: dict[str, list[str]] = {}
    for place, value in values.items():
        places.setdefault(value, []).append(place)
    return "; ".join(f"{value} {preposition} {listed(names)}" for value, names in places.items())


def theme_sentences(
    themes: Sequence[ThemeContribution],
    directions: Sequence[Direction],
    features: Sequence[FeatureContribution],
    shown: Mapping[str, str],
) -> dict[str, str]:
    """Return a sentence on each theme: size, rank, largest of its features, directions that are clear.

    A direction is clear where its interval excludes zero.
    """
    sentences = {}
    for theme in themes:
        if not theme["mean_abs"]:
            continue
        told = _directions([row for row in directions if row["feature"] in theme["members"]])
        used = [row for row in features if row["feature"] in theme["members"] and row["mean_abs"]]
        most = max(used, key=lambda row: row["mean_abs"])["feature"] if len(used) > 1 else ""
        sentences[theme["group"]] = (
            f"moves the log-odds of pCR by {_size(theme)}, rank {_ranks(theme)} of {len(themes)}"
            f"{f', most by {shown[most]}' if most else ''}"
            f"{f'; contributions are {told}' if told else ''}."
        )
    return sentences


def _size(theme: ThemeContribution) -> str:
    """Return how much a theme moves predictions, in words where the value shown would be 0."""
    if round(theme["mean_abs"], 2) == 0:
        return "less than a hundredth on average"
    return f"{theme['mean_abs']:.2f} on average ({theme['mean_low']:.2f} to {theme['mean_high']:.2f})"


def _directions(rows: Sequence[Direction]) -> str:
    """Return the largest directions that the numbers support, in words; empty without any.

    A name that several features share, such as two measurements of a size, may have them disagree.
    """
    clear = [row for row in rows if row["verdict"] != UNUSED and (row["low"] > 0 or row["high"] < 0)]
    largest = sorted(clear, key=lambda row: -abs(row["difference"]))
    by_name: dict[str, list[Direction]] = {}
    for row in largest:
        by_name.setdefault(row["name"], []).append(row)
    return ", ".join([_direction(each) for each in by_name.values()][:MAX_DIRECTIONS])


def _direction(rows: Sequence[Direction]) -> str:
    """Return in which patients contributions are higher, and whether the opposite was published."""
    signs = {row["difference"] > 0 for row in rows}
    how = "lower and higher, by feature," if len(signs) > 1 else "higher" if True in signs else "lower"
    where = f"in the {UPPER_THIRD} of" if rows[0]["of"] == UPPER_THIRD else "with"
    against = " (against what was published)" if any(row["verdict"] == DISAGREES for row in rows) else ""
    return f"{how} {where} {in_sentence(rows[0]['name'])}{against}"


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
            "more": f"{row['features']} feature{'s' if row['features'] != 1 else ''}",
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


def themes_table(themes: Sequence[ThemeContribution], privacy: Privacy, labels: Labels) -> Table:
    """Return the themes with their rank, and the mean contribution in each group: above 0 it raises pCR."""
    sizes: dict[str, int] = {}
    # The groups are the same in every theme.
    for by in dict.fromkeys(row["by"] for row in themes[0]["means"]):
        inside = [row for row in themes[0]["means"] if row["by"] == by and not privacy.hides(row["patients"])]
        # All groups of a kind stand in the table, or none.
        if len(sizes) + len(inside) <= MAX_GROUPS:
            sizes |= {_group_name(row, labels): row["patients"] for row in inside}
    rows = []
    for theme in themes:
        means = {_group_name(row, labels): row["mean"] for row in theme["means"]}
        rows.append(
            {
                "theme": theme["group"],
                "mean": measure(Estimate(theme["mean_abs"], theme["mean_low"], theme["mean_high"]))
                if theme["mean_abs"]
                else UNUSED,
                "rank": _ranks(theme),
            }
            | {name: _signed(means[name]) for name in sizes}
        )
    columns = {"theme": "Theme", "mean": "Mean |contribution|", "rank": "Rank by interval"}
    heads = {name: f"{name} (n\u00a0=\u00a0{n:,})" for name, n in sizes.items()}
    caption = "Themes: size with interval"
    if sizes:
        caption += ", and mean contribution by group (above 0: raises the prediction)"
    return Table.of("themes-table", caption, columns | heads, rows)


def _group_name(row: GroupMean, labels: Labels) -> str:
    by = "Arm" if row["by"] == "arm" else row["by"].upper()
    return f"{by}: {labels.name(row['part'])}"


def _ranks(theme: ThemeContribution) -> str:
    first, last = theme["first_rank"], theme["last_rank"]
    return str(first) if first == last else f"{first} to {last}"


def _signed(number: float) -> str:
    """Return a number with its sign, none where it is 0 as it is printed."""
    return decimal(number, 3, signed=True) if round(number, 3) else decimal(0, 3)
