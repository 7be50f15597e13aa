"""Predict pCR from a model document: the one file that predicts, in the pipeline and wherever it is served.

A registered model is three readable files: ``model.json`` (this module's *document*), ``booster.txt``
(LightGBM's own text, where boosting is used) and this file. It needs numpy and pandas, and LightGBM only for
a boosted model; it imports nothing of the project, reads nothing outside its folder and opens no connection.

`PcrModel` is the mathematics, which the pipeline uses too; `RowScorer` reads rows from strangers, refuses
what cannot be answered, and says what is unusual. A reason is a code, an input and a rule, never a value.

The answer is the probability of pCR under care as delivered in the patient's arm. It is not a treatment
recommendation.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, NotRequired, Required, TypedDict, TypeVar

import numpy as np
import pandas as pd

MODEL_FILES = ("model.json", "booster.txt", "serving.py")
OUTPUTS = [
    "pcr_probability", "lower", "upper", "status", "reasons", "protocol_branch", "protocol_status",
    "not_a_recommendation", "landmark", "model_version", "explanation",
]  # fmt: skip
OK, MISSING, UNLIKE, REJECTED = "ok", "missing_inputs", "out_of_support", "rejected"
INELIGIBLE = "ineligible"
_STATUSES = [OK, MISSING, UNLIKE, REJECTED, INELIGIBLE]
NO_DECISION, NOT_SUPPLIED = "no_decision_here", "inputs_not_supplied"
_EMPTY = frozenset(("", "nan", "NaN", "None", "NA", "<NA>"))
_LONGEST = 200
# Rows at once: arrays that stay in the processor's cache.
_AT_ONCE = 1024
_HERE = np.ones(1, dtype=bool)
_TWICE = "a column is given twice"
_CONTRIBUTIONS = 5
# Of an assay that are standardised at once: what the processor's cache holds.
_CELLS = 500_000
# What a cell may be; truth and durations, which are numbers to Python and numpy, are none here.
_SINGLE = (str, int, float, np.integer, np.floating)
_NO_NUMBER = (bool, np.bool_, np.timedelta64)

Column = np.ndarray | pd.Series | list[Any]
"""The cells of a column as a stranger sends them, one for each row."""


class FeatureDocument(TypedDict):
    """An input: `kind` is numeric or categorical (one of `levels`); `low` and `high` are in `unit`."""

    name: str
    domain: str
    kind: str
    unit: str
    known_at: str
    levels: list[str]
    low: float | None
    high: float | None
    description: str
    share_missing: float | None


class ColumnDocument(TypedDict):
    """An encoded column: a numeric feature, or one level of a categorical one."""

    feature: str
    level: NotRequired[str]


class EncodingDocument(TypedDict):
    """The columns and, for each, what was learned of it; `imputation`: (columns, columns), a row a column."""

    columns: list[ColumnDocument]
    mean: list[float]
    scale: list[float]
    low: list[float]
    high: list[float]
    imputation: list[list[float]]


class TermDocument(TypedDict):
    """A term: one column by its place, one of its spline terms, or the product of two columns."""

    columns: list[int]
    knots: NotRequired[list[float]]
    spline: NotRequired[int]


class LinearDocument(TypedDict):
    """A linear model: its terms, how they are standardised, and their coefficients."""

    terms: list[TermDocument]
    mean: list[float]
    scale: list[float]
    intercept: float
    coefficients: list[float]


class BlockDocument(TypedDict):
    """A block of columns as a table: a mean and 1 / standard deviation each, and rows of coefficients."""

    columns: list[str]
    mean: list[float]
    weight: list[float]
    coefficients: list[list[float]]


class BlockPart(TypedDict):
    """What a block adds: its standardised columns times the coefficients in `row`, times `factor`."""

    row: int
    factor: float


class BlockModelDocument(TypedDict):
    """The model of patients who have exactly these assays; a block without a part is not used."""

    assays: list[str]
    intercept: float
    parts: dict[str, BlockPart]


class BatchDocument(TypedDict):
    """Adjustment for batch: the input that names a row's, and what is taken from the columns in each."""

    input: str
    shifts: dict[str, list[float]]


class BlocksDocument(TypedDict):
    """A linear model of blocks: `protected` is that of the encoded columns, all others are assays.

    There is a model for every combination of assays; the first is of patients who have all. `batches`: of
    assays that are adjusted.
    """

    batches: NotRequired[dict[str, BatchDocument]]

    protected: str
    blocks: dict[str, BlockDocument]
    models: list[BlockModelDocument]


class CalibrationDocument(TypedDict):
    """The recalibration on the log-odds."""

    intercept: float
    slope: float


class IntervalDocument(TypedDict):
    """A patient's interval at `level`, from so many `samples`; see `_RiskInterval`.

    `spread` (directions, 1 + columns) and `rest` are on the log-odds; `width` counts standard deviations.
    """

    method: str
    level: float
    samples: int
    width: float
    spread: list[list[float]]
    rest: float


class RefusedDocument(TypedDict):
    """Columns that no row may have: names of the outcome's, and visits after the landmark."""

    outcome: list[str]
    later: list[str]


class AssaySupport(TypedDict):
    """What is usual in an assay: root mean square of a row, and largest value, in standard deviations."""

    spread: float
    largest: float


class SupportDocument(TypedDict):
    """What training patients looked like; `seen`: feature -> smallest and largest, `rare`: its levels."""

    assays: NotRequired[dict[str, AssaySupport]]

    root: list[list[float]]
    limit: float
    quantile: float
    unit_tolerance: float
    seen: dict[str, list[float]]
    rare: dict[str, list[str]]


class RulesDocument(TypedDict):
    """The protocol branch of every combination of the rules' inputs: `index` into ``[branch, status]``."""

    inputs: dict[str, list[str]]
    answers: list[list[str | None]]
    index: list[int]


class EligibilityInput(TypedDict):
    """A column that eligibility asks for; `table` is None for a laboratory test."""

    name: str
    table: str | None
    kind: str
    unit: str
    levels: list[str] | None
    low: float | None
    high: float | None


class RuleDocument(TypedDict, total=False):
    """A combination of rules (`all`, `any` or `first_known`), or a condition on a column.

    `known` asks for any value at all. An empty rule stays open: it asks for what no row holds.
    """

    all: list[RuleDocument]
    any: list[RuleDocument]
    first_known: list[RuleDocument]
    column: str
    known: bool
    missing_as: str
    among: list[str]
    unknown: list[str]
    low: float
    high: float
    above: float
    below: float


class CriterionDocument(TypedDict):
    """A criterion of eligibility, and what must hold of patients for whom `applies_if` is not broken."""

    id: str
    text: str
    rule: RuleDocument
    applies_if: NotRequired[RuleDocument]


class EligibilityDocument(TypedDict):
    """The study's eligibility, as a row of inputs can break it; `unserved` are the criteria that none can."""

    inputs: list[EligibilityInput]
    criteria: list[CriterionDocument]
    unserved: NotRequired[list[str]]


class InputReference(TypedDict):
    """Groups of an input, of a number between `cuts`, and how many had each; without a value last."""

    cuts: list[float]
    counts: list[int]


class ReferenceDocument(TypedDict):
    """How training patients were spread over each input; for watching, no row is judged by it.

    `assays`: over what sums up an assay, in place of its columns.
    """

    patients: int
    inputs: dict[str, InputReference]
    assays: NotRequired[dict[str, InputReference]]


class ServingDocument(TypedDict, total=False):
    """What is read of rows from outside; a part that is not there is not checked or answered."""

    required: list[str]
    refused: RefusedDocument
    interval: IntervalDocument
    support: SupportDocument
    eligibility: EligibilityDocument
    rules: RulesDocument
    reference: ReferenceDocument


class PatientCount(TypedDict):
    """Patients, and how many of them had the event."""

    patients: int
    events: int


class TrainingDocument(PatientCount):
    """The training patients, and those of each arm."""

    by_arm: dict[str, PatientCount]


class ModelDocument(TypedDict, total=False):
    """The content of model.json: ``features``, ``encoding``, and a linear, blocks' or boosted model."""

    model: str
    study: str
    simulated: bool
    landmark: str
    estimand: str
    outcome: str
    training: TrainingDocument
    requirements: list[str]
    candidate: str
    tuned: str
    features: Required[list[FeatureDocument]]
    encoding: Required[EncodingDocument]
    linear: LinearDocument
    blocks: BlocksDocument
    boosting: dict[str, float]
    calibration: CalibrationDocument
    passed_over: dict[str, str]
    serving: ServingDocument


_NOTHING_REFUSED: RefusedDocument = {"outcome": [], "later": []}
_NO_ELIGIBILITY: EligibilityDocument = {"inputs": [], "criteria": []}
_NO_RULES: RulesDocument = {"inputs": {}, "answers": [], "index": []}


class Reason(TypedDict):
    """Why a row is answered as it is: a key of `REASONS`, the input or criterion, and what must hold."""

    code: str
    input: str | None
    rule: str


REASONS = {
    "not_a_table": "{rule}",
    "missing": "missing",
    "not_a_number": "not a number",
    "out_of_range": "outside {rule}",
    "wrong_unit": "wrong unit suspected: {rule} is expected",
    "unknown_level": "not one of {rule}",
    "outcome": "an outcome, must not be supplied",
    "later_visit": "of a later visit, must not be supplied",
    "no_input": "no input to predict from",
    "ineligible": "{rule}",
    "eligibility_not_assessable": "{rule}",
    "eligibility_not_supplied": "nothing to judge eligibility by: {rule}",
    "unlike_training": "unlike the training patients, most in {rule}",
    "rare_level": "a level that hardly any training patient had",
    "no_assay": "no value of this assay: {rule}",
    "assay_incomplete": "{rule}",
    "batch_not_learned": "{rule}",
    "not_used": "not used: {rule}",
}
"""Every code of a reason, and how it is told of the input."""
_NAMED = {
    "ineligible": "outside the study's eligibility, {input}",
    "eligibility_not_assessable": "eligibility cannot be judged, {input}",
    "later_visit": "a column of {input}",
}
_NO_CRITERION_INPUT = "eligibility_not_supplied"


