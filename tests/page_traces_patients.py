"""What the study report says of patients, computed again from their tables: tests/page_traces.py."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tests.page_traces import Page, Run, Trace, Z, drawn, newcombe, percent, quartiles, told, wilson
from tests.pages import table_of

UNLOGGED = {
    "log10 fraction": lambda x: 100 * 10.0**x,
    "log10 molecules/mL": lambda x: 10.0**x,
    "log1p cc": np.expm1,
}


def patient_traces(run: Run, page: Page) -> Iterator[Trace]:
    """Yield the traces of the sections on patients."""
    yield from _who(run, page)
    yield from _flow(run, page)
    yield from _table_one(run, page)
    yield from _arms(run, page)
    yield from _groups(run, page)
    yield from _courses(run, page)
    yield from _single(run, page)
    yield from _measured(run, page)
    yield from _branches(run, page)
    yield from _events(run, page)


def _who(run: Run, page: Page) -> Iterator[Trace]:
    people = run.cohort
    sizes = people["arm"].value_counts()
    yield told(
        "at a glance: who",
        page.text("//section[@id='glance']//h3[1]/following-sibling::p[1]"),
        len(people), *(sizes[arm] for arm in run.arms), (people["outcome"] == 1).sum(),
        people["outcome"].isna().sum(),
    )  # fmt: skip
    counts = {arm: ((people["arm"] == arm) & (people["outcome"] == 1)).sum() for arm in run.arms}
    terms = [page.text(f"(//section[@id='glance']//dl[1]/dd)[{i}]") for i in (1, 2, 3)]
    for arm, text in zip(run.arms, terms, strict=False):
        share = percent(*wilson(counts[arm], sizes[arm]))
        yield told(f"at a glance: pCR, {arm}", text, counts[arm], sizes[arm], *share)
    control, adaptive = ((counts[arm], sizes[arm]) for arm in run.arms)
    yield told("at a glance: difference", terms[2], *percent(*newcombe(adaptive, control)))


def _flow(run: Run, page: Page) -> Iterator[Trace]:
    people = run.cohort
    steps = {"Randomised patients": people["arm"].notna(), "pCR": people["outcome"] == 1}
    steps |= {f"Eligible for {run.study['study'].upper()}": people["eligible"]}
    steps |= {f"At risk, {run.label(name)}": people[f"at_risk_{name}"] for name in run.landmarks}
    boxes = table_of(page.charts["flow-chart"], "step")
    for head, inside in steps.items():
        row = page.row("flow", head)
        counts = [inside.sum(), *(inside[people["arm"] == arm].sum() for arm in run.arms)]
        yield told(
            f"flow: {head}", " | ".join([row["All"], *(row[run.label(arm)] for arm in run.arms)]), *counts
        )
        shown = boxes[boxes["step"] == head].set_index("arm")["n"]
        if len(shown):
            yield drawn(
                f"flow diagram: {head}", shown[[run.label(arm) for arm in run.arms]].tolist(), counts[1:]
            )


def _table_one(run: Run, page: Page) -> Iterator[Trace]:
    first = run.landmarks[0]
    values, about = run.features(first), run.described(first)
    groups = [values, *(values[values["arm"] == arm] for arm in run.arms)]
    heads = [head for head in page.rows("table-one")[0] if "(n =" in head]
    feature = ""
    for row in page.rows("table-one"):
        feature = row["key"] or feature
        parts = [group[feature] for group in groups]
        if about[feature]["kind"] == "numeric":
            undo = UNLOGGED.get(about[feature]["unit"], lambda x: x)
            told_of = [part for part in parts if part.notna().sum() >= run.few]
            expected = [number for part in told_of for number in quartiles(undo(part))]
            text = " | ".join(row[head] for head in heads if row[head][0].isdigit() or row[head][0] == "-")
            yield told(f"table one: {feature}", text, *expected)
            if row["SMD"]:
                yield told(f"table one: SMD of {feature}", row["SMD"], _smd(parts[1], parts[2]))
        elif row["level"] and not any("shown" in row[head] or "<" in row[head] for head in heads):
            levels = {run.label(level): level for level in about[feature]["levels"]}
            names = row["Feature"].removeprefix("other: ").split(", ")
            if not set(names) <= set(levels):
                continue
            members = [levels[name] for name in names]
            counts = [part.isin(members).sum() for part in parts]
            known = [part.notna().sum() for part in parts]
            expected = [x for n, of in zip(counts, known, strict=True) for x in (n, *percent(n / of))]
            yield told(
                f"table one: {feature}, {row['Feature']}", " | ".join(row[h] for h in heads), *expected
            )


def _smd(first: pd.Series, second: pd.Series) -> float:
    return float(abs(first.mean() - second.mean()) / np.sqrt((first.var() + second.var()) / 2))


def _arms(run: Run, page: Page) -> Iterator[Trace]:
    people = run.cohort
    sets = {
        "all, as randomised; a missing outcome is non-pCR": people,
        "with a known outcome": people[people["outcome"].notna()],
        "eligible; a missing outcome is non-pCR": people[people["eligible"]],
    }
    for head, members in sets.items():
        row = page.row("efficacy-response", head)
        for arm in run.arms:
            own = members[members["arm"] == arm]
            events = (own["outcome"] == 1).sum()
            expected = (events, len(own), *percent(*wilson(events, len(own))))
            yield told(f"pCR by arm: {head}, {arm}", row[run.label(arm)], *expected)
    (c, m), (a, n) = (
        ((people["arm"] == arm) & (people["outcome"] == 1), people["arm"] == arm) for arm in run.arms
    )
    c, m, a, n = (int(x.sum()) for x in (c, m, a, n))
    rows = {(row["What"], row["Method"]): row["Estimate"] for row in page.rows("efficacy-differences")}
    yield told(
        "arms: risk difference", rows["difference, points", "Newcombe"], *percent(*newcombe((a, n), (c, m)))
    )
    for what, method, ratio, error in (
        ("risk ratio", "Katz", (a / n) / (c / m), np.sqrt(1 / a - 1 / n + 1 / c - 1 / m)),
        (
            "odds ratio",
            "Woolf",
            a * (m - c) / (c * (n - a)),
            np.sqrt(1 / a + 1 / (n - a) + 1 / c + 1 / (m - c)),
        ),
    ):
        ends = (ratio * np.exp(-Z * error), ratio * np.exp(Z * error))
        yield told(f"arms: {what}", rows[what, method], ratio, *ends)
    surgery = run.read("raw/surgery.parquet").set_index("usubjid")
    classes = surgery["rcb_class"][surgery["rcb_class"].notna() & (surgery["performed"] == "Y")]
    for row in page.rows("efficacy-burden"):
        arm = next((key for key in run.arms if run.label(key) == row["Arm or arms"]), None)
        if row["What"] != "residual cancer burden" or arm is None or "few" in row["Estimate"]:
            continue
        own = classes[classes.index.map(people["arm"]) == arm]
        count = int((own == row["Of"].removeprefix("RCB ")).sum())
        yield told(
            f"RCB: {arm}, {row['Of']}", row["Estimate"], count, len(own), *percent(*wilson(count, len(own)))
        )


def _groups(run: Run, page: Page) -> Iterator[Trace]:
    values = run.features(run.landmarks[0])
    groups = {
        "HR: negative": values["hr"] == "neg", "HR: positive": values["hr"] == "pos",
        "nodes: negative": values["cn"] == "N0", "nodes: positive": values["cn"] != "N0",
    }  # fmt: skip
    for row in page.rows("efficacy-groups"):
        arm = next((key for key in run.arms if run.label(key) == row["Arm or arms"]), None)
        if row["What"] == "pCR" and arm and row["Of"] in groups and "few" not in row["Estimate"]:
            own = run.cohort.loc[groups[row["Of"]][groups[row["Of"]]].index]
            own = own[own["arm"] == arm]
            events = (own["outcome"] == 1).sum()
            expected = (events, len(own), *percent(*wilson(events, len(own))))
            yield told(f"pCR by group: {arm}, {row['Of']}", row["Estimate"], *expected)


def _courses(run: Run, page: Page) -> Iterator[Trace]:
    outcome = run.cohort["outcome"].map({1.0: "pCR", 0.0: "no pCR"})
    families = {
        "Mean allele fraction of ctDNA, fixed panel": "ctdna_{}_vaf_mean_panel",
        "Tumour molecules in plasma, fixed panel": "ctdna_{}_mtm_log10_panel",
        "Sum of target diameters": "imaging_{}_sum_mm",
        "Functional tumour volume (MRI)": "imaging_ftv_{}",
        "SUVmax (PET)": "imaging_suvmax_{}",
    }
    for figure, spec in page.charts.items():
        if not figure.startswith("course-"):
            continue
        family = next(
            name
            for key, name in families.items()
            if spec["usermeta"]["about"]["scale"].casefold().startswith(key.casefold())
        )
        points = table_of(spec, "median")
        shown, expected = [], []
        for point in points.itertuples():
            visit = next(key for key in run.study["visits"] if run.label(key) == point.visit)
            values = run.seen(family.format(visit))
            arm, _, said = point.group.rpartition(", ") if ", " in point.group else ("", "", point.group)
            member = (values.index.map(outcome) == said) & (
                np.array([not arm or run.label(each) == arm for each in values["arm"]])
            )
            known = values.loc[member, family.format(visit)].dropna()
            shown += [point.n, point.median, point.q25, point.q75]
            unit = run.described(run.landmarks[-1])[family.format(visit)]["unit"]
            undo = UNLOGGED.get(unit, lambda x: x)
            expected += [len(known), *map(undo, quartiles(known))]
        yield drawn(f"over time: {family.format('visit')}", shown, expected)


def _single(run: Run, page: Page) -> Iterator[Trace]:
    """Yield what the titles of two figures of single patients count, at the last landmark of each patient."""
    latest = pd.concat([run.features(name).astype(object) for name in reversed(run.landmarks)])
    latest = latest[~latest.index.duplicated()]
    visits = [visit for visit in run.study["visits"] if f"imaging_{visit}_sum_change" in latest]
    best = latest[[f"imaging_{visit}_sum_change" for visit in visits]].astype(float).min(axis=1).dropna()
    title = "//figure[@id='figure-{}']//strong"
    if "waterfall-changes" in page.charts:
        text = page.text(title.format("waterfall-changes"))
        yield told("waterfall: title", text, 30, (best <= -0.3).sum(), len(best))
    if "fractions" in page.charts:
        expected: list[float] = []
        for visit in run.study["visits"]:
            if f"ctdna_{visit}_state" in latest:
                state = latest[f"ctdna_{visit}_state"]
                found = int((state == "positive").sum())
                expected += [found, found + int((state == "negative").sum())]
        yield told("fractions: title", page.text(title.format("fractions")), *expected)


def _measured(run: Run, page: Page) -> Iterator[Trace]:
    bars = table_of(page.charts["states"], "share")
    for label, part in bars.groupby("label", sort=False):
        what, _, group = label.partition(", ")
        domain, _, visit = what.partition(" ")
        key = next(key for key in run.study["visits"] if run.label(key) == visit)
        column = f"{domain.lower()}_{key}_state"
        values = run.seen(column)
        own = values if group == "all" else values[values["arm"].map(run.label) == group]
        shares = own[column].value_counts(normalize=True).rename(run.label)
        known = part[part["level"].isin(shares.index) & (part["share"] > 0)]
        yield drawn(f"states: {label}", known["share"].tolist(), shares[known["level"]].tolist())
    tables = {run.spelled(path.stem): path.stem for path in sorted((run.artifacts / "raw").glob("*.parquet"))}
    for row in page.rows("coverage"):
        raw = run.read(f"raw/{tables[row['Table']]}.parquet")
        if "usubjid" not in raw:
            raw = raw.merge(run.read("raw/ctdna_samples.parquet")[["sample_id", "usubjid", "visit"]])
        if row["Visit"] != "no visits":
            raw = raw[raw["visit"].map(run.label) == row["Visit"]]
        n = raw.loc[raw["usubjid"].isin(run.cohort.index), "usubjid"].nunique()
        if "<" not in row["Patients"] and "shown" not in row["Patients"]:
            yield told(
                f"rows: {row['Table']}, {row['Visit']}", row["Patients"], n, *percent(n / len(run.cohort))
            )
    last = run.landmarks[-1]
    for row in page.rows("missing-features"):
        if row["Landmark"] == run.label(last):
            share = run.features(last)[row["key"]].isna().mean()
            yield told(f"missing: {row['key']}", row["Missing"], *percent(share))


def _branches(run: Run, page: Page) -> Iterator[Trace]:
    decisions = run.read("rules/decisions.parquet")
    decisions = decisions[(decisions["arm"] == run.study["adaptive_arm"]) & decisions["at_risk"]]
    outcome = decisions["usubjid"].map(run.cohort["outcome"])
    bars = table_of(page.charts["branches"], "value").set_index("detail")
    for (node, branch), part in decisions.groupby(["node", "branch"]):
        path = " \N{RIGHTWARDS ARROW} ".join(branch.split(">"))
        row = page.row("branch-table", f"{run.label(node)}: {path}")
        if "few" in row["pCR"] or "<" in row["Patients"]:
            continue
        known = outcome[part.index].dropna()
        rate = wilson(known.sum(), len(known))
        yield told(f"branches: {node} {branch}, patients", row["Patients"], len(part))
        yield told(f"branches: {node} {branch}, pCR", row["pCR"], known.sum(), len(known), *percent(*rate))
        bar = bars.loc[f"{node}: {branch}"]
        yield drawn(f"branches drawn: {node} {branch}", [bar["value"], bar["low"], bar["high"]], rate)
    words = {"determined": "determined", "determined_despite_missing": "determined, some inputs missing"}
    for (node, status), n in decisions.groupby(["node", "status"]).size().items():
        said = words.get(str(status), str(status))
        row = next(
            row for row in page.rows("status-table")
            if row["Node"] == run.label(str(node)) and row["Answer"] == said
        )  # fmt: skip
        if "<" not in row["Patients"]:
            yield told(f"answers of the rules: {node}, {status}", row["Patients"], n)


def _events(run: Run, page: Page) -> Iterator[Trace]:
    adverse = run.read("raw/adverse_events.parquet")
    treated = run.cohort[run.cohort.index.isin(run.read("raw/exposure.parquet")["usubjid"])]
    kinds = {
        "Any event, grade 3 or more": adverse["grade"] >= 3,
        "Serious event": adverse["serious"] == "Y",
        "Diarrhoea, grade 3 or more": (adverse["term"] == "Diarrhoea") & (adverse["grade"] >= 3),
        "Stomatitis, any grade": adverse["term"].isin(["Stomatitis", "Mucositis oral"]),
    }
    bars = table_of(page.charts["toxicity-differences"], "value").set_index("label")
    for kind, rows in kinds.items():
        had = pd.Series(treated.index.isin(adverse.loc[rows, "usubjid"]), index=treated.index)
        shown = page.row("toxicity-arms", kind)
        counts = {
            arm: (int(had[treated["arm"] == arm].sum()), int((treated["arm"] == arm).sum()))
            for arm in run.arms
        }
        for arm, (events, n) in counts.items():
            if "few" not in shown[run.label(arm)]:
                expected = (events, n, *percent(*wilson(events, n)))
                yield told(f"events: {kind}, {arm}", shown[run.label(arm)], *expected)
        if kind in bars.index:
            apart = percent(*newcombe(counts[run.arms[1]], counts[run.arms[0]]))
            yield told(f"events: {kind}, difference", shown["Difference, points"], *apart)
            yield drawn(f"events drawn: {kind}", bars.loc[kind, ["value", "low", "high"]].tolist(), apart)
