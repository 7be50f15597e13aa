"""What the study report says of models, computed again from their predictions: tests/page_traces.py."""

from collections.abc import Iterator

import pandas as pd

from tests.page_traces import (
    Page,
    Run,
    Trace,
    auc,
    brier,
    difference,
    drawn,
    log_loss,
    net_benefit,
    o_e,
    over_repeats,
    percent,
    slope,
    told,
)
from tests.pages import table_of

FORECASTS = {"Model": "chosen", "Rules": "rules", "Small model, rules' inputs": "rule_inputs"}
BESIDE = {"model": "chosen", "rules": "rules", "rules' inputs": "rule_inputs"}


def model_traces(run: Run, page: Page) -> Iterator[Trace]:
    """Yield the traces of the sections on models."""
    yield from _glance(run, page)
    yield from _primary(run, page)
    yield from _landmarks(run, page)
    yield from _curves(run, page)
    yield from _domains(run, page)
    yield from _subgroups(run, page)


def _counts(rows: pd.DataFrame) -> tuple[int, int]:
    one = rows.drop_duplicates("usubjid")
    return len(one), int(one["y"].sum())


def _glance(run: Run, page: Page) -> Iterator[Trace]:
    primary = run.study["primary"]
    rows = run.forecasts(primary["landmark"])
    own = rows[rows["arm"] == primary["arm"]]
    terms = page.root.xpath("(//section[@id='glance']//dl)[2]/dt")
    for term in terms:
        name = term.text_content().strip()
        yield told(
            f"at a glance: AUC, {name}",
            term.getnext().text_content(),
            over_repeats(own, FORECASTS[name], auc),
        )
    points = table_of(page.charts["auc-landmarks"], "forecast")
    for landmark in run.landmarks:
        here = points[points["landmark"] == run.label(landmark)]
        rows = run.forecasts(landmark)
        expected = [
            x for name in here["forecast"] for x in (over_repeats(rows, FORECASTS[name], auc), *_counts(rows))
        ]
        yield drawn(f"AUC drawn: {landmark}", here[["value", "n", "events"]].to_numpy().ravel(), expected)


def _primary(run: Run, page: Page) -> Iterator[Trace]:
    primary = run.study["primary"]
    rows = run.forecasts(primary["landmark"])
    own = rows[rows["arm"] == primary["arm"]]
    box = "//section[@id='primary']//div[@class='primary']"
    yield told(
        "primary comparison", page.text(f"{box}/p[@class='result']"), difference(own, "rules", log_loss)
    )
    beside = page.text(f"{box}/p[contains(., 'small model')]")
    yield told(
        "primary, minus rules' inputs", beside, difference(own, "rule_inputs", log_loss), after="inputs:"
    )
    for figure, against in (("differences", "rules"), ("differences-inputs", "rule_inputs")):
        bars = table_of(page.charts[figure], "value")
        for bar in bars.itertuples():
            part = _part(run, *bar.label.removesuffix(" (primary)").split(": "))[1]
            yield drawn(
                f"{figure} drawn: {bar.label}",
                [bar.value, bar.n, bar.events],
                [difference(part, against, log_loss), *_counts(part)],
            )
    for row in page.rows("differences-table"):
        landmark, part = _part(run, row["Landmark"], row["Patients"].removesuffix(" (primary)"))
        name = f"differences: {landmark}, {row['Patients']}"
        yield told(name, f"{row['n']} | {row['pCR']}", *_counts(part))
        for head, measure in (("Log loss", log_loss), ("AUC", auc), ("Brier", brier)):
            # A forecast that is the same for all has no AUC of its own.
            if "same forecast" not in row[head]:
                yield told(f"{name}, {head}", row[head], difference(part, "rules", measure))
        yield told(
            f"{name}, rules' inputs",
            row["Log loss, minus rules' inputs"],
            difference(part, "rule_inputs", log_loss),
        )


def _part(run: Run, landmark: str, group: str) -> tuple[str, pd.DataFrame]:
    key = next(key for key in run.landmarks if run.label(key) == landmark)
    rows = run.forecasts(key)
    arm = next((arm for arm in run.arms if run.label(arm) == group), None)
    return key, rows if arm is None else rows[rows["arm"] == arm]