def told(reasons: Sequence[Reason]) -> str:
    """Return reasons in words, joined."""
    return "; ".join(map(_told, reasons))


def _told(reason: Reason) -> str:
    text = REASONS[reason["code"]].format(rule=reason["rule"])
    if reason["input"] is None:
        return text
    return f"{_NAMED.get(reason['code'], '{input}').format(input=reason['input'])}: {text}"


def _reason(code: str, name: str | None, rule: str = "") -> Reason:
    return {"code": code, "input": name, "rule": rule}


Fault = tuple[str, str]
"""Code and rule of what is wrong with a cell."""


class Answer(TypedDict):
    """The answer to one row; see `RowScorer.answers`."""

    pcr_probability: float | None
    lower: float | None
    upper: float | None
    status: str
    reasons: list[Reason]
    protocol_branch: str | None
    protocol_status: str
    not_a_recommendation: bool
    landmark: str
    model_version: str
    explanation: str


def model_digest(folder: Path) -> str:
    """Return the sha256 over names and contents of the three files that make a model."""
    digest = hashlib.sha256()
    for name in MODEL_FILES:
        path = folder / name
        content = path.read_bytes() if path.exists() else b""
        digest.update(f"{name}:{len(content)}\n".encode() + content)
    return digest.hexdigest()


def read_model(folder: Path, digest: str | None = None) -> PcrModel:
    """Return the model stored in `folder` (model.json, serving.py and, if boosted, booster.txt).

    Raises
    ------
    ValueError
        If a `digest` is expected and the files have another one: they were altered after registration.
    """
    actual = model_digest(folder)
    if digest is not None and actual != digest:
        raise ValueError("the model's files are not those that were registered: fetch the version again")
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    booster = folder / "booster.txt"
    text = booster.read_text(encoding="utf-8") if booster.exists() else None
    return PcrModel(document, text, version=actual[:12])


def spline_basis(x: np.ndarray, knots: Sequence[float]) -> np.ndarray:
    """Return the k-2 non-linear terms of a restricted cubic spline, shape (n, k-2).

    Formula and scaling of Harrell, Regression Modeling Strategies, 2nd ed., equation 2.25: the linear term is
    not part of the result, and terms are divided by the squared distance of the outer knots.
    """
    k = np.asarray(knots, dtype=float)
    last, before = k[-1], k[-2]
    cubes = np.maximum(x - k[:, None], 0.0) ** 3
    width = last - before
    terms = [
        cube - cubes[-2] * (last - knot) / width + cubes[-1] * (before - knot) / width
        for knot, cube in zip(k[:-2], cubes, strict=False)
    ]
    return np.asarray(np.column_stack(terms) / (last - k[0]) ** 2)


