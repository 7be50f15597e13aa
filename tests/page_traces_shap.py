"""What a landmark's page says of contributions, computed again from the SHAP values: tests/page_traces.py."""

import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import yaml

from tests.page_traces import (
    Page,
    Run,
    Trace,
    auc,
    brier,
    drawn,
    log_loss,
    over_repeats,
    percent,
    slope,
    told,
)
from tests.pages import table_of

MEASURES = {"AUC": auc, "Brier": brier, "Log loss": log_loss, "Slope": slope}


class Explained:
    """The contributions at a landmark, with the values, the arm and the branch of each row's patient."""

    def __init__(self, run: Run, landmark: str) -> None:
        self.about = run.described(landmark)
        self.rows = run.read(f"shap/{landmark}.parquet")
        self.shap = self.rows[list(self.about)]
        self.measured = run.features(landmark).loc[self.rows["usubjid"]].reset_index(drop=True)
        self.arm = self.rows["usubjid"].map(run.cohort["arm"])
        branches = run.read(f"rules/{landmark}.parquet").set_index("usubjid")
        self.branch = (
            self.rows["usubjid"].map(branches["protocol_branch"]) if "protocol_branch" in branches else None
        )
        self.model = str(self.rows["model"].iloc[0])

    def domain(self, name: str) -> pd.Series:
        """Return the summed contributions of a domain's features."""
        return self.shap[[key for key, each in self.about.items() if each["domain"] == name]].sum(axis=1)

    @property
    def domains(self) -> list[str]:
        return list(dict.fromkeys(each["domain"] for each in self.about.values()))


def shap_traces(run: Run, page: Page, landmark: str) -> Iterator[Trace]:
    """Yield the traces of a landmark's page."""
    here = Explained(run, landmark)
    for trace in (
        *_explained(run, page, here, landmark),
        *_sizes(page, here),
        *_themes(run, page, here),
        *_directions(run, page, here),
        *_splits(page, here),
        *_inputs(page, here, landmark, run),
        *_patients(run, page, here, landmark),
    ):
        yield Trace(f"{landmark}: {trace.name}", trace.shown, trace.expected, trace.errors)


def _explained(run: Run, page: Page, here: Explained, landmark: str) -> Iterator[Trace]:
    rows = run.forecasts(landmark)
    one = rows.drop_duplicates("usubjid")
    text = page.text("//section[@id='explained']//dt[.='Patients']/following-sibling::dd[1]")
    yield told("who is explained", text, len(one), one["y"].sum(), *percent(one["y"].mean()))
    table = page.root.xpath("//section[@id='explained']//table")[0]
    heads = [cell.text_content().strip() for cell in table.xpath("./thead/tr/*")]
    models = {"Explained": here.model, "Whole": "chosen", "Rules": "rules", "Small": "rule_inputs"}
    for row in table.xpath("./tbody/tr"):
        cells = dict(zip(heads, (cell.text_content().strip() for cell in row), strict=True))
        model = models[re.split(r"[: ]", cells["Model"])[0]]
        for head, measure in MEASURES.items():
            if "computable" not in cells[head]:
                yield told(f"{cells['Model']}: {head}", cells[head], over_repeats(rows, model, measure))


def _sizes(page: Page, here: Explained) -> Iterator[Trace]:
    sums = {name: here.domain(name).abs().mean() for name in here.domains}
    bars = table_of(page.charts["domain-shares"], "share").set_index("domain")["share"]
    for row in page.rows("domains"):
        name = next((key for key in sums if key.lower() == row["Domain"].lower()), None)
        if name:
            share = sums[name] / sum(sums.values())
            yield told(f"share of {name}", row["Share"], *percent(share))
            yield drawn(f"share drawn of {name}", [bars[row["Domain"]]], [share])
    sizes = here.shap.abs().mean()
    ranking = table_of(page.charts["ranking"], "mean_abs")
    yield drawn("ranking drawn", ranking["mean_abs"], sizes[ranking["key"]])
    for row in page.rows("stability"):
        if "not used" not in row["Mean |contribution|"]:
            rank = 1 + (sizes > sizes[row["key"]]).sum()
            yield told(f"size of {row['key']}", row["Mean |contribution|"], sizes[row["key"]])
            yield told(f"rank of {row['key']}", row["Rank"], rank)
    links = page.root.xpath("//table[@id='clusters']/tbody/tr")
    for row, cells in zip(links, page.rows("clusters") if links else [], strict=True):
        names = [str(name) for name in row.xpath("./*[1]//@data-feature")]
        together = here.shap[names].sum(axis=1).abs().mean()
        yield told(f"cluster of {names[0]}", cells["Together"], together)
        yield told(f"cluster of {names[0]}, apart", cells["Sum of each alone"], sizes[names].sum())
    if "beeswarm" in page.charts:
        points = table_of(page.charts["beeswarm"], "contribution")
        first = here.rows[here.rows["repeat"] == 0].sort_values("usubjid")
        label = {row["Feature"]: row["key"] for row in page.rows("stability")}
        for name, part in points.groupby("feature", sort=False):
            if len(part) == len(first):
                yield drawn(f"beeswarm of {label[name]}", part["contribution"], first[label[name]])


