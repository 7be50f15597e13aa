"""Every number that a page shows rounds a row of the record, or is a setting: what is neither is named.

Where a number stands narrows down which rows may be meant: its section the files, its table row and column
the landmark, arm and feature. A value with an interval must be one row with all three. In
tests/spec/page_numbers.yaml stands which files a section tells of, which settings, and which numbers are
neither, with the reason. `python -m tests.page_numbers artifacts/STUDY` looks at the pages of a run.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
import yaml
from lxml import html

from pipeline import wording
from pipeline.project.settings import read_settings
from pipeline.record.rows import record
from pipeline.report.gates import Criteria
from tests.page_texts import NUMBER, Shown, plain, texts

ROOT = Path(__file__).parents[1]
PLACES: dict[str, Any] = yaml.safe_load((ROOT / "tests/spec/page_numbers.yaml").read_text(encoding="utf-8"))
INTERVAL = re.compile(r"\(([-+]?[\d.,]+)(?: %)? to ([-+]?[\d.,]+)(?: %)?\)")
NUMBER_IN_NAME = re.compile(r"@([\d.]+)")
COLUMNS = ("value", "low", "high", "n", "events")
NAMES = ("landmark", "population", "model", "group", "part", "measure")


@dataclass(frozen=True)
class Untraced:
    """A number that is in no row, with the text that has it."""

    number: str
    shown: Shown = field(repr=False)

    def __str__(self) -> str:
        """Return the number with the sentence, its section and table, and the head of its row."""
        place = " ".join(filter(None, (self.shown.section, self.shown.table, self.shown.beside)))
        return f"{self.number} in [{place}] {self.shown.text[:160]}"


@cache
def said() -> str:
    """Return what templates, wording, labels and checklists say in every run, as one text."""
    parts = [str(value) for name, value in vars(wording).items() if name.isupper()]
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - nothing is rendered
    for path in sorted((ROOT / "pipeline/report/templates").glob("*.j2")):
        kept = [
            text
            for _, kind, text in environment.lex(path.read_text(encoding="utf-8"))
            if kind in {"data", "string"}
        ]
        parts += [re.sub(r"<[^>]+>", "", part) for part in kept]
    for name in PLACES["texts"]:
        for path in sorted(ROOT.glob(name)):
            parts += _strings(yaml.safe_load(path.read_text(encoding="utf-8")))
    return plain(html.fromstring(f"<p>{' | '.join(parts).replace('<', '&lt;')}</p>").text_content())


def _strings(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for key, part in content.items():
            yield str(key)
            yield from _strings(part)
    elif isinstance(content, list):
        for part in content:
            yield from _strings(part)


class Tracer:
    """The record of a run as the numbers of its pages are looked up in it.

    Parameters
    ----------
    artifacts : Path
        artifacts/<study>.
    configs : Path
        The configurations that the run was made with.
    """

    def __init__(self, artifacts: Path, configs: Path) -> None:
        study = yaml.safe_load((configs / "study.yaml").read_text(encoding="utf-8"))
        names = yaml.safe_load((configs / "report_pages.yaml").read_text(encoding="utf-8"))["labels"]["names"]
        self.landmarks = list(study["landmarks"])
        self.labels = {
            key: names.get(key, key.replace("_", " ")) for key in (*self.landmarks, *study["arms"])
        }
        criteria = read_settings(Criteria, configs / "gates.yaml")
        self.rows = with_other_intervals(record(artifacts, "", self.landmarks, 0.95, {}, "", criteria))
        self.names = self.rows[[*NAMES]].agg(" | ".join, axis=1)
        self.settings = sorted(
            {
                float(number)
                for file, keys in PLACES["settings"].items()
                for key in keys
                for number in _numbers_at(
                    yaml.safe_load((configs / file).read_text(encoding="utf-8")), key.split(".")
                )
            }
        )
        parts = {part for names in self.names.unique() for part in names.split(" | ")}
        self.themes = {
            part.removeprefix("biology / ").partition(" / ")[0]
            for part in parts
            if part.startswith("biology / ")
        }
        self.own = plain(
            " | ".join(
                [
                    *_strings(study),
                    *sorted(parts),
                    *(part.replace("_", " ") for part in sorted(parts)),
                    *self.rows["error"].unique(),
                ]
            )
        )
        self.own += " | " + " | ".join(
            f"at {number} " for number in sorted(set(NUMBER_IN_NAME.findall(self.own)))
        )

    def untraced(self, page: str, name: str) -> tuple[list[Untraced], int]:
        """Return the numbers of a page (`index`, or a landmark) that are in no row, and how many it shows."""
        found, count = [], 0
        for shown in texts(page):
            missing, n = self._of(shown, name)
            found += [Untraced(number, shown) for number in missing]
            count += n
        return found, count

    def _of(self, shown: Shown, name: str) -> tuple[list[str], int]:
        numbers = [match for match in NUMBER.finditer(shown.text) if not self._is_said(match, shown)]
        if not numbers:
            return [], 0
        rows = self.rows[self._narrowed(shown, name)]
        missing: list[str] = []
        done: set[int] = set()
        for interval in INTERVAL.finditer(shown.text):
            inside = [match for match in numbers if interval.start() < match.start() < interval.end()]
            before = [match for match in numbers if match.end() <= interval.start()][-1:]
            if len(inside) == 2 and before and interval.start() - before[0].end() <= 1:
                three = [before[0], *inside]
                done |= {match.start() for match in three}
                if not _joint(rows, three).any():
                    missing.append(" ".join(match.group() for match in three))
        missing += [
            match.group()
            for match in numbers
            if match.start() not in done and not self._single(rows, match, shown)
        ]
        return missing, len(numbers)

    def unnoticed(self, page: str, name: str, step: int) -> tuple[list[Untraced], int]:
        """Change the last digit of every `step`-th number; return which pass for others, and of how many."""
        tried = [
            (shown, match)
            for shown in texts(page)
            for match in NUMBER.finditer(shown.text)
            if not self._is_said(match, shown)
        ][::step]
        missed = []
        for shown, match in tried:
            last = match.end("digits") - 1
            other = f"{shown.text[:last]}{(int(shown.text[last]) + 1) % 10}{shown.text[last + 1 :]}"
            if not self._of(replace(shown, text=other), name)[0]:
                missed.append(Untraced(match.group(), shown))
        return missed, len(tried)

    def _single(self, rows: pd.DataFrame, match: re.Match[str], shown: Shown) -> bool:
        points = "point" in f"{shown.text} {shown.beside}"
        return _any(rows, match, points=points) or any(
            _rounds(np.array([x]), match, scale).any()
            for x in self.settings
            for scale in _scales(match, points)
        )

    def _is_said(self, match: re.Match[str], shown: Shown) -> bool:
        for exempt in PLACES["exempt"]:
            here = exempt.get("section", shown.section) == shown.section and fnmatch(
                shown.table, exempt.get("table", "*")
            )
            if here and re.search(exempt.get("beside", ""), shown.beside):
                parts = re.finditer(exempt["text"], shown.text)
                if any(part.start() <= match.start() < part.end() for part in parts):
                    return True
        left = shown.text[: match.start()].split(" ")
        right = shown.text[match.end() :].split(" ")
        around = " ".join([*left[-2:-1], left[-1] + match.group() + right[0], *right[1:2]]).strip()
        return len(around) > len(match.group()) and (around in said() or around in self.own)

    def _narrowed(self, shown: Shown, name: str) -> np.ndarray:
        """Tell which rows may be meant: of the section's files, and of a table's row and column."""
        kept = self._of_section(shown.section, name)
        if (
            name != "index"
            and shown.table != "figure-themes-landmarks"
            and not shown.text.startswith(tuple(self.labels[x] for x in self.landmarks))
        ):
            kept = kept & self._at((name,))
        told = list(self._named_in(shown.beside))
        heads = shown.beside.split(" | ")
        at = tuple(
            key for key in told if key in self.landmarks and any(head == self.labels[key] for head in heads)
        )
        for inside in (
            *([self._at(at)] if at and name == "index" else []),
            *(self._naming(key) for key in told if key not in self.landmarks),
            *(self._naming(key) for key in shown.keys),
            *(
                self._naming(theme)
                for theme in self.themes
                if shown.section == "biology" and (heads[0] or shown.text).startswith(theme)
            ),
        ):
            # How many rows a list has belongs to each of them.
            if (kept & inside).any():
                kept = kept & (inside | (self.rows["measure"] == "number").to_numpy())
        return kept

    def _named_in(self, text: str) -> Iterator[str]:
        """Yield the landmarks and arms that a text names; "PTX T P" does not name the arm "PTX T"."""
        for key, label in sorted(self.labels.items(), key=lambda item: -len(item[1])):
            if _has_words(label, text):
                yield key
                text = text.replace(label, "")

    @cache  # noqa: B019 - a tracer lives as long as a test
    def _of_section(self, section: str, name: str) -> np.ndarray:
        places = PLACES["pages"]["index" if name == "index" else "shap"][section]
        patterns = [pattern.format(landmark=name) for pattern in places]
        files = [file for file in self.rows["file"].unique() if any(fnmatch(file, each) for each in patterns)]
        return self.rows["file"].isin(files).to_numpy()

    @cache  # noqa: B019
    def _at(self, landmarks: tuple[str, ...]) -> np.ndarray:
        return self.rows["landmark"].isin([*landmarks, ""]).to_numpy()

    @cache  # noqa: B019
    def _naming(self, key: str) -> np.ndarray:
        return self.names.str.contains(rf"(?<!\w){re.escape(key)}(?!\w)").to_numpy(dtype=bool)


def _has_words(words: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None


def with_other_intervals(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the record with a row for each further interval of a measure, such as the approximate one."""
    keys = ["file", "landmark", "model", "group", "measure"]
    ends = rows["measure"].str.extract(r"^(.*)\.(\w+)_(low|high)$")
    parts = rows.assign(measure=ends[0], kind=ends[1], end=ends[2]).dropna(subset="kind")
    if parts.empty:
        return rows
    wide = parts.pivot_table(index=[*keys, "kind"], columns="end", values="value").reset_index()
    own = rows.drop(columns=["low", "high"]).merge(wide, on=keys)
    return pd.concat([rows, own[[name for name in rows.columns if name in own]]], ignore_index=True)


