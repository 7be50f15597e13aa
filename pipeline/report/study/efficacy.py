"""The arms compared as randomised, or told each by itself: pCR, residual burden, time to surgery, safety."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from markupsafe import Markup

from models.description.documents import Coverage
from models.efficacy.documents import EfficacyDocument, ResultRow
from pipeline.project.estimates import Estimate, parse_estimate
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.page import count, decimal, measure, p_value, with_interval
from pipeline.report.study.common import Part
from pipeline.report.study.toxicity import points
from pipeline.report.tables import Privacy, Table

POPULATIONS = {
    "intention_to_treat": "all, as randomised; a missing outcome is non-pCR",
    "observed": "with a known outcome",
    "per_protocol": "treated as the protocol has it, with a known outcome",
    "eligible": "eligible; a missing outcome is non-pCR",
}
MEASURES = {
    "risk_difference": "difference, points",
    "risk_difference_stratified": "difference over strata, points",
    "risk_ratio": "risk ratio",
    "risk_ratio_stratified": "risk ratio over strata",
    "odds_ratio": "odds ratio",
    "odds_ratio_stratified": "odds ratio over strata",
    "risk_difference_missing": "difference, points",
    "tipping_point": "tipping point: pCR among the missing",
    "tipping_expected": "pCR among the missing, if like the others",
    "interaction_p_value": "arm by group, p",
    "p_value": "test, p",
    "rcb_class": "residual cancer burden",
    "rcb_lower_odds_ratio": "odds of a lower class, ratio",
    "rcb_proportional_p_value": "are the odds proportional, p",
    "days_to_surgery": "days to surgery, median",
    "days_to_surgery_p_value": "days to surgery, p",
    "incidence": "patients with the event",
    "incidence_difference": "difference, points",
    "rate": "first events per 100 patient-months",
    "rate_ratio": "ratio of rates",
    "dose_intensity_pct": "relative dose intensity, %",
    "ejection_fraction": "ejection fraction, %",
}
SHARES = ("pcr", "rcb_class", "incidence")
POINTS = ("risk_difference", "incidence_difference")
COUNTS = ("tipping_point", "tipping_expected")
WHOLE = ("tipping_point", "days_to_surgery")
"""Measures that are whole numbers."""
SAFETY = "treated"
TREATMENT = "exposure"
"""The raw table of the treatment given."""
NOT_SHOWN = Markup('<span class="none">too few to show</span>')
COLUMNS = {
    "what": "What",
    "group": "Arm or arms",
    "level": "Of",
    "value": "Estimate",
    "n": "n",
    "method": "Method",
}
"""The estimate before its method: a phone shows the first columns."""


def populations(facts: Facts, *, treatment: bool) -> dict[str, str]:
    """Return who is compared, in words that are true of the study; without criteria nobody is eligible.

    Without a table of treatment nobody is known to have been treated as the protocol has it.
    """
    names = dict(POPULATIONS)
    if not treatment:
        del names["per_protocol"]
    if not facts.randomised:
        names["intention_to_treat"] = "all; a missing outcome is non-pCR"
    if not facts.trial:
        del names["eligible"]
    return names


def efficacy_part(
    document: EfficacyDocument | None,
    facts: Facts,
    privacy: Privacy,
    labels: Labels,
    coverage: Sequence[Coverage],
) -> Part:
    """Return the tables of the section; empty where the stage has not been run.

    `coverage` tells which raw tables the study has.
    """
    if document is None:
        return {}, {}
    hidden, rows = hidden_parts(document["rows"], privacy), document["rows"]
    names = populations(facts, treatment=any(row["table"] == TREATMENT for row in coverage))

    def chosen(kept: Callable[[ResultRow], bool]) -> list[ResultRow]:
        return [row for row in rows if kept(row)]

    of_groups = ("pcr", "risk_difference", "interaction_p_value")
    whole = next(iter(POPULATIONS))
    compared = chosen(lambda row: row["population"] in names and not row["level"] and row["measure"] != "pcr")
    groups = {
        "differences": (
            "Differences between the arms",
            [row for row in compared if row["population"] == whole],
        ),
        "others": (
            "Differences between the arms, in other patients",
            [row for row in compared if row["population"] != whole],
        ),
        "missing": (
            "Missing outcomes otherwise",
            chosen(lambda row: row["measure"] in ("risk_difference_missing", *COUNTS)),
        ),
        "groups": (
            "By group, as randomised" if facts.randomised else "By group",
            chosen(lambda row: bool(row["level"]) and row["measure"] in of_groups),
        ),
        "burden": (
            "Residual cancer burden and time to surgery",
            chosen(lambda row: row["population"] in ("rcb_recorded", "dated")),
        ),
        "safety": ("Safety of treated patients", chosen(lambda row: row["population"] == SAFETY)),
    }
    tables = {"response": response_table(rows, names, privacy, labels)}
    for name, (caption, members) in groups.items():
        if members:
            shown = [_cells(row, names, privacy, hidden, labels) for row in members]
            tables[name] = _table(name, caption, shown)
    return {}, tables


def _table(name: str, caption: str, rows: Sequence[Mapping[str, str]]) -> Table:
    """Return a table whose caption says which arms, and whose patients, where that is one in all rows."""
    texts = {key: list(dict.fromkeys(row[key] for row in rows)) for key in ("group", "level")}
    alike = {key: values[0] for key, values in texts.items() if len(rows) > 1 and len(values) == 1}
    columns = {key: header for key, header in COLUMNS.items() if key not in alike}
    told = "".join(f"; {value}" for value in alike.values())
    text = tuple(key for key in ("group", "level", "method") if key in columns)
    return Table.of(f"efficacy-{name}", caption + told, columns, rows, text)


def hidden_parts(rows: Iterable[ResultRow], privacy: Privacy) -> set[tuple[str, str]]:
    """Return population and part (`_part`) of which the count of an arm is too small to be shown.

    A difference, a ratio, or a total beside the other groups, would tell it.
    """
    return {
        (row["population"], _part(row))
        for row in rows
        if row["measure"] in SHARES
        and any(map(privacy.hides, (row["n"], row["events"], row["n"] - row["events"])))
    }


def _part(row: ResultRow) -> str:
    """Return what a row's level is one of: the grouping of a group, the classes of residual burden."""
    if row["population"] == SAFETY:
        return row["level"]
    return row["level"].split(": " if ": " in row["level"] else " ")[0]