def _landmarks(run: Run, page: Page) -> Iterator[Trace]:
    for landmark in run.landmarks:
        rows = run.forecasts(landmark)
        row = page.row("landmarks", run.label(landmark))
        n, events = _counts(rows)
        yield told(
            f"landmark {landmark}: patients", f"{row['n']} | {row['pCR']}", n, events, *percent(events / n)
        )
        for head, model in (
            ("AUC", "chosen"),
            ("AUC, rules", "rules"),
            ("AUC, rules' inputs", "rule_inputs"),
        ):
            yield told(f"landmark {landmark}: {head}", row[head], over_repeats(rows, model, auc))
        yield told(f"landmark {landmark}: Brier", row["Brier"], over_repeats(rows, "chosen", brier))
        yield told(f"landmark {landmark}: slope", row["Slope"], over_repeats(rows, "chosen", slope))
        notes = table_of(page.charts[f"calibration-{landmark}"], "note")["note"]
        ratio = next(note for note in notes if note.startswith("O:E"))
        yield told(f"calibration {landmark}: O:E", ratio, over_repeats(rows, "chosen", o_e), after="O:E ")
    for row in page.rows("accuracy-table"):
        rows = _part(run, row["Landmark"], "all arms")[1]
        for head, measure in (("Log loss", log_loss), ("Brier", brier)):
            name = f"accuracy: {row['Landmark']}, {row['Forecast']}, {head}"
            yield told(name, row[head], over_repeats(rows, BESIDE[row["Forecast"]], measure))


def _curves(run: Run, page: Page) -> Iterator[Trace]:
    for landmark in run.landmarks:
        rows = run.forecasts(landmark)
        y = rows.drop_duplicates("usubjid")["y"]
        for decision, event in (("de-escalation", 1), ("escalation", 0)):
            curve = table_of(page.charts[f"benefit-{decision}-{landmark}"], "threshold")
            for strategy, model in BESIDE.items():
                part = curve[curve["strategy"] == strategy].iloc[::4]
                expected = [net_benefit(rows, model, t, event) for t in part["threshold"]]
                if len(part):
                    yield drawn(f"{decision} {landmark}: {strategy}", part["value"], expected)
            part = curve[curve["strategy"] == "treat all"]
            share, odds = (y == event).mean(), part["threshold"] / (1 - part["threshold"])
            yield drawn(f"{decision} {landmark}: treat all", part["value"], share - (1 - share) * odds)


def _domains(run: Run, page: Page) -> Iterator[Trace]:
    bars = table_of(page.charts["domains-added"], "value").set_index("label")
    for landmark in run.landmarks:
        rows = run.read(f"domains/{landmark}.parquet")
        domains = list(dict.fromkeys(each["domain"] for each in run.described(landmark).values()))
        order = ["+".join(domains[: i + 1]) for i in range(len(domains) - 1)] + ["all"]
        pairs = dict(zip(order[1:], order, strict=False))
        for domain, (more, less) in zip(domains[1:], pairs.items(), strict=True):
            words = " + ".join(map(run.label, less.split("+")))
            label = f"{run.label(landmark)}: {run.label(domain)} to {words}"
            apart = over_repeats(rows, more, auc) - over_repeats(rows, less, auc)
            yield drawn(f"domains drawn: {label}", [bars.loc[label, "value"]], [apart])
        for domain in domains[:-1]:
            label = f"{run.label(landmark)}: {run.label(domain)} to all others"
            apart = over_repeats(rows, "all", auc) - over_repeats(rows, f"without {domain}", auc)
            yield drawn(f"domains drawn: {label}", [bars.loc[label, "value"]], [apart])


def _subgroups(run: Run, page: Page) -> Iterator[Trace]:
    for landmark in run.landmarks:
        values, rows = run.features(landmark), run.forecasts(landmark)
        groups = {
            "HR: negative": values["hr"] == "neg", "HR: positive": values["hr"] == "pos",
            "nodes: negative": values["cn"] == "N0", "nodes: positive": values["cn"] != "N0",
            "age: below 50": values["age_years"] < 50, "age: from 50": values["age_years"] >= 50,
            **{f"arm: {run.label(arm)}": values["arm"] == arm for arm in run.arms},
        }  # fmt: skip
        for row in page.rows(f"subgroups-{landmark}"):
            if row["Subgroup"] not in groups:
                continue
            member = groups[row["Subgroup"]]
            part = rows[rows["usubjid"].isin(member[member].index)]
            n, events = _counts(part)
            name = f"subgroup {landmark}, {row['Subgroup']}"
            if "shown" not in row["n"] + row["pCR"] and "<" not in row["n"] + row["pCR"]:
                yield told(f"{name}: patients", f"{row['n']} | {row['pCR']}", n, events)
            if "few" not in row["AUC"]:
                yield told(f"{name}: AUC", row["AUC"], over_repeats(part, "chosen", auc))
                ratio = row["Observed over expected"]
                yield told(f"{name}: O:E", ratio, over_repeats(part, "chosen", o_e))
    yield from _centres(run, page)


def _centres(run: Run, page: Page) -> Iterator[Trace]:
    if "centres-auc" not in page.charts:
        return
    rows = run.forecasts(run.study["primary"]["landmark"])
    site = rows["usubjid"].map(run.cohort["siteid"])
    bars = table_of(page.charts["centres-auc"], "value").dropna(subset="n")
    for bar in bars.itertuples():
        part = rows[site == bar.label.partition(" (")[0]]
        yield drawn(
            f"centre drawn: {bar.label}",
            [bar.value, bar.n, bar.events],
            [over_repeats(part, "chosen", auc), *_counts(part)],
        )
