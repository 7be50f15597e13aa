"""Figures and statements of the study report, computed again from the tables of single patients.

Nothing of the pipeline computes here: the formulas are written out in pandas and numpy, from what they are
published as. A trace is one figure, one row of a table or one sentence, with all the numbers of it that
follow from patients (intervals by resampling do not). `python -m tests.page_traces artifacts/STUDY` prints
those that differ, also of the pages of landmarks (tests/page_traces_shap.py).
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from lxml import html

from tests.page_texts import NUMBER, plain
from tests.pages import specs

DRAWN = 6e-4
"""Charts hold four digits."""
Z = 1.959964


@dataclass(frozen=True)
class Trace:
    """Numbers of one place of a page, beside what they are by the tables; `error` of each is allowed."""

    name: str
    shown: tuple[float, ...]
    expected: tuple[float, ...]
    errors: tuple[float, ...]

    @property
    def holds(self) -> bool:
        """Whether the place shows as many numbers as were computed, each of them equal as it is rounded."""
        return len(self.shown) == len(self.expected) and all(
            abs(shown - expected) <= error * 1.001 + 1e-9
            for shown, expected, error in zip(self.shown, self.expected, self.errors, strict=True)
        )


def told(name: str, text: str, *expected: float, after: str = "") -> Trace:
    """Trace the first numbers of a text, those behind `after` if it is given."""
    found = list(NUMBER.finditer(plain(text).partition(after)[2] if after else plain(text)))
    found = found[: len(expected)]
    numbers, errors = [], []
    for match in found:
        digits = match["digits"].replace(",", "")
        numbers.append(float(digits) * (-1 if match["sign"] == "-" else 1))
        errors.append(
            0.5 * 10.0 ** -len(digits.partition(".")[2]) if "." in digits or match["percent"] else 0.5
        )
    return Trace(name, tuple(numbers), tuple(map(float, expected)), tuple(errors))


def drawn(name: str, shown: Sequence[float], expected: Sequence[float]) -> Trace:
    """Trace what a chart draws."""
    numbers = tuple(map(float, shown))
    return Trace(
        name, numbers, tuple(map(float, expected)), tuple(max(abs(n) * DRAWN, DRAWN / 10) for n in numbers)
    )


class Run:
    """A run's tables, its study file, and its pages."""

    def __init__(self, artifacts: Path, configs: Path) -> None:
        self.artifacts, self.configs = artifacts, configs
        self.study: dict[str, Any] = yaml.safe_load((configs / "study.yaml").read_text(encoding="utf-8"))
        pages = yaml.safe_load((configs / "report_pages.yaml").read_text(encoding="utf-8"))
        self.names: dict[str, str] = pages["labels"]["names"]
        self.words: dict[str, str] = pages["labels"]["words"]
        self.landmarks: list[str] = list(self.study["landmarks"])
        self.arms: list[str] = list(self.study["arms"])
        self.few: int = pages["privacy"]["min_cell_count"]
        self.cohort = self.read("cohort/cohort.parquet").set_index("usubjid")

    def read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.artifacts / name)

    def label(self, key: str) -> str:
        return self.names.get(key, key.replace("_", " "))

    def spelled(self, table: str) -> str:
        """Return the name of a raw table as pages write it."""
        return " ".join(self.words.get(word, word) for word in table.split("_"))

    def features(self, landmark: str) -> pd.DataFrame:
        """Return the features of the patients at risk at a landmark."""
        return self.read(f"features/{landmark}.parquet").set_index("usubjid")

    def seen(self, feature: str) -> pd.DataFrame:
        """Return the features at the first landmark that has this one."""
        return next(found for found in map(self.features, self.landmarks) if feature in found)

    def described(self, landmark: str) -> dict[str, dict[str, Any]]:
        text = (self.artifacts / f"features/{landmark}.json").read_text(encoding="utf-8")
        return {feature["name"]: feature for feature in json.loads(text)["features"]}

    def forecasts(self, landmark: str) -> pd.DataFrame:
        """Return the out-of-fold predictions with the patients' arm."""
        rows = self.read(f"predictions/{landmark}.parquet")
        return rows.assign(arm=rows["usubjid"].map(self.cohort["arm"]))

    def page(self, name: str) -> "Page":
        return Page(self.artifacts / "reports" / name)


class Page:
    """A page as a reader has it: tables by id and head of a row, and the charts."""

    def __init__(self, path: Path) -> None:
        self.root = html.document_fromstring(
            path.read_text(encoding="utf-8"), parser=html.HTMLParser(huge_tree=True)
        )
        self.path = path

    @cached_property
    def charts(self) -> dict[str, Any]:
        return specs(self.path)

    def rows(self, table: str) -> list[dict[str, str]]:
        """Return the rows of a table by the heads of its columns; the key of the row's feature is `key`."""
        heads = [plain(cell.text_content()) for cell in self.root.xpath(f"//table[@id='{table}']/thead/tr/*")]
        rows = []
        for row in self.root.xpath(f"//table[@id='{table}']/tbody/tr"):
            cells = dict(zip(heads, (plain(cell.text_content()) for cell in row), strict=True))
            links = row.xpath("./*[1]//@data-feature")
            titles = [title for title in row.xpath("./*[1]//@title") if title.endswith(")")]
            key = links[0] if links else titles[0].rpartition("(")[2][:-1] if titles else ""
            rows.append(
                cells | {"key": key, "level": "yes" if row.xpath("./*[1]//*[@class='level']") else ""}
            )
        return rows

    def row(self, table: str, head: str) -> dict[str, str]:
        return next(row for row in self.rows(table) if next(iter(row.values())) == head)

    def text(self, xpath: str) -> str:
        return plain(self.root.xpath(xpath)[0].text_content())