def _themes(run: Run, page: Page, here: Explained) -> Iterator[Trace]:
    members = {
        row.xpath("./strong")[0].text_content(): [str(name) for name in row.xpath(".//@data-feature")]
        for row in page.root.xpath("//section[@id='biology']//details//li")
    }
    said = {
        row.xpath("./strong")[0].text_content(): row.text_content()
        for row in page.root.xpath("//section[@id='biology']/ul[@class='themes']/li")
    }
    bars = table_of(page.charts["themes"], "mean_abs").set_index("label")["mean_abs"]
    for row in page.rows("themes-table"):
        names = members[row["Theme"]]
        sums = here.shap[names].sum(axis=1)
        size = sums.abs().mean()
        if size:
            yield told(f"theme {row['Theme']}", row["Mean |contribution|"], size)
        yield drawn(f"theme drawn, {row['Theme']}", [bars[row["Theme"]]], [size])
        if " by 0." in said.get(row["Theme"], ""):
            yield told(f"sentence on {row['Theme']}", said[row["Theme"]], size, after="log-odds of pCR by")
        groups = {"HR: negative": here.measured["hr"] == "neg", "HR: positive": here.measured["hr"] == "pos"}
        groups |= {f"Arm: {run.label(arm)}": here.arm == arm for arm in run.arms}
        for head, text in row.items():
            if head.partition(" (")[0] in groups or head.rpartition(" (n")[0] in groups:
                member = groups[head.rpartition(" (n")[0]]
                yield told(f"theme {row['Theme']}, {head}", text, sums[member.to_numpy()].mean())


def _directions(run: Run, page: Page, here: Explained) -> Iterator[Trace]:
    text = (run.artifacts / f"shap/{page.path.stem.removeprefix('shap-')}.json").read_text(encoding="utf-8")
    order = json.loads(text)["directions"]
    expected = yaml.safe_load((run.configs / "explanation.yaml").read_text(encoding="utf-8"))["expected"]
    levels = {each["name"]: each for each in expected}
    for row, stored in zip(page.rows("plausibility"), order, strict=True):
        if "not used" in row["Observed (log-odds)"]:
            continue
        name = stored["feature"]
        first, second = _sides(here.measured[name], levels[stored["name"]])
        shap = here.shap[name].to_numpy()
        apart = shap[first].mean() - shap[second].mean()
        yield told(f"direction of {stored['name']}, {name}", row["Observed (log-odds)"], apart)


def _sides(values: pd.Series, expectation: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return who is in the first and who in the second group: levels, or the thirds of a number."""
    if "of" in expectation:
        return tuple(values.isin(expectation[side]).to_numpy() for side in ("of", "against"))  # type: ignore[return-value]
    known = values.astype(float)
    low, high = np.nanquantile(known, 1 / 3), np.nanquantile(known, 2 / 3)
    lower = (known <= low).to_numpy()
    return (known >= high).to_numpy() & ~lower, lower


def _splits(page: Page, here: Explained) -> Iterator[Trace]:
    for kind, groups in (("arm", here.arm), ("branch", here.branch)):
        if f"split-{kind}" not in page.charts or groups is None:
            continue
        parts = table_of(page.charts[f"split-{kind}"], "mean_abs")
        for key, part in parts.groupby("key"):
            inside = (groups == key).to_numpy()
            sums = {name.lower(): here.domain(name)[inside].abs().mean() for name in here.domains}
            expected = [sums[domain.lower()] for domain in part["domain"]]
            n = here.rows.loc[inside, "usubjid"].nunique()
            yield drawn(f"split by {kind}: {key}", [*part["mean_abs"], part["n"].iloc[0]], [*expected, n])


def _inputs(page: Page, here: Explained, landmark: str, run: Run) -> Iterator[Trace]:
    at_risk = run.features(landmark)
    for row in page.rows("inputs"):
        yield told(f"missing, {row['key']}", row["Missing"], *percent(at_risk[row["key"]].isna().mean()))


def _patients(run: Run, page: Page, here: Explained, landmark: str) -> Iterator[Trace]:
    found = page.root.xpath("//script[@id='data']")[0].text
    data = json.loads(found)
    if "ids" not in data:
        return
    rows = run.forecasts(landmark)
    own = rows[rows["model"] == here.model]
    first = own[own["repeat"] == 0].set_index("usubjid").loc[data["ids"]]
    yield drawn("patients: prediction", data["p"], first["p"])
    yield drawn("patients: outcome", data["y"], first["y"])
    spread = own.groupby("usubjid")["p"].agg(["min", "max"]).loc[data["ids"]]
    yield drawn("patients: lowest and highest prediction", [*data["p_low"], *data["p_high"]],
                [*spread["min"], *spread["max"]])  # fmt: skip
    base = here.rows[here.rows["repeat"] == 0].set_index("usubjid")["base"]
    yield drawn("patients: base value", data["base"], base[data["ids"]])