@dataclass(frozen=True)
class LinearTerms:
    """The terms of a linear model as arrays; those of a kind are computed together.

    `plain`: place of the term, column; slices where they follow each other. `products` (3, terms): place, and
    both columns. `splines`: column, knots, places of the terms, and which of its spline terms they are.
    """

    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    plain: tuple[np.ndarray | slice, np.ndarray | slice]
    products: np.ndarray
    splines: Sequence[tuple[int, tuple[float, ...], np.ndarray, np.ndarray]]

    def design(self, columns: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return the standardised terms of completed columns (n, columns), shape (n, terms)."""
        design: np.ndarray = np.empty((len(columns), len(self.mean))) if out is None else out
        design[:, self.plain[0]] = columns[:, self.plain[1]]
        design[:, self.products[0]] = columns[:, self.products[1]] * columns[:, self.products[2]]
        for column, knots, places, which in self.splines:
            design[:, places] = spline_basis(columns[:, column], knots)[:, which]
        design -= self.mean
        design /= self.scale
        return design


def _linear_terms(linear: LinearDocument) -> LinearTerms:
    """Return the terms of a linear model as arrays."""
    plain, products = [], []
    splines: dict[tuple[int, tuple[float, ...]], list[tuple[int, int]]] = {}
    for place, term in enumerate(linear["terms"]):
        if len(term["columns"]) == 2:
            products.append((place, *term["columns"]))
        elif "knots" in term:
            key = (term["columns"][0], tuple(term["knots"]))
            splines.setdefault(key, []).append((place, term["spline"]))
        else:
            plain.append((place, term["columns"][0]))
    return LinearTerms(
        mean=np.asarray(linear["mean"], dtype=float),
        scale=np.asarray(linear["scale"], dtype=float),
        coefficients=np.asarray(linear["coefficients"], dtype=float),
        plain=(_run([place for place, _ in plain]), _run([column for _, column in plain])),
        products=np.array(products, dtype=int).reshape(-1, 3).T,
        splines=[
            (column, knots, *np.array(numbers, dtype=int).T) for (column, knots), numbers in splines.items()
        ],
    )


def _run(places: Sequence[int]) -> np.ndarray | slice:
    """Return places as a slice where they follow each other: what is there is not copied."""
    run = slice(places[0], places[0] + len(places)) if places else slice(0)
    return run if list(range(run.start or 0, run.stop)) == list(places) else np.array(places, dtype=int)


def linear_design(linear: LinearDocument, columns: np.ndarray) -> np.ndarray:
    """Return the standardised terms of completed columns (n, columns), shape (n, terms)."""
    return _linear_terms(linear).design(columns)


class PcrModel:
    """A fitted model as data: encode, impute, predict on the log-odds, calibrate, explain.

    Parameters
    ----------
    document : ModelDocument
        The content of model.json: ``features`` (inputs with levels and ranges), ``encoding`` (columns, means,
        scales, limits, imputation weights), ``linear``, ``blocks`` or ``boosting``, and ``calibration``.
    booster_text : str, optional
        LightGBM's text of the booster; needed when the document has ``boosting``.
    version : str
        What answers name as their source: the model digest, shortened.

    Raises
    ------
    ValueError
        If the document asks for a booster and none is given.
    """

    def __init__(self, document: ModelDocument, booster_text: str | None = None, version: str = "") -> None:
        self.document = document
        self.version = version
        self.features = [feature["name"] for feature in document["features"]]
        encoding = document["encoding"]
        self._mean = np.asarray(encoding["mean"], dtype=float)
        self._scale = np.asarray(encoding["scale"], dtype=float)
        self._low = np.asarray(encoding["low"], dtype=float)
        self._high = np.asarray(encoding["high"], dtype=float)
        self._imputation = np.asarray(encoding["imputation"], dtype=float)
        self._columns = encoding["columns"]
        self._owner = np.array(
            [self.features.index(column["feature"]) for column in self._columns], dtype=int
        )
        self.blocks = LinearBlocks(document["blocks"]) if "blocks" in document else None
        self.booster = None
        if "boosting" in document:
            if booster_text is None:
                raise ValueError("model.json names a booster, but booster.txt was not given")
            import lightgbm  # noqa: PLC0415 - a logistic model is served without LightGBM

            self.booster = lightgbm.Booster(model_str=booster_text)

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the encoded columns, shape (n, columns), NaN where the feature is missing."""
        values: dict[str, np.ndarray] = {}
        kinds = {feature["name"]: feature["kind"] for feature in self.document["features"]}
        for name in {column["feature"] for column in self._columns}:
            series = frame[name]
            numeric = kinds[name] == "numeric"
            values[name] = series.to_numpy(dtype=float if numeric else object, na_value=np.nan)
        encoded = np.empty((len(frame), len(self._columns)))
        for index, column in enumerate(self._columns):
            value = values[column["feature"]]
            if "level" in column:
                missing = pd.isna(value)
                encoded[:, index] = np.where(missing, np.nan, value == column["level"])
            else:
                encoded[:, index] = value
        return encoded

    def complete(self, encoded: np.ndarray) -> np.ndarray:
        """Return `encoded` with every missing value replaced by its regression on the observed columns.

        The regressions were learned without the outcome in the training part; a predictor that is itself
        missing stands at its mean, and an imputed value stays inside the range seen in training.
        """
        return self.complete_and_standardise(encoded)[0]

    def complete_and_standardise(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what `complete` returns, and `standardised` of it."""
        completed = np.array(encoded, order="C")
        standard, product = np.empty((2, *completed.shape))
        self.fill(completed, standard, product)
        return completed, standard

    def fill(self, columns: np.ndarray, standard: np.ndarray, product: np.ndarray) -> None:
        """Complete encoded columns in place, and write `standardised` of them.

        All three have the shape (n, columns), the last dimension contiguous; `product` is room for the way.
        """
        np.subtract(columns, self._mean, out=standard)
        standard /= self._scale
        missing = np.flatnonzero(np.isnan(columns))
        if not len(missing):
            return
        # On many rows, passes over all cells cost more than the arithmetic: only what is missing is filled.
        column = missing % columns.shape[1]
        mean, scale = self._mean[column], self._scale[column]
        standard.put(missing, 0.0)
        filled = np.matmul(standard, self._imputation.T, out=product).take(missing)
        filled *= scale
        filled += mean
        np.clip(filled, self._low[column], self._high[column], out=filled)
        columns.put(missing, filled)
        filled -= mean
        filled /= scale
        standard.put(missing, filled)

    def standardised(self, columns: np.ndarray) -> np.ndarray:
        """Return completed columns in standard deviations from their training means, shape (n, columns)."""
        standard = columns - self._mean
        standard /= self._scale
        return np.asarray(standard)

    def log_odds(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the calibrated log-odds of pCR, shape (n,)."""
        return self.log_odds_of(self.complete(self.encode(frame)), self.assay_values(frame))

    def assay_values(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the columns of every assay that the model takes, each (n, p), NaN where missing.

        A column that is not there is missing; a row without any value of an assay is of a patient without it.
        Assays are adjusted for batch where the model is, and the row's batch was learned.
        """
        if self.blocks is None:
            return {}
        values = {
            name: frame.reindex(columns=columns).to_numpy(dtype=float, na_value=np.nan)
            for name, columns in self.blocks.columns.items()
        }
        for name, column in self.blocks.batch_inputs.items():
            if column in frame:
                values[name], _ = self.blocks.adjusted(name, values[name], frame[column].tolist())
        return values

    def log_odds_of(
        self,
        columns: np.ndarray,
        assays: Mapping[str, np.ndarray] | None = None,
        design: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the calibrated log-odds of completed columns and of assays' values, shape (n,).

        `design`, shape (n, terms), is room for that of a linear model.
        """
        if self.blocks is not None:
            margin = self.blocks.margin(columns, assays or {})
        elif self.booster is None:
            intercept = self.document["linear"]["intercept"]
            margin = intercept + self._terms.design(columns, design) @ self._terms.coefficients
        else:
            margin = self.booster.predict(columns, raw_score=True, num_threads=1)
        calibration = self.document["calibration"]
        return np.asarray(calibration["intercept"] + calibration["slope"] * margin, dtype=float)

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probability of pCR under care as delivered in the arm, shape (n,)."""
        return _probability(self.log_odds(frame))

    def contributions(self, frame: pd.DataFrame) -> tuple[np.ndarray, float | np.ndarray]:
        """Return SHAP values on the calibrated log-odds, shape (n, explained), and the base value.

        Rows add up: ``base + values.sum(axis=1) == log_odds``. Boosted models: path-dependent TreeSHAP.
        Linear models: interventional SHAP with independent columns, exact for the products too: for a term
        a*b, phi_a = (a E[b] - E[ab] + ab - E[a] b) / 2. A missing value's contribution is that of the value
        imputed for it. Models of blocks have a further value for every assay, the sum over its columns, and
        a base value for every row: that of the model for the assays which the patient has.
        """
        return self.contributions_of(self.complete(self.encode(frame)), self.assay_values(frame))

    @property
    def explained(self) -> list[str]:
        """What contributions are of: the features, then the assays as `assay_name` names them."""
        assays = self.blocks.columns if self.blocks is not None else ()
        return [*self.features, *map(assay_name, assays)]

    def contributions_of(
        self, columns: np.ndarray, assays: Mapping[str, np.ndarray] | None = None
    ) -> tuple[np.ndarray, float | np.ndarray]:
        """Return the contributions of completed columns, shape (n, explained), and the base value."""
        if self.blocks is not None:
            return self._block_contributions(columns, self.blocks.contributions(columns, assays or {}))
        if self.booster is None:
            per_column, base = self._linear_contributions(columns)
        else:
            parts = self.booster.predict(columns, pred_contrib=True, num_threads=1)
            per_column, base = parts[:, :-1], float(parts[0, -1]) if len(parts) else 0.0
        calibration = self.document["calibration"]
        values = self.by_feature(per_column) * calibration["slope"]
        return values, calibration["intercept"] + calibration["slope"] * base

    def _block_contributions(
        self, columns: np.ndarray, parts: BlockContributions
    ) -> tuple[np.ndarray, np.ndarray]:
        calibration = self.document["calibration"]
        sums = [part.sum(axis=1) for part in parts.assays.values()]
        values = np.column_stack([self.by_feature(parts.protected), *sums]).reshape(len(columns), -1)
        base = calibration["intercept"] + calibration["slope"] * parts.base
        return values * calibration["slope"], base

    def by_feature(self, per_column: np.ndarray) -> np.ndarray:
        """Return contributions of encoded columns, shape (n, columns), summed into those of features."""
        values = np.zeros((len(per_column), len(self.features)))
        np.add.at(values.T, self._owner, per_column.T)
        return values

    def describing(
        self, completed: np.ndarray, standard: np.ndarray, assays: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Return what describes rows to the interval: standardised columns, and what each assay adds."""
        if self.blocks is None:
            return standard
        return np.column_stack([standard, self.blocks.scores(completed, assays)])

    def terms(self, columns: np.ndarray) -> np.ndarray:
        """Return the standardised design of a linear model, shape (n, terms)."""
        return self._terms.design(columns)

    @cached_property
    def _terms(self) -> LinearTerms:
        return _linear_terms(self.document["linear"])

    def _linear_contributions(self, columns: np.ndarray) -> tuple[np.ndarray, float]:
        linear = self.document["linear"]
        values = np.zeros_like(columns)
        for term, mean, scale, coefficient in zip(
            linear["terms"], linear["mean"], linear["scale"], linear["coefficients"], strict=True
        ):
            weight = coefficient / scale
            first = term["columns"][0]
            if len(term["columns"]) == 1:
                values[:, first] += weight * (_term(columns, term) - mean)
                continue
            second = term["columns"][1]
            a, b = columns[:, first], columns[:, second]
            mean_a, mean_b = self._mean[first], self._mean[second]
            values[:, first] += weight * (a * mean_b - mean + a * b - mean_a * b) / 2
            values[:, second] += weight * (b * mean_a - mean + a * b - mean_b * a) / 2
        return values, float(linear["intercept"])

    @cached_property
    def desk(self) -> RowScorer:
        """What answers rows from outside."""
        return RowScorer(self)

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Answer every row, in order; see `RowScorer.answers`."""
        return self.desk.answers(data, explain=bool(params and params.get("explain")))


def _term(columns: np.ndarray, term: TermDocument) -> np.ndarray:
    """Return one term of a linear model: a column, one of its spline terms, or the product of two columns."""
    first = columns[:, term["columns"][0]]
    if len(term["columns"]) == 2:
        return np.asarray(first * columns[:, term["columns"][1]])
    if "knots" in term:
        return np.asarray(spline_basis(first, term["knots"])[:, term["spline"]])
    return np.asarray(first)


def assay_name(assay: str) -> str:
    """Return what the sum over an assay's columns is called; no feature or column has such a name."""
    return f"{assay}:*"


@dataclass(frozen=True)
class BlockContributions:
    """Contributions on the log-odds: of encoded columns (n, columns), of assays' columns, base value (n,)."""

    protected: np.ndarray
    assays: dict[str, np.ndarray]
    base: np.ndarray


class LinearBlocks:
    """A linear model of blocks, one for every combination of assays that a patient may have.

    Values are standardised as in training; a missing one stands at the training mean and adds 0. Columns are
    independent in these contributions, which are coefficient times standardised value, and so are exact.

    Attributes
    ----------
    columns : dict of str to list of str
        Columns of every assay.
    batch_inputs : dict of str to str
        The input that names a row's batch, by assay that is adjusted.
    """

    def __init__(self, document: BlocksDocument) -> None:
        self.protected = document["protected"]
        self._tables = {name: _BlockTable(block) for name, block in document["blocks"].items()}
        self.columns = {
            name: block["columns"] for name, block in document["blocks"].items() if name != self.protected
        }
        self._models = {frozenset(model["assays"]): model for model in document["models"]}
        batches = document.get("batches", {})
        self.batch_inputs = {name: batch["input"] for name, batch in batches.items()}
        self._shifts = {name: _arrays(batch["shifts"]) for name, batch in batches.items()}

    def adjusted(
        self, assay: str, values: np.ndarray, batches: Sequence[object]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return an assay (n, p) without its batches' shifts, and which rows' batch was learned, (n,)."""
        result = values.copy()
        return result, take_shifts(result, batch_names(batches), self._shifts[assay])

    def margin(self, columns: np.ndarray, assays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the log-odds (n,) before calibration.

        Parameters
        ----------
        columns : array, shape (n, columns)
            Completed columns.
        assays : mapping of str to array of shape (n, p)
            See `PcrModel.assay_values`; an assay that is not there is missing in every row.
        """
        values = self._values(columns, assays)
        margin = np.empty(len(columns))
        for rows, model in self._by_model(values, len(columns)):
            margin[rows] = model["intercept"]
            for name, part in model["parts"].items():
                table = self._tables[name]
                margin[rows] += part["factor"] * table.scored(values[name], rows, part["row"])
        return margin

    def contributions(self, columns: np.ndarray, assays: Mapping[str, np.ndarray]) -> BlockContributions:
        """Return what every column adds to the log-odds; with `base` they are `margin`."""
        values = self._values(columns, assays)
        shares = {name: np.zeros((len(columns), table.size)) for name, table in self._tables.items()}
        base = np.empty(len(columns))
        for rows, model in self._by_model(values, len(columns)):
            base[rows] = model["intercept"]
            for name, part in model["parts"].items():
                table = self._tables[name]
                slopes = part["factor"] * table.coefficients[part["row"]]
                shares[name][rows] = table.standardised(values[name][rows]) * slopes
        protected = shares.pop(self.protected)
        return BlockContributions(protected, shares, base)

    def scores(self, columns: np.ndarray, assays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what each assay adds to the log-odds, shape (n, assays)."""
        parts = self.contributions(columns, assays).assays
        return np.column_stack([part.sum(axis=1) for part in parts.values()])

    def told(self, columns: np.ndarray, assays: Mapping[str, np.ndarray], model: PcrModel) -> Iterator[str]:
        """Yield the explanation of each row as JSON: the largest contributions of features and columns.

        ``base`` and all further numbers but those of ``by_block`` add up to the log-odds; so do ``base`` and
        those of ``by_block``.
        """
        parts, calibration = self.contributions(columns, assays), model.document["calibration"]
        slope = calibration["slope"]
        base = calibration["intercept"] + slope * parts.base
        blocks = {self.protected: slope * model.by_feature(parts.protected)}
        blocks |= {name: slope * part for name, part in parts.assays.items()}
        every = np.column_stack(list(blocks.values()))
        names = [*model.features, *(column for block in self.columns.values() for column in block)]
        for row, shares in enumerate(every):
            best = np.argsort(-np.abs(shares), kind="stable")[:_CONTRIBUTIONS]
            named = {names[k]: float(shares[k]) for k in best}
            rest = float(shares.sum() - shares[best].sum())
            by_block = {name: float(part[row].sum()) for name, part in blocks.items()}
            told = {"base": float(base[row]), "all_others": rest, **named, "by_block": by_block}
            yield json.dumps(told)

    def standardised(self, assay: str, values: np.ndarray) -> np.ndarray:
        """Return the columns (n, p) that varied in training, standardised as there, NaN if missing."""
        return self._tables[assay].known(values)

    def extent(self, assay: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return root mean square and largest absolute standardised value of each row, each (n,).

        Of the values (n, p) that are known and vary in training; 0 for a patient without the assay.
        """
        return self._tables[assay].extent(values)

    def _values(self, columns: np.ndarray, assays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {self.protected: columns, **assays}

    def _by_model(
        self, values: Mapping[str, np.ndarray], n: int
    ) -> Iterator[tuple[np.ndarray, BlockModelDocument]]:
        """Yield the rows of patients who have the same assays, and their model."""
        has = np.array([_present(values[name], n) if name in values else np.zeros(n, dtype=bool)
                        for name in self.columns]).reshape(len(self.columns), n).T  # fmt: skip
        patterns, member = np.unique(has, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            key = frozenset(name for name, there in zip(self.columns, pattern, strict=True) if there)
            yield np.flatnonzero(member.ravel() == number), self._models[key]


class _BlockTable:
    """A block's table as arrays."""

    def __init__(self, block: BlockDocument) -> None:
        self._mean = np.asarray(block["mean"], dtype=float)
        self._weight = np.asarray(block["weight"], dtype=float)
        self.size = len(self._mean)
        self.coefficients = np.asarray(block["coefficients"], dtype=float).reshape(-1, self.size)

    def standardised(self, values: np.ndarray) -> np.ndarray:
        standard = values - self._mean
        standard *= self._weight
        standard[np.isnan(standard)] = 0.0
        return np.asarray(standard)

    def known(self, values: np.ndarray) -> np.ndarray:
        varies = self._weight > 0
        return np.asarray((values[:, varies] - self._mean[varies]) * self._weight[varies])

    def scored(self, values: np.ndarray, rows: np.ndarray, row: int) -> np.ndarray:
        """Return the sum of standardised values times a row of coefficients for `rows`, few at a time."""
        parts = np.array_split(rows, max(len(rows) * self.size // _CELLS, 1))
        return np.concatenate([self.standardised(values[part]) @ self.coefficients[row] for part in parts])

    def extent(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        standard = self.standardised(values)
        count = np.maximum((~np.isnan(values[:, self._weight > 0])).sum(axis=1), 1)
        spread = np.sqrt(np.einsum("ij,ij->i", standard, standard) / count)
        return spread, np.maximum(standard.max(axis=1), -standard.min(axis=1))


def _arrays(shifts: Mapping[str, list[float]]) -> dict[str, np.ndarray]:
    return {name: np.asarray(shift, dtype=float) for name, shift in shifts.items()}


def batch_names(batches: Sequence[object]) -> np.ndarray:
    """Return batches (n,) as text, empty where missing; whole numbers are without a reader's ``.0``."""
    whole = [int(one) if isinstance(one, float) and one.is_integer() else one for one in batches]
    return np.array(["" if _is_missing(one) else str(one).strip() for one in whole], dtype=object)


def _is_missing(cell: object) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell))


def take_shifts(values: np.ndarray, names: np.ndarray, shifts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Take from an assay (n, p), in place, what was learned of the rows' batches; return whose was, (n,)."""
    learned = np.zeros(len(values), dtype=bool)
    for name, shift in shifts.items():
        rows = names == name
        values[rows] -= shift
        learned |= rows
    return learned


def _present(values: np.ndarray, n: int) -> np.ndarray:
    """Tell which patients have any value of an assay."""
    return np.asarray(~np.isnan(values).all(axis=1)) if values.size else np.zeros(n, dtype=bool)


def _probability(log_odds: np.ndarray) -> np.ndarray:
    # Numbers that no patient has, in an input without a range, end at 0: no warning of it.
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-log_odds)), dtype=float)


@dataclass(frozen=True)
class _Room:
    """Arrays of one batch of rows, used again for the next: fresh memory costs as much as the arithmetic.

    `columns`, `standard`, `product`: (n, columns). `design`: (n, terms). `apart`: (n, directions).
    """

    columns: np.ndarray
    standard: np.ndarray
    product: np.ndarray
    design: np.ndarray
    apart: np.ndarray

    @classmethod
    def of(cls, document: ModelDocument, rows: int) -> _Room:
        """Return room for so many rows of a model."""
        columns, terms = len(document["encoding"]["columns"]), len(document.get("linear", {}).get("mean", ()))
        interval = document.get("serving", {}).get("interval")
        directions = len(interval["spread"]) if interval else 0
        widths = (columns, columns, columns, terms, directions)
        return cls(*(np.empty((rows, width)) for width in widths))

    def first(self, rows: int) -> _Room:
        """Return the part for so many rows."""
        whole = (self.columns, self.standard, self.product, self.design, self.apart)
        return _Room(*(array[:rows] for array in whole))


class RowScorer:
    """Answers rows that come from outside the project.

    What the document's ``serving`` part may hold (made by `training_summary.py`): ``required`` inputs,
    ``refused`` columns (``outcome`` names, ``later`` visits), ``interval`` (how far apart models of other
    samples of patients lie), ``support`` (what training patients looked like), ``eligibility`` (the
    study's criteria that a row can break, and the columns they ask for) and ``rules`` (the protocol branch of
    every combination of the rules' inputs). A document without it is answered without them.
    """

    def __init__(self, model: PcrModel) -> None:
        self.model = model
        self.landmark = model.document.get("landmark", "")
        serving: ServingDocument = model.document.get("serving", {})
        self._inputs = [_Input(feature, serving) for feature in model.document["features"]]
        self._place = {entry.name: k for k, entry in enumerate(self._inputs)}
        # Of each input its columns: place, and the level that one is of, NaN of the number itself.
        self._encoding: dict[int, list[tuple[int, float]]] = {}
        for place, column in enumerate(model.document["encoding"]["columns"]):
            owner = self._place[column["feature"]]
            self._encoding.setdefault(owner, []).append((place, self._inputs[owner].code(column)))
        self._used = sorted(self._encoding)
        refused = serving.get("refused", _NOTHING_REFUSED)
        self._outcome = {name.lower() for name in refused["outcome"]}
        self._later = {visit.lower() for visit in refused["later"]}
        self._assays = _AssayReader(model.blocks) if model.blocks is not None else None
        self._support = _Support(model, serving["support"]) if "support" in serving else None
        self._interval = _RiskInterval(serving["interval"]) if "interval" in serving else None
        self._eligibility = _Eligibility(serving.get("eligibility", _NO_ELIGIBILITY), self._inputs)
        rules = serving.get("rules", _NO_RULES)
        self._rules = [_Input(_rule_input(name, levels), {}) for name, levels in rules["inputs"].items()]
        # The last answers are those of rows whose combination is not known, and of ineligible patients.
        unknown = NOT_SUPPLIED if self._rules else NO_DECISION
        answers = [*map(tuple, rules["answers"]), (None, unknown), (None, INELIGIBLE)]
        self._branch, self._branch_status = (list(part) for part in zip(*answers, strict=True))
        self._branch_index = np.asarray([*rules["index"], len(answers) - 2, len(answers) - 1], dtype=int)

    def answers(self, data: Any, *, explain: bool = False) -> pd.DataFrame:
        """Answer every row, in order; a row that cannot be answered is rejected with its reasons.

        Parameters
        ----------
        data : DataFrame, dict of columns, or list of rows
            A row per patient in the names and units of ``features``. Order does not matter; columns that the
            model does not know are named and not used. Nothing that is given here raises an error.
        explain : bool
            Add the largest contributions on the calibrated log-odds.

        Returns
        -------
        DataFrame
            `OUTPUTS`. ``pcr_probability``, ``lower``, ``upper``: None where rejected or ineligible.
            ``status``: ok, missing_inputs, out_of_support (answered, but unlike the training patients),
            ineligible (outside the study's eligibility: nothing is answered), rejected.
            ``reasons``: a list of `Reason`; `told` says them in words.
            ``protocol_branch``: what the adaptive rules say, where their inputs were supplied.
            ``explanation`` is empty unless asked for.
        """
        return self._frame(self._answered_all(data, explain=explain))

    def answers_in_words(self, data: Any) -> pd.DataFrame:
        """Answer as `answers` does, for very many rows, which have few different texts.

        Returns
        -------
        DataFrame
            `OUTPUTS`: numbers are NaN where there is none, texts are categories, ``reasons`` are in words.
        """
        answers = self._answered_all(data, explain=False)
        only, (which, lists) = np.zeros(len(answers.p), dtype=int), answers.notes.reasons(_told)
        return pd.DataFrame(
            {
                "pcr_probability": answers.p,
                "lower": answers.low,
                "upper": answers.high,
                "status": _categories(_STATUSES, answers.status),
                "reasons": _categories(["; ".join(words) for words in lists], which),
                "protocol_branch": _categories(self._branch, answers.protocol),
                "protocol_status": _categories(self._branch_status, answers.protocol),
                "not_a_recommendation": np.ones(len(answers.p), dtype=bool),
                "landmark": _categories([self.landmark], only),
                "model_version": _categories([self.model.version], only),
                "explanation": _categories([""], only),
            },
            columns=OUTPUTS,
        )

    def _answered_all(self, data: Any, *, explain: bool) -> _Answers:
        columns, rows, fault = _columns_of(data)
        notes = _Notes(rows)
        if fault:
            notes.add(np.ones(rows, dtype=bool), _reason("not_a_table", None, fault), rejects=True)
        values = self._read(columns, rows, notes)
        assays = self._assays.read(columns, notes) if self._assays else {}
        return self._answered(columns, values, assays, notes, explain=explain)

    def answer(self, row: Mapping[str, Any], *, explain: bool = False) -> Answer:
        """Answer one row as a dict: the direct path, without a frame; the same as `answers` of that row."""
        columns: dict[str, Column] = {str(name): [value] for name, value in row.items()}
        notes = _Notes(1)
        if len(columns) < len(row):
            columns = {}
            notes.add(_HERE, _reason("not_a_table", None, _TWICE), rejects=True)
        cells = [entry.read(columns[entry.name][0]) if entry.name in columns else (math.nan, None, True)
                 for entry in self._inputs]  # fmt: skip
        for entry, (_, fault, empty) in zip(self._inputs, cells, strict=True):
            self._note_cell(entry, fault, empty, notes)
        values = [np.array([value]) for value, _, _ in cells]
        assays = self._assays.read(columns, notes) if self._assays else {}
        answered = self._answered(columns, values, assays, notes, explain=explain)
        which, lists = notes.reasons(_itself)
        return {
            "pcr_probability": _or_none(answered.p)[0],
            "lower": _or_none(answered.low)[0],
            "upper": _or_none(answered.high)[0],
            "status": _STATUSES[answered.status[0]],
            "reasons": lists[which[0]],
            "protocol_branch": self._branch[answered.protocol[0]],
            "protocol_status": self._branch_status[answered.protocol[0]],
            "not_a_recommendation": True,
            "landmark": self.landmark,
            "model_version": self.model.version,
            "explanation": answered.explanation.get(0, ""),
        }

    def _answered(
        self,
        columns: Mapping[str, Column],
        values: Sequence[np.ndarray],
        assays: Mapping[str, np.ndarray],
        notes: _Notes,
        *,
        explain: bool,
    ) -> _Answers:
        """Answer rows whose inputs were read as `values`, an array for each, and `assays`, (rows, p)."""
        rows = notes.rows
        codes = [self._read_one(rule, columns, rows, notes)[0] for rule in self._rules]
        further = [self._read_one(entry, columns, rows, notes)[0] for entry in self._eligibility.further]
        self._further(columns, notes, values, assays)
        self._withhold(values, further, notes)
        answers = _Answers(notes)
        answered = ~(notes.rejected | notes.withheld)
        if self._support:
            for where, reason in self._support.rare(values):
                notes.add_rare(where & answered, reason)
        every = np.flatnonzero(answered)
        # Rows of an assay are thousands of cells each.
        at_once = max(_AT_ONCE // (1 + sum(part.shape[1] for part in assays.values()) // 100), 1)
        room = _Room.of(self.model.document, min(at_once, len(every)))
        for first in range(0, len(every), at_once):
            kept = every[first : first + at_once]
            chosen = {name: part[kept] for name, part in assays.items()}
            batch = room.first(len(kept))
            self._encode(values, kept, batch.columns)
            self._estimate(batch, chosen, kept, notes, answers, explain=explain)
        answers.status[notes.missing] = _STATUSES.index(MISSING)
        answers.status[notes.unlike] = _STATUSES.index(UNLIKE)
        answers.status[notes.rejected] = _STATUSES.index(REJECTED)
        answers.status[notes.ineligible] = _STATUSES.index(INELIGIBLE)
        answers.protocol = self._protocol(codes, notes)
        return answers

    def _withhold(self, values: Sequence[np.ndarray], further: list[np.ndarray], notes: _Notes) -> None:
        """Withhold the answer of rows that break a criterion; name what cannot be judged of the others."""
        judged = list(self._eligibility.judged([*values, *further], notes.rows))
        for criterion, met, _ in judged:
            broken = _reason("ineligible", criterion["id"], criterion["text"])
            notes.add(met == 0, broken, withholds=True)
        answered = ~(notes.rejected | notes.withheld)
        for criterion, met, supplied in judged:
            name, text = criterion["id"], criterion["text"]
            unknown = np.isnan(met) & answered
            notes.add(unknown & supplied, _reason("eligibility_not_assessable", name, text))
            notes.add_unsupplied(unknown & ~supplied, name)
        for name in self._eligibility.unserved:
            notes.add_unsupplied(answered, name)

    def _note_cell(self, entry: _Input, fault: Fault | None, empty: bool, notes: _Notes) -> None:
        if fault:
            notes.add(_HERE, _reason(fault[0], entry.name, fault[1]), rejects=True)
        if empty and (entry.required or self._place[entry.name] in self._used):
            notes.add(_HERE, entry.missing, rejects=entry.required, missing=True)

    def _read(self, columns: Mapping[str, Column], rows: int, notes: _Notes) -> list[np.ndarray]:
        """Return the numbers of every input (levels by position), each as `_read_one` does."""
        values = []
        for place, entry in enumerate(self._inputs):
            number, empty = self._read_one(entry, columns, rows, notes)
            values.append(number)
            # What the model does not use is not missed.
            if entry.required or place in self._used:
                notes.add(empty, entry.missing, rejects=entry.required, missing=True)
        return values

    @staticmethod
    def _read_one(
        entry: _Input, columns: Mapping[str, Column], rows: int, notes: _Notes
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return a column's numbers, a single NaN for all rows where there is none, and where it is empty."""
        if entry.name not in columns:
            return np.full(1, np.nan), np.ones(rows, dtype=bool)
        if rows == 1:
            single = columns[entry.name]
            value, fault, blank = entry.read(single.iloc[0] if isinstance(single, pd.Series) else single[0])
            if fault:
                notes.add(_HERE, _reason(fault[0], entry.name, fault[1]), rejects=True)
            return np.array([value]), np.array([blank])
        number, empty, faults = entry.read_column(columns[entry.name])
        for (code, rule), where in faults.items():
            notes.add(where, _reason(code, entry.name, rule), rejects=True)
        return number, empty

    def _further(
        self,
        columns: Mapping[str, Column],
        notes: _Notes,
        values: Sequence[np.ndarray],
        assays: Mapping[str, np.ndarray],
    ) -> None:
        """Reject what must not be there, and rows with nothing to predict from; count what is not used."""
        rows = notes.rows
        further = {entry.name for entry in [*self._rules, *self._eligibility.further]}
        of_assays = self._assays.columns if self._assays else frozenset()
        unused = 0
        for name in columns:
            if name in self._place or name in further or name in of_assays:
                continue
            reason = self._forbidden(name)
            if reason is None:
                unused += 1
                continue
            there = ~_blank(columns[name])
            notes.add(there, reason, rejects=True)
        for name in further & set(columns):
            if (reason := self._forbidden(name)) is not None:
                notes.add(np.ones(rows, dtype=bool), reason, rejects=True)
        nothing = np.ones(rows, dtype=bool)
        for place in self._used:
            if not self._inputs[place].required and nothing.any():
                nothing &= np.isnan(values[place])
        for part in assays.values():
            nothing &= ~_present(part, rows)
        notes.add(nothing, _reason("no_input", None), rejects=True, missing=True)
        if unused:
            notes.add(
                np.ones(rows, dtype=bool),
                _reason("not_used", None, f"{unused} column{'s' if unused > 1 else ''}"),
                last=True,
            )

    def _forbidden(self, name: str) -> Reason | None:
        """Return why a column must not be supplied: it is the outcome's, or of a later visit.

        In the model's own words: a name that was sent is not repeated.
        """
        plain = name.lower().strip()
        if plain in self._outcome:
            return _reason("outcome", plain)
        visits = self._later & set(re.split(r"[^a-z0-9]+", plain))
        return _reason("later_visit", min(visits)) if visits else None

    def _encode(self, values: Sequence[np.ndarray], kept: np.ndarray, encoded: np.ndarray) -> None:
        """Write the encoded columns, shape (rows kept, columns), of inputs that were read as `values`."""
        for owner, columns in self._encoding.items():
            cells = values[owner]
            cells = np.broadcast_to(cells, len(kept)) if len(cells) == 1 else cells.take(kept)
            # What is missing stays so in the column of every level.
            missing = cells * 0.0
            for place, level in columns:
                encoded[:, place] = cells if math.isnan(level) else (cells == level) + missing

    def _estimate(
        self,
        room: _Room,
        assays: Mapping[str, np.ndarray],
        kept: np.ndarray,
        notes: _Notes,
        answers: _Answers,
        *,
        explain: bool,
    ) -> None:
        """Answer the rows at `kept`, whose encoded columns are in a `room` for them, and `assays`."""
        completed, standard = room.columns, room.standard
        self.model.fill(completed, standard, room.product)
        if self._support:
            for position, reason in self._support.unlike(standard, assays, room.product):
                notes.add_unlike(int(kept[position]), reason)
        score = self.model.log_odds_of(completed, assays, room.design)
        answers.p[kept] = _probability(score)
        if self._interval:
            described = self.model.describing(completed, standard, assays)
            half = self._interval.half_width(described, room.apart)
            answers.low[kept], answers.high[kept] = _probability(score - half), _probability(score + half)
        if explain and self.model.blocks is not None:
            told = self.model.blocks.told(completed, assays, self.model)
            answers.explanation.update(zip(kept.tolist(), told, strict=True))
        elif explain:
            shares, base = self.model.contributions_of(completed)
            order = np.argsort(-np.abs(shares), axis=1, kind="stable")[:, :_CONTRIBUTIONS]
            for position, row, best in zip(kept, shares, order, strict=True):
                named = {self.model.features[k]: float(row[k]) for k in best}
                rest = float(row.sum() - row[best].sum())
                answers.explanation[position] = json.dumps({"base": base, "all_others": rest} | named)

    def _frame(self, answers: _Answers) -> pd.DataFrame:
        rows = len(answers.p)
        only, (which, lists) = np.zeros(rows, dtype=int), answers.notes.reasons(_itself)
        explanation = [answers.explanation.get(row, "") for row in range(rows)] if answers.explanation else ()
        return pd.DataFrame(
            {
                "pcr_probability": pd.Series(_or_none(answers.p), dtype=object),
                "lower": pd.Series(_or_none(answers.low), dtype=object),
                "upper": pd.Series(_or_none(answers.high), dtype=object),
                "status": _texts(_STATUSES, answers.status),
                "reasons": pd.Series(_objects(lists)[which], dtype=object),
                "protocol_branch": pd.Series(_objects(self._branch)[answers.protocol], dtype=object),
                "protocol_status": _texts(self._branch_status, answers.protocol),
                "not_a_recommendation": np.ones(rows, dtype=bool),
                "landmark": _texts([self.landmark], only),
                "model_version": _texts([self.model.version], only),
                "explanation": explanation or _texts([""], only),
            },
            columns=OUTPUTS,
        )

    def _protocol(self, codes: list[np.ndarray], notes: _Notes) -> np.ndarray:
        """Return the place of each row's branch by the adaptive rules, and its status."""
        row = np.zeros(notes.rows)
        for rule, code in zip(self._rules, codes, strict=True):
            row = row * len(rule.levels) + code
        unknown = np.isnan(row) | notes.rejected | notes.withheld | (not self._rules)
        row = np.where(unknown, -2, row)
        return np.asarray(self._branch_index[np.where(notes.ineligible, -1, row).astype(int)])


def _rule_input(name: str, levels: list[str]) -> FeatureDocument:
    """Describe an input of the rules, which may be supplied beside the model's."""
    return {
        "name": name, "domain": "rules", "kind": "categorical", "unit": "", "known_at": "", "levels": levels,
        "low": None, "high": None, "description": "", "share_missing": None,
    }  # fmt: skip


class _Answers:
    """The answers to rows by column; texts by their place among all that there are."""

    def __init__(self, notes: _Notes) -> None:
        self.notes = notes
        self.p, self.low, self.high = np.full((3, notes.rows), np.nan)
        self.status = np.zeros(notes.rows, dtype=int)
        self.protocol = np.zeros(notes.rows, dtype=int)
        self.explanation: dict[int, str] = {}


Told = TypeVar("Told")
_Note = tuple[np.ndarray, Reason]
"""A mask of rows, and a reason that they have."""
# Notes in one number, beside the number of those before.
_BITS = 31


class _Notes:
    """Reasons of every row, in the order of the inputs, and what follows from them."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.rejected = np.zeros(rows, dtype=bool)
        self.missing = np.zeros(rows, dtype=bool)
        self.withheld = np.zeros(rows, dtype=bool)
        self.unlike = np.zeros(rows, dtype=bool)
        self._faulty = np.zeros(rows, dtype=bool)
        self._withholding = 0
        self._noted: list[_Note] = []
        self._unsupplied: list[_Note] = []
        self._rare: list[_Note] = []
        self._unlike: dict[int, Reason] = {}
        self._last: list[Reason] = []

    def add(
        self,
        where: np.ndarray,
        reason: Reason,
        *,
        rejects: bool = False,
        missing: bool = False,
        withholds: bool = False,
        last: bool = False,
    ) -> None:
        """Note a reason for the rows where a mask holds; one that is the `last` is for all rows."""
        if not where.any():
            return
        if last:
            self._last.append(reason)
            return
        # Why nothing is answered stands before what is missing.
        place = self._withholding if withholds else len(self._noted)
        self._withholding += withholds
        self._noted.insert(place, (where, reason))
        if rejects:
            self.rejected |= where
        if rejects and not missing:
            self._faulty |= where
        if missing:
            self.missing |= where
        if withholds:
            self.withheld |= where

    @property
    def ineligible(self) -> np.ndarray:
        """Rows that break a criterion, whatever is missing; of a row with a faulty cell nothing is said."""
        return self.withheld & ~self._faulty

    def add_unsupplied(self, where: np.ndarray, criterion: str) -> None:
        """Note a criterion for which nothing was supplied."""
        if where.any():
            self._unsupplied.append((where, _reason(_NO_CRITERION_INPUT, None, criterion)))

    def add_rare(self, where: np.ndarray, reason: Reason) -> None:
        """Note a level that hardly any training patient had."""
        if where.any():
            self._rare.append((where, reason))
            self.unlike |= where

    def add_unlike(self, row: int, reason: Reason) -> None:
        """Note that a row is unlike the training patients."""
        self._unlike[row] = reason
        self.unlike[row] = True

    def reasons(self, told: Callable[[Reason], Told]) -> tuple[np.ndarray, list[list[Told]]]:
        """Return the place of each row's reasons, and all lists of reasons there are, as `told` tells."""
        noted, noted_lists = _by_set(self._noted, self.rows, told)
        unsupplied, unsupplied_lists = _by_set(self._unsupplied, self.rows, _itself)
        rare, rare_lists = _by_set(self._rare, self.rows, told)
        before = [[*map(told, _one_of_all_criteria(reasons))] for reasons in unsupplied_lists]
        after = [[*reasons, *map(told, self._last)] for reasons in rare_lists]
        pairs, _ = pd.factorize(noted * len(before) + unsupplied)
        which, first = _numbered(pairs * len(after) + rare)
        sets = zip(noted[first].tolist(), unsupplied[first].tolist(), rare[first].tolist(), strict=True)
        lists = [noted_lists[a] + before[b] + after[c] for a, b, c in sets]
        for row, reason in self._unlike.items():
            a, b, c = noted[row], unsupplied[row], rare[row]
            which[row] = len(lists)
            lists.append([*noted_lists[a], *before[b], told(reason), *after[c]])
        return which, lists


def _itself(reason: Reason) -> Reason:
    return reason


def _by_set(
    notes: Sequence[_Note], rows: int, told: Callable[[Reason], Told]
) -> tuple[np.ndarray, list[list[Told]]]:
    """Return a number for the set of notes that each row has, and the reasons of each set."""
    which = np.zeros(rows, dtype=np.int64)
    noted = np.array([where for where, _ in notes], dtype=bool).reshape(len(notes), rows)
    for begin in range(0, len(notes), _BITS):
        which = pd.factorize(which)[0] << _BITS
        for bit, where in enumerate(noted[begin : begin + _BITS]):
            which |= where.astype(np.int64) << bit
    which, first = _numbered(which)
    sets, places = np.nonzero(np.ascontiguousarray(noted[:, first].T))
    reasons = [told(reason) for _, reason in notes]
    of_sets = [reasons[place] for place in places.tolist()]
    ends = np.searchsorted(sets, np.arange(len(first) + 1)).tolist()
    return which, [of_sets[a:b] for a, b in itertools.pairwise(ends)]


def _numbered(which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for what is the same in several rows, and the first row of each."""
    numbers, kinds = pd.factorize(which)
    first = np.empty(len(kinds), dtype=int)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]
    return numbers, first


def _one_of_all_criteria(reasons: list[Reason]) -> list[Reason]:
    """Return one reason in place of those of all criteria that nothing was supplied for."""
    names = ", ".join(reason["rule"] for reason in reasons)
    return [_reason(_NO_CRITERION_INPUT, None, names)] if reasons else []


class _Input:
    """One input as the document describes it, and how a cell becomes a number."""

    def __init__(self, feature: FeatureDocument | EligibilityInput, serving: ServingDocument) -> None:
        self.name = feature["name"]
        self.numeric = feature["kind"] == "numeric"
        self.levels = list(feature.get("levels") or [])
        self.codes = {level: float(k) for k, level in enumerate(self.levels)}
        self.required = self.name in serving.get("required", ())
        self.unit = feature.get("unit") or ""
        low, high = feature.get("low"), feature.get("high")
        self.low = -math.inf if low is None else float(low)
        self.high = math.inf if high is None else float(high)
        self._limits = f"{_bound(low)} to {_bound(high)} {self.unit}".strip()
        self.missing = _reason("missing", self.name, "required" if self.required else "imputed")
        support = serving.get("support")
        self.seen = support["seen"].get(self.name) if support else None
        tolerance = float(support["unit_tolerance"]) if support else math.inf
        self._usual: tuple[float, float] | None = None
        # Where training patients span orders of magnitude, another unit cannot be told.
        if self.seen is not None and self.seen[0] > 0 and self.seen[1] <= 10 * tolerance * self.seen[0]:
            self._usual = (self.seen[0] / tolerance, self.seen[1] * tolerance)
        # What lies between, or is one of these, is in order without a further look.
        least, most = self._usual or (-math.inf, math.inf)
        finite = sys.float_info.max
        self._sound = (max(self.low, least, -finite), min(self.high, most, finite))
        self._sound_levels = {k: code for k, code in self.codes.items() if k == k.strip() not in _EMPTY}

    def code(self, column: ColumnDocument) -> float:
        """Return the position of an encoded column's level; NaN for a column that is the number itself."""
        return self.codes[column["level"]] if "level" in column else math.nan

    def read(self, value: Any) -> tuple[float, Fault | None, bool]:
        """Return a cell's number (a level's position; NaN where there is none), fault, and emptiness."""
        if self.numeric and type(value) is float and self._sound[0] <= value <= self._sound[1]:
            return value, None, False
        if not self.numeric and type(value) is str and value in self._sound_levels:
            return self._sound_levels[value], None, False
        if _is_empty(value):
            return math.nan, None, True
        single = isinstance(value, _SINGLE) and not isinstance(value, _NO_NUMBER)
        if self.numeric:
            return *self._read_number(_number(value) if single else math.nan), False
        code = self.codes.get(_text(value), math.nan) if single else math.nan
        return code, self._not_a_level if math.isnan(code) else None, False

    def _read_number(self, number: float) -> tuple[float, Fault | None]:
        if self._sound[0] <= number <= self._sound[1]:
            return number, None
        numbers, faults = self._read_unsure(np.array([number]))
        return float(numbers[0]), next((fault for fault, where in faults.items() if where[0]), None)

    def _read_unsure(self, numbers: np.ndarray) -> tuple[np.ndarray, dict[Fault, np.ndarray]]:
        """Return numbers, NaN where they are faulty, and where they are by kind of fault."""
        finite, inside = np.isfinite(numbers), (numbers >= self.low) & (numbers <= self.high)
        elsewhere, fits = finite & ~inside, self._would_fit(numbers)
        faults = {
            ("not_a_number", self._limits): ~finite,
            ("wrong_unit", self.unit or "that of the card"): finite & inside & self._far(numbers) & fits,
            ("wrong_unit", self._limits): elsewhere & fits,
            ("out_of_range", self._limits): elsewhere & ~fits,
        }
        return np.where(np.logical_or.reduce([*faults.values()]), np.nan, numbers), faults

    @cached_property
    def _not_a_level(self) -> Fault:
        return "unknown_level", ", ".join(self.levels)

    def _far(self, numbers: np.ndarray) -> np.ndarray:
        """Tell which numbers lie several times below or above all that training patients had."""
        low, high = self._usual or (-math.inf, math.inf)
        return np.asarray((numbers < low) | (numbers > high))

    def _would_fit(self, numbers: np.ndarray) -> np.ndarray:
        """Tell which numbers, in another unit, are what training patients had."""
        if self.seen is None:
            return np.zeros(len(numbers), dtype=bool)
        positive = np.where(numbers > 0, numbers, np.nan)
        with np.errstate(over="ignore"):
            if self.unit.startswith("log10"):
                others = [np.log10(positive), np.log10(positive) - 2]
            else:
                others = [positive * factor for factor in (1e-3, 1e-2, 1e-1, 1e1, 1e2, 1e3)]
                others += [positive / 12] if self.unit == "years" else []
        return np.asarray(
            np.logical_or.reduce([(other >= self.seen[0]) & (other <= self.seen[1]) for other in others])
        )

    def read_column(self, values: Column) -> tuple[np.ndarray, np.ndarray, dict[Fault, np.ndarray]]:
        """Return a column's numbers, where it is empty, and where it is faulty by kind of fault.

        Cell by cell the same as `read`; what is plainly in order is read at once.
        """
        if self.numeric and (number := _plain_numbers(values)) is not None:
            empty = np.isnan(number)
            unsure = np.flatnonzero(~(empty | ((number >= self._sound[0]) & (number <= self._sound[1]))))
            if not len(unsure):
                return number, empty, {}
            number = number.copy()
            number[unsure], faults = self._read_unsure(number[unsure])
            return number, empty, {fault: _at(unsure[where], len(number)) for fault, where in faults.items()}
        codes, kinds = _distinct(values)
        # A blank has the code -1, the last entry.
        read = [*map(self.read, kinds), (math.nan, None, True)]
        number = np.array([value for value, _, _ in read])[codes]
        empty = np.array([blank for _, _, blank in read])[codes]
        kinds_of_fault = dict.fromkeys(fault for _, fault, _ in read if fault)
        return (
            number,
            empty,
            {kind: np.array([fault == kind for _, fault, _ in read])[codes] for kind in kinds_of_fault},
        )


class _AssayReader:
    """Reads the columns of assays, and says what is missing or no number, by assay and not by column."""

    _NAMED = 3
    """Columns with a fault that are named; further ones are told of their assay."""

    def __init__(self, blocks: LinearBlocks) -> None:
        self._blocks = blocks
        self._by_assay = blocks.columns
        named = (name for names in blocks.columns.values() for name in names)
        self.columns = frozenset([*named, *blocks.batch_inputs.values()])
        self._cell = _Input(_assay_cell(), {})

    def read(self, columns: Mapping[str, Column], notes: _Notes) -> dict[str, np.ndarray]:
        """Return the values of every assay, (rows, p), NaN where missing or faulty, and note what is."""
        values = {
            assay: self._read(assay, [columns.get(name) for name in names], names, notes)
            for assay, names in self._by_assay.items()
        }
        for assay, name in self._blocks.batch_inputs.items():
            cells = list(columns[name]) if name in columns else [""] * notes.rows
            values[assay], learned = self._blocks.adjusted(assay, values[assay], cells)
            as_they_are = _present(values[assay], notes.rows) & ~learned
            rule = "none of the batches that were learned: values are taken as they are"
            notes.add(as_they_are, _reason("batch_not_learned", name, rule))
        return values

    def _read(
        self, assay: str, cells: Sequence[Column | None], names: Sequence[str], notes: _Notes
    ) -> np.ndarray:
        values = np.full((len(names), notes.rows), np.nan)
        faulty = 0
        for place, (name, column) in enumerate(zip(names, cells, strict=True)):
            if column is None:
                continue
            values[place], faults = self._read_column(column)
            for (code, rule), where in faults.items():
                told = name if faulty < self._NAMED else assay
                notes.add(where, _reason(code, told, rule), rejects=True)
            faulty += bool(faults)
        missing = np.isnan(values).sum(axis=0)
        none, some = missing == len(names), (missing > 0) & (missing < len(names))
        if none.any():
            notes.add(none, _reason("no_assay", assay, "the model without it answers"), missing=True)
        if some.any():
            rule = "values are missing, and stand at the mean of training"
            notes.add(some, _reason("assay_incomplete", assay, rule), missing=True)
        return np.ascontiguousarray(values.T)

    def _read_column(self, column: Column) -> tuple[np.ndarray, dict[Fault, np.ndarray]]:
        if len(column) == 1:
            cell = column.iloc[0] if isinstance(column, pd.Series) else column[0]
            value, fault, _ = self._cell.read(cell)
            return np.array([value]), {fault: _HERE} if fault else {}
        number, _, faults = self._cell.read_column(column)
        return number, {fault: where for fault, where in faults.items() if where.any()}


def _assay_cell() -> FeatureDocument:
    """Describe a cell of an assay: any finite number."""
    return {
        "name": "", "domain": "", "kind": "numeric", "unit": "", "known_at": "", "levels": [],
        "low": None, "high": None, "description": "", "share_missing": None,
    }  # fmt: skip


def _at(places: np.ndarray, rows: int) -> np.ndarray:
    """Return a mask that holds at some rows."""
    mask = np.zeros(rows, dtype=bool)
    mask[places] = True
    return mask


class _Eligibility:
    """The study's eligibility, judged in three-valued logic: 1 met, 0 broken, NaN not known.

    `further` are the columns that it asks for beside the model's inputs.
    """

    def __init__(self, document: EligibilityDocument, inputs: Sequence[_Input]) -> None:
        names = {entry.name for entry in inputs}
        self.further = [_Input(entry, {}) for entry in document["inputs"] if entry["name"] not in names]
        self._named = {entry.name: entry for entry in [*inputs, *self.further]}
        self._place = {name: k for k, name in enumerate(self._named)}
        self.unserved = document.get("unserved", [])
        self._criteria = [
            (criterion, sorted({self._place[name] for name in _columns_asked(criterion)}))
            for criterion in document["criteria"]
        ]

    def judged(
        self, cells: Sequence[np.ndarray], rows: int
    ) -> Iterator[tuple[CriterionDocument, np.ndarray, np.ndarray]]:
        """Yield each criterion, how it is judged, and where the row holds anything that it asks for."""
        for criterion, asked in self._criteria:
            supplied = np.zeros(rows, dtype=bool)
            for place in asked:
                supplied |= ~np.isnan(cells[place])
            met = self._judged(criterion["rule"], cells)
            if "applies_if" in criterion:
                met = np.where(self._judged(criterion["applies_if"], cells) == 0, 1.0, met)
            yield criterion, np.broadcast_to(met, rows), supplied

    def _judged(self, rule: RuleDocument, cells: Sequence[np.ndarray]) -> np.ndarray:
        combined = (
            ("all", rule.get("all")),
            ("any", rule.get("any")),
            ("first_known", rule.get("first_known")),
        )
        for kind, parts in combined:
            if parts is not None:
                return _combined(kind, [self._judged(part, cells) for part in parts])
        if "column" not in rule:
            return np.full(1, np.nan)
        return self._condition(rule, cells[self._place[rule["column"]]])

    def _condition(self, rule: RuleDocument, value: np.ndarray) -> np.ndarray:
        codes = self._named[rule["column"]].codes
        if "missing_as" in rule:
            value = np.where(np.isnan(value), codes.get(rule["missing_as"], np.nan), value)
        for level in rule.get("unknown", ()):
            value = np.where(value == codes.get(level, np.nan), np.nan, value)
        met = np.ones(len(value), dtype=bool)
        if "among" in rule:
            met &= np.isin(value, [codes.get(level, np.nan) for level in rule["among"]])
        if "low" in rule:
            met &= value >= rule["low"]
        if "high" in rule:
            met &= value <= rule["high"]
        if "above" in rule:
            met &= value > rule["above"]
        if "below" in rule:
            met &= value < rule["below"]
        return np.where(np.isnan(value), np.nan, met)


def _columns_asked(criterion: CriterionDocument) -> Iterator[str]:
    yield from _columns_in(criterion["rule"])
    yield from _columns_in(criterion.get("applies_if", {}))


def _columns_in(rule: RuleDocument) -> Iterator[str]:
    if "column" in rule:
        yield rule["column"]
    for parts in (rule.get("all"), rule.get("any"), rule.get("first_known")):
        for part in parts or ():
            yield from _columns_in(part)


def _combined(kind: str, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Combine rules, each of shape (n,) or (1,), and 1, 0 or NaN."""
    if kind == "first_known":
        return reduce(lambda known, part: np.asarray(np.where(np.isnan(known), part, known)), parts)
    decides = 0.0 if kind == "all" else 1.0
    decided = reduce(np.logical_or, [part == decides for part in parts])
    unknown = reduce(np.logical_or, [np.isnan(part) for part in parts])
    return np.where(decided, decides, np.where(unknown, np.nan, 1.0 - decides))


class _RiskInterval:
    """The interval of a patient's risk: `width` standard deviations of the log-odds on either side.

    The variance of a patient with the standardised columns z is ``|spread (1, z)|^2 + rest^2``: how models
    learned from other samples of patients differ, as the packaging of the model described them.
    """

    def __init__(self, interval: IntervalDocument) -> None:
        spread = np.asarray(interval["spread"], dtype=float)
        self._constant, self._spread = spread[:, 0], np.ascontiguousarray(spread[:, 1:].T)
        self._rest, self._width = interval["rest"], interval["width"]

    def half_width(self, standard: np.ndarray, apart: np.ndarray) -> np.ndarray:
        """Return half the interval on the log-odds, shape (n,), of standardised columns (n, columns).

        `apart`, shape (n, directions), is room for the way.
        """
        np.matmul(standard, self._spread, out=apart)
        apart += self._constant
        return np.asarray(self._width * np.sqrt(np.einsum("ij,ij->i", apart, apart) + self._rest**2))


class _Support:
    """Whether a row resembles the training patients.

    The Mahalanobis distance of the completed columns, with a shrunken covariance, must not exceed a limit
    learned on held-out training patients; a level that next to no training patient had is named, too.
    """

    def __init__(self, model: PcrModel, support: SupportDocument) -> None:
        encoding = model.document["encoding"]
        self._root = np.asarray(support["root"], dtype=float)
        self._limit = float(support["limit"])
        self._blocks, self._usual = model.blocks, support.get("assays", {})
        self._owner = [column["feature"] for column in encoding["columns"]]
        inputs = {feature["name"]: feature for feature in model.document["features"]}
        places = {name: k for k, name in enumerate(inputs)}
        rare = [
            (places[name], inputs[name]["levels"].index(level), name)
            for name, levels in support["rare"].items()
            for level in levels
        ]
        self._rare = [(place, code, _reason("rare_level", name)) for place, code, name in rare]

    def unlike(
        self, standard: np.ndarray, assays: Mapping[str, np.ndarray], white: np.ndarray
    ) -> Iterator[tuple[int, Reason]]:
        """Yield the position of every row that is unlike the training patients, and the reason.

        Parameters
        ----------
        standard : array, shape (n, columns)
            See `PcrModel.standardised`.
        assays : mapping of str to array of shape (n, p)
            See `PcrModel.assay_values`.
        white : array, shape (n, columns)
            Room for the way.
        """
        np.matmul(standard, self._root, out=white)
        far = np.einsum("ij,ij->i", white, white) > self._limit**2
        strange = {name: self._strange(name, values) for name, values in assays.items()}
        for row in np.flatnonzero(np.logical_or.reduce([far, *strange.values()])):
            names = [name for name, where in strange.items() if where[row]]
            if far[row]:
                share = standard[row] * (self._root @ white[row])
                names += [self._owner[k] for k in np.argsort(-share, kind="stable")[:3]]
            yield int(row), _reason("unlike_training", None, ", ".join(dict.fromkeys(names)))

    def _strange(self, assay: str, values: np.ndarray) -> np.ndarray:
        """Tell which rows have values of an assay as no training patient had."""
        if self._blocks is None or assay not in self._usual:
            return np.zeros(len(values), dtype=bool)
        spread, largest = self._blocks.extent(assay, values)
        usual = self._usual[assay]
        return np.asarray((spread > usual["spread"]) | (largest > usual["largest"]))

    def rare(self, values: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, Reason]]:
        """Yield where each rare level is, and the reason; `values` are those of every input."""
        for place, code, reason in self._rare:
            yield values[place] == code, reason


def _columns_of(data: Any) -> tuple[dict[str, Column], int, str]:
    """Return columns by name, the number of rows, and what is wrong with the whole, if anything."""
    if isinstance(data, pd.DataFrame):
        names = [str(name) for name in data.columns]
        if len(set(names)) < len(names):
            return {}, len(data), _TWICE
        columns = [data.iloc[:, k] for k in range(len(names))]
        few = [isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype) for column in columns]
        cells = [c if kept else c.to_numpy() for c, kept in zip(columns, few, strict=True)]
        return dict(zip(names, cells, strict=True)), len(data), ""
    if isinstance(data, Mapping):
        return _columns_of_mapping(data)
    rows: list[Any] = list(data) if _is_column(data) else [data]
    if not all(isinstance(row, Mapping) for row in rows):
        return {}, len(rows), "not a row of named inputs"
    named = [{str(name): value for name, value in row.items()} for row in rows]
    if any(len(row) < len(sent) for row, sent in zip(named, rows, strict=True)):
        return {}, len(rows), _TWICE
    every = dict.fromkeys(name for row in named for name in row)
    return {name: _objects([row.get(name) for row in named]) for name in every}, len(rows), ""


def _columns_of_mapping(data: Mapping[Any, Any]) -> tuple[dict[str, Column], int, str]:
    """Return the columns of one row, or of columns, by name."""
    if len({str(name) for name in data}) < len(data):
        return {}, 1, _TWICE
    held = [_is_column(value) for value in data.values()]
    if not any(held):
        return {str(name): _objects([value]) for name, value in data.items()}, 1, ""
    lengths = {len(value) for value in data.values()} if all(held) else set()
    if len(lengths) != 1:
        return {}, 1, "the columns are not of one length"
    return {str(name): _objects(value) for name, value in data.items()}, lengths.pop(), ""


def _is_column(value: Any) -> bool:
    """Tell whether something holds several cells or rows."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _objects(values: Any) -> np.ndarray:
    """Return values as a one-dimensional array of objects, whatever they are."""
    array = np.empty(len(values), dtype=object)
    array[:] = [*values]
    return array


def _plain_numbers(values: Any) -> np.ndarray | None:
    """Return a column as floats where it holds numbers and blanks only; None where cells must be read."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiuO":
        return None
    if values.dtype.kind == "O" and not set(map(type, values.tolist())) <= {float, int, type(None)}:
        return None
    try:
        return values.astype(float, copy=False)
    except OverflowError:
        return None


def _distinct(values: Any) -> tuple[np.ndarray, list[Any]]:
    """Return a code for every cell, -1 for blanks, and the cell of each code.

    Types that compare equal are kept apart: True is not 1.
    """
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(), values.cat.categories.tolist()
    if isinstance(values, pd.Series):
        codes, kinds = values.factorize()
        return codes, list(kinds)
    # Of moments and durations `tolist` makes numbers.
    cells = list(values) if isinstance(values, list) or values.dtype.kind in "mM" else values.tolist()
    if set(map(type, cells)) <= {str, float, type(None)}:
        codes, kinds = pd.factorize(np.asarray(values, dtype=object))
        return codes, list(kinds)
    return np.arange(len(cells)), cells


def _is_empty(value: Any) -> bool:
    """Tell whether a cell says nothing."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, str) and value.strip() in _EMPTY


def _blank(values: Column) -> np.ndarray:
    """Tell which cells of a column say nothing."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return np.asarray(np.isnan(values))
    codes, kinds = _distinct(values)
    return np.asarray(np.array([*map(_is_empty, kinds), True])[codes])


def _text(value: str | float | np.number) -> str:
    """Return a level as text; 2.0, as a table with gaps gives it, is the level 2."""
    if isinstance(value, str):
        return value.strip() if len(value) <= _LONGEST else ""
    number = _number(value)
    if not math.isfinite(number):
        return ""
    return str(int(number)) if number == int(number) else str(value)


def _number(value: Any) -> float:
    """Return a cell as a float, NaN where it is none."""
    try:
        # Python reads 1_000 as a number; a table that says so is wrong.
        return (
            math.nan if isinstance(value, str) and ("_" in value or len(value) > _LONGEST) else float(value)
        )
    except (ValueError, OverflowError):
        return math.nan


def _bound(limit: float | None) -> str:
    return "any" if limit is None else str(limit)


def _or_none(values: np.ndarray) -> np.ndarray:
    """Return numbers as objects, None in place of NaN, which JSON has not."""
    numbers = values.astype(object)
    numbers[np.isnan(values)] = None
    return numbers


def _texts(kinds: Sequence[str], places: np.ndarray) -> pd.Series:
    """Return a column of text, each by its place among the kinds."""
    return pd.Series(pd.array(kinds, dtype="str").take(places))


def _categories(kinds: Sequence[str | None], places: np.ndarray) -> pd.Categorical:
    """Return a column of few texts by their places among the kinds, which may be alike; None is missing."""
    names = dict.fromkeys(kind for kind in kinds if kind is not None)
    codes = {name: code for code, name in enumerate(names)}
    which = np.array([-1 if kind is None else codes[kind] for kind in kinds])
    # That they differ is told sooner of objects than of pandas' own text.
    return pd.Categorical.from_codes(which[places], pd.Index([*names], dtype=object))


if __name__ != "models.serving.serving" and "mlflow" in sys.modules:
    # MLflow runs this file by itself when it loads the model ("models from code"), and asks for the object.
    from mlflow.models import set_model
    from mlflow.pyfunc import PythonModel

    class ServedModel(PythonModel):
        """What MLflow calls: checks and loads the model's own files, and predicts."""

        def load_context(self, context: Any) -> None:
            """Read the model's files, once, if they are those that were registered."""
            expected = (context.model_config or {}).get("model_digest")
            self.model = read_model(Path(context.artifacts["model"]).parent, expected)

        # Of this type of input MLflow makes no schema, which it must not have: one bad cell would refuse
        # every row. (Without any type it warns on every start.)
        def predict(
            self,
            context: Any,  # noqa: ARG002 - MLflow's signature
            model_input: pd.DataFrame,
            params: dict[str, Any] | None = None,
        ) -> pd.DataFrame:
            """Answer the rows; see `PcrModel.predict`."""
            return self.model.predict(model_input, params)

    set_model(ServedModel())