# ---- formulas


def wilson(events: float, n: float) -> tuple[float, float, float]:
    """Return a proportion and its score interval (Wilson, 1927)."""
    share, z2 = events / n, Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return share, middle - half, middle + half


def newcombe(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float, float]:
    """Return the first minus the second proportion (events, n) with method 10 of Newcombe (1998)."""
    (a, a_low, a_high), (b, b_low, b_high) = wilson(*first), wilson(*second)
    return (
        a - b,
        a - b - np.hypot(a - a_low, b_high - b),
        a - b + np.hypot(a_high - a, b - b_low),
    )


def auc(y: pd.Series, p: pd.Series) -> float:
    """Return the share of pairs that are in order, ties half."""
    n, events = len(y), y.sum()
    return float((p.rank()[y == 1].sum() - events * (events + 1) / 2) / (events * (n - events)))


def log_loss(y: pd.Series, p: pd.Series) -> float:
    return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean())


def brier(y: pd.Series, p: pd.Series) -> float:
    return float(((y - p) ** 2).mean())


def slope(y: pd.Series, p: pd.Series) -> float:
    """Return the coefficient of the log-odds in a logistic regression, by Newton's steps."""
    x = np.column_stack([np.ones(len(p)), np.log(p / (1 - p))])
    beta = np.array([0.0, 1.0])
    for _ in range(30):
        mean = 1 / (1 + np.exp(-x @ beta))
        beta = beta + np.linalg.solve((x.T * (mean * (1 - mean))) @ x, x.T @ (y - mean))
    return float(beta[1])


def o_e(y: pd.Series, p: pd.Series) -> float:
    return float(y.sum() / p.sum())


def over_repeats(rows: pd.DataFrame, model: str, measure: Callable[[pd.Series, pd.Series], float]) -> float:
    """Return the mean over the repeats of a measure of a model."""
    own = rows[rows["model"] == model]
    return float(np.mean([measure(part["y"], part["p"]) for _, part in own.groupby("repeat")]))


def difference(rows: pd.DataFrame, against: str, measure: Callable[[pd.Series, pd.Series], float]) -> float:
    return over_repeats(rows, "chosen", measure) - over_repeats(rows, against, measure)


def net_benefit(rows: pd.DataFrame, model: str, threshold: float, event: int) -> float:
    """Return the net benefit of acting where the probability of the event is at least the threshold."""

    def of(y: pd.Series, p: pd.Series) -> float:
        act = (p if event else 1 - p) >= threshold
        hit, false = ((act & (y == value)).mean() for value in (event, 1 - event))
        return float(hit - false * threshold / (1 - threshold))

    return over_repeats(rows, model, of)


def quartiles(values: pd.Series) -> tuple[float, float, float]:
    """Return median, lower and upper quartile of the known values."""
    known = np.sort(values.dropna().to_numpy(dtype=float))
    return tuple(
        float(np.interp(q * (len(known) - 1), np.arange(len(known)), known)) for q in (0.5, 0.25, 0.75)
    )  # type: ignore[return-value]


def percent(*shares: float) -> tuple[float, ...]:
    return tuple(100 * share for share in shares)


# ---- all pages


def traces(run: "Run") -> Iterator[Trace]:
    """Yield the traces of all pages of a run of a study with rules and two arms, such as the default one."""
    from tests.page_traces_models import model_traces  # noqa: PLC0415 - they stand on this module
    from tests.page_traces_patients import patient_traces  # noqa: PLC0415
    from tests.page_traces_shap import shap_traces  # noqa: PLC0415

    first = run.page("index.html")
    yield from patient_traces(run, first)
    yield from model_traces(run, first)
    for landmark in run.landmarks:
        yield from shap_traces(run, run.page(f"shap-{landmark}.html"), landmark)


def main() -> None:
    """Print the traces that do not hold, and how many do; end with 1 if one does not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifacts", type=Path, help="artifacts/<study>, with reports/")
    parser.add_argument("configs", type=Path, nargs="?", default=Path("configs"))
    given = parser.parse_args()
    found = list(traces(Run(given.artifacts, given.configs)))
    wrong = [trace for trace in found if not trace.holds]
    for trace in wrong:
        sys.stdout.write(f"{trace.name}: shown {trace.shown}, computed {trace.expected}\n")
    sys.stdout.write(f"{len(found) - len(wrong)} of {len(found)} figures and statements hold\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