def response_table(
    rows: Sequence[ResultRow], names: Mapping[str, str], privacy: Privacy, labels: Labels
) -> Table:
    """Return pCR by population, of those with a name, and arm."""
    shown: dict[str, dict[str, str]] = {}
    arms: dict[str, str] = {}
    for row in rows:
        if row["measure"] == "pcr" and not row["level"] and row["population"] in names:
            name = names[row["population"]]
            arms[row["group"]] = group_label(row["group"], labels)
            share = privacy.proportion(row["events"], row["n"], parse_estimate(row))
            shown.setdefault(name, {"population": name})[row["group"]] = share
    return Table.of(
        "efficacy-response", "pCR by arm", {"population": "Patients"} | arms, list(shown.values())
    )


def _cells(
    row: ResultRow,
    names: Mapping[str, str],
    privacy: Privacy,
    hidden: set[tuple[str, str]],
    labels: Labels,
) -> Mapping[str, str]:
    what = "pCR" if row["measure"] == "pcr" else MEASURES[row["measure"]]
    level = labels.name(row["level"]) or names.get(row["population"], "all")
    told = (row["population"], _part(row)) in hidden or privacy.hides(row.get("events", 0))
    if row["population"] == SAFETY and row["measure"] in SHARES:
        # Kinds of events are no parts of a whole: only the arm's own count tells it.
        told = any(map(privacy.hides, (row["n"], row["events"], row["n"] - row["events"])))
    return {
        "what": what, "group": compared_label(row["group"], labels), "level": level, "method": row["method"],
        "n": count(row["n"]) if "n" in row else "",
        "value": NOT_SHOWN if told and "error" not in row else _value(row),
    }  # fmt: skip


def _value(row: ResultRow) -> Markup:
    estimate = parse_estimate(row)
    estimate = Estimate(estimate.value, estimate.low, estimate.high, estimate.reason)
    name = row["measure"]
    if estimate.value is None:
        return measure(estimate)
    if name.startswith(POINTS) and estimate.has_interval:
        return points(estimate)
    if name in SHARES:
        share = with_interval(estimate.point, estimate.interval, lambda x: f"{100 * x:.1f} %")
        return Markup("{} of {}, {}").format(count(row["events"]), count(row["n"]), share)
    if name in WHOLE:
        return measure(estimate, 0)
    if name.endswith("p_value"):
        return with_interval(estimate.point, None, p_value)
    return measure(estimate, 2 if "ratio" in name else 1)


def efficacy_sentences(document: EfficacyDocument | None, labels: Labels) -> list[str]:
    """Return what is said of the comparison: by which plan, what is assumed, what is missing."""
    if document is None:
        return ["Not run."]
    plan = document["plan"]
    sentences = []
    if document["not_due"]:
        sentences.append(
            f"{document['not_due']:,} patients whose surgery is not yet due are in none of these figures."
        )
    if plan is None:
        arms = {row["group"] for row in document["rows"] if row["measure"] == "pcr"}
        alone = " Each is told by itself." if len(arms) > 1 else ""
        return [f"Arms are not compared: {document['reason']}.{alone}", *sentences]
    hypothesis = "no difference in pCR, two-sided"
    if plan["hypothesis"] == "non_inferiority":
        hypothesis = (
            f"a difference in pCR of {minus_points(plan['margin'])} points, the margin, one-sided. pCR is "
            "not event-free survival: an interval above the margin says nothing about less treatment"
        )
    strata = f"; strata: {', '.join(map(labels.name, plan['strata']))}" if plan["strata"] else "; no strata"
    source = "These are assumptions, not the protocol's." if plan["assumed"] else "As the protocol has it."
    first = f"Every arm against {labels.name(plan['reference'])}. Tested: {hypothesis}{strata}. {source}"
    if not plan["known_allocation"]:
        sentences.append(
            "The study file does not give the shares of the randomisation. Where they followed outcomes or "
            "changed over time, these differences are biased and their intervals too narrow."
        )
    if document["left_out"]:
        sentences.append(
            f"Not in the data, so left out: {', '.join(map(labels.name, document['left_out']))}."
        )
    return [first, *sentences]


def group_label(group: str, labels: Labels) -> str:
    """Return an arm, or one arm minus another, by their labels."""
    return " \N{MINUS SIGN} ".join(map(labels.name, group.split(" - ")))


def compared_label(group: str, labels: Labels) -> str:
    """Return an arm, or one arm against another: what is compared may be a difference, a ratio or a test."""
    return " against ".join(map(labels.name, group.split(" - ")))


def minus_points(margin: float) -> str:
    """Return a margin as a negative difference in percentage points."""
    return decimal(-100 * margin, 1)