def _numbers_at(content: Any, path: Sequence[str]) -> Iterator[float]:
    """Yield the numbers at a place of a configuration; ``*`` is every part of it."""
    if not path:
        yield from (
            [content] if isinstance(content, int | float) else content if isinstance(content, list) else []
        )
    elif isinstance(content, Mapping):
        for key in content if path[0] == "*" else [path[0]]:
            yield from _numbers_at(content.get(key), path[1:])


def _scales(match: re.Match[str], points: bool) -> tuple[float, ...]:
    return (100.0, 1.0) if match["percent"] or points else (1.0,)


def _rounds(values: np.ndarray, match: re.Match[str], scale: float) -> np.ndarray:
    """Tell which values round to a number as it is printed; an integer without % is one of them itself."""
    digits = match["digits"].replace(",", "")
    number = float(digits) * (-1 if match["sign"] == "-" else 1)
    decimals = len(digits.partition("e")[0].partition(".")[2])
    half = 0.5 * 10.0**-decimals
    if not decimals and scale == 1 and "e" not in digits:
        half = 1e-6
    if "e" in digits:
        half = 0.06 * abs(number)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values * scale - number) <= half * (1 + 1e-6))


def _any(rows: pd.DataFrame, match: re.Match[str], *, points: bool) -> bool:
    numbers = rows[[*COLUMNS]].to_numpy("float64")
    if any(_rounds(numbers, match, scale).any() for scale in _scales(match, points)):
        return True
    if not match["percent"]:
        return False
    value, _, _, n, events = numbers.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return any(_rounds(part / n, match, 100).any() for part in (value, events))


def _joint(rows: pd.DataFrame, three: Sequence[re.Match[str]]) -> np.ndarray:
    """Tell which rows have a value and its limits; quartiles are told to three digits of the largest."""
    numbers = rows[["value", "low", "high"]].to_numpy("float64")
    fits = np.zeros(len(rows), dtype=bool)
    for scale in (1.0, 100.0):
        each = [_rounded_beside(numbers[:, i], match, scale) for i, match in enumerate(three)]
        fits |= np.logical_and.reduce(each)
    return fits


def _rounded_beside(values: np.ndarray, match: re.Match[str], scale: float) -> np.ndarray:
    digits = match["digits"].replace(",", "")
    number = float(digits) * (-1 if match["sign"] == "-" else 1)
    decimals = len(digits.partition(".")[2])
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values * scale - number) <= 0.5 * 10.0**-decimals * (1 + 1e-6))


def untraced(artifacts: Path, configs: Path) -> tuple[list[str], int]:
    """Return the numbers of a study's pages that are in no row of its record, and how many all are."""
    tracer = Tracer(artifacts, configs)
    found, count = [], 0
    for path in sorted((artifacts / "reports").glob("*.html")):
        missing, shown = tracer.untraced(path.read_text(encoding="utf-8"), path.stem.removeprefix("shap-"))
        found += [f"{path.name}: {number}" for number in missing]
        count += shown
    return found, count


def main() -> None:
    """Print the numbers of a study's pages that are not in the record; end with 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifacts", type=Path, help="artifacts/<study>, with reports/")
    parser.add_argument("configs", type=Path, nargs="?", default=Path("configs"))
    given = parser.parse_args()
    found, count = untraced(given.artifacts, given.configs)
    print(*found, f"{count - len(found)} of {count} numbers are in the record", sep="\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
