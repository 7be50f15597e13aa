"""Predict pCR from a model document: the one file that predicts, in the pipeline and wherever it is served.

A registered model is three readable files: ``model.json`` (this module's *document*), ``booster.txt``
(LightGBM's own text, where boosting is used) and this file. It needs numpy and pandas, and LightGBM only for
a boosted model; it imports nothing of the project, reads nothing outside its folder and opens no connection.

The answer is the probability of pCR under care as delivered in the patient's arm. It is not a treatment
recommendation.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

OUTPUTS = ["pcr_probability", "status", "reasons", "not_a_recommendation", "landmark", "explanation"]
_EMPTY = ("", "nan", "NaN", "None", "NA", "<NA>")


def read_model(folder: Path) -> PcrModel:
    """Return the model stored in `folder` (model.json and, for a boosted model, booster.txt)."""
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    booster = folder / "booster.txt"
    return PcrModel(document, booster.read_text(encoding="utf-8") if booster.exists() else None)


def spline_basis(x: np.ndarray, knots: Sequence[float]) -> np.ndarray:
    """Return the k-2 non-linear terms of a restricted cubic spline, shape (n, k-2).

    Formula and scaling of Harrell, Regression Modeling Strategies, 2nd ed., equation 2.25: the linear term is
    not part of the result, and terms are divided by the squared distance of the outer knots.
    """
    k = np.asarray(knots, dtype=float)
    last, before = k[-1], k[-2]

    def cube(knot: float) -> np.ndarray:
        return np.maximum(x - knot, 0.0) ** 3

    width = last - before
    terms = [
        cube(knot) - cube(before) * (last - knot) / width + cube(last) * (before - knot) / width
        for knot in k[:-2]
    ]
    return np.asarray(np.column_stack(terms) / (last - k[0]) ** 2)


class PcrModel:
    """A fitted model as data: encode, impute, predict on the log-odds, calibrate, explain.

    Parameters
    ----------
    document : dict
        The content of model.json: ``features`` (inputs with levels and ranges), ``encoding`` (columns, means,
        scales, limits, imputation weights), ``linear`` or ``boosting``, and ``calibration``.
    booster_text : str, optional
        LightGBM's text of the booster; needed when the document has ``boosting``.

    Raises
    ------
    ValueError
        If the document asks for a booster and none is given.
    """

    def __init__(self, document: Mapping[str, Any], booster_text: str | None = None) -> None:
        self.document = document
        self.features = [feature["name"] for feature in document["features"]]
        self._encoding = {
            key: np.asarray(document["encoding"][key], dtype=float)
            for key in ("mean", "scale", "low", "high", "imputation")
        }
        self._columns = document["encoding"]["columns"]
        self._owner = np.array(
            [self.features.index(column["feature"]) for column in self._columns], dtype=int
        )
        self._used = {column["feature"] for column in self._columns}
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
        """Return `encoded` with every missing value replaced by its regression on the observed columns."""
        missing = np.isnan(encoded)
        return np.where(missing, self.imputed(encoded), encoded) if missing.any() else encoded

    def imputed(self, encoded: np.ndarray) -> np.ndarray:
        """Return the regression of every column on the other columns observed, for known values as well.

        The regressions were learned without the outcome in the training part; a predictor that is itself
        missing stands at its mean, and an imputed value stays inside the range seen in training.
        """
        learned = self._encoding
        standard = np.where(np.isnan(encoded), 0.0, (encoded - learned["mean"]) / learned["scale"])
        expected = (standard @ learned["imputation"].T) * learned["scale"] + learned["mean"]
        return np.asarray(np.clip(expected, learned["low"], learned["high"]))

    def log_odds(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the calibrated log-odds of pCR, shape (n,)."""
        columns = self.complete(self.encode(frame))
        if self.booster is None:
            linear = self.document["linear"]
            margin = linear["intercept"] + self.terms(columns) @ np.asarray(linear["coefficients"])
        else:
            margin = self.booster.predict(columns, raw_score=True, num_threads=1)
        calibration = self.document["calibration"]
        return np.asarray(calibration["intercept"] + calibration["slope"] * margin, dtype=float)

    def probability(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probability of pCR under care as delivered in the arm, shape (n,)."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.log_odds(frame))), dtype=float)

    def contributions(self, frame: pd.DataFrame) -> tuple[np.ndarray, float]:
        """Return SHAP values on the calibrated log-odds, shape (n, features), and the base value.

        Rows add up: ``base + values.sum(axis=1) == log_odds``. Boosted models: path-dependent TreeSHAP.
        Linear models: interventional SHAP with independent columns, exact for the products too: for a term
        a*b, phi_a = (a E[b] - E[ab] + ab - E[a] b) / 2. A missing value's contribution is that of the value
        imputed for it.
        """
        columns = self.complete(self.encode(frame))
        if self.booster is None:
            per_column, base = self._linear_contributions(columns)
        else:
            parts = self.booster.predict(columns, pred_contrib=True, num_threads=1)
            per_column, base = parts[:, :-1], float(parts[0, -1]) if len(parts) else 0.0
        calibration = self.document["calibration"]
        values = self.by_feature(per_column) * calibration["slope"]
        return values, calibration["intercept"] + calibration["slope"] * base

    def by_feature(self, per_column: np.ndarray) -> np.ndarray:
        """Return contributions of encoded columns, shape (n, columns), summed into those of features."""
        values = np.zeros((len(per_column), len(self.features)))
        np.add.at(values.T, self._owner, per_column.T)
        return values

    def terms(self, columns: np.ndarray) -> np.ndarray:
        """Return the standardised design of a linear model, shape (n, terms)."""
        linear = self.document["linear"]
        design = [_term(columns, term) for term in linear["terms"]]
        standard = (np.column_stack(design) - np.asarray(linear["mean"])) / np.asarray(linear["scale"])
        return np.asarray(standard)

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
            mean_a, mean_b = self._encoding["mean"][first], self._encoding["mean"][second]
            values[:, first] += weight * (a * mean_b - mean + a * b - mean_a * b) / 2
            values[:, second] += weight * (b * mean_a - mean + a * b - mean_b * a) / 2
        return values, float(linear["intercept"])

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Answer every row, in order; a row that cannot be answered is rejected with its reasons.

        Parameters
        ----------
        data : DataFrame, dict of columns, or list of rows
            A row per patient in the names and units of ``features``.
        params : dict, optional
            ``explain`` (bool) adds the largest contributions on the log-odds.

        Returns
        -------
        DataFrame
            ``pcr_probability`` (None where rejected), ``status`` (ok, missing_inputs, rejected), ``reasons``,
            ``not_a_recommendation`` (always true), ``landmark``, ``explanation`` (empty unless asked for).
        """
        rows = _as_frame(data)
        clean, rejected, reasons = self._check(rows)
        probability = np.full(len(rows), np.nan)
        kept = np.flatnonzero(~rejected)
        explanation = [""] * len(rows)
        if len(kept):
            answerable = clean.iloc[kept]
            probability[kept] = self.probability(answerable)
            if params and params.get("explain"):
                for position, text in zip(kept, self._explain(answerable), strict=True):
                    explanation[position] = text
        status = np.where(rejected, "rejected", np.where([bool(r) for r in reasons], "missing_inputs", "ok"))
        return pd.DataFrame(
            {
                "pcr_probability": pd.Series(
                    [None if np.isnan(p) else float(p) for p in probability], dtype=object
                ),
                "status": status.tolist(),
                "reasons": ["; ".join(row) for row in reasons],
                "not_a_recommendation": True,
                "landmark": self.document["landmark"],
                "explanation": explanation,
            },
            columns=OUTPUTS,
        )

    def _explain(self, frame: pd.DataFrame, most: int = 5) -> list[str]:
        values, base = self.contributions(frame)
        order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :most]
        return [
            json.dumps({"base": base} | {self.features[i]: float(row[i]) for i in best})
            for row, best in zip(values, order, strict=True)
        ]

    def _check(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, list[list[str]]]:
        """Return the readable inputs, which rows are rejected, and the reasons (never a row's values)."""
        clean: dict[str, Any] = {}
        rejected = np.zeros(len(rows), dtype=bool)
        reasons: list[list[str]] = [[] for _ in range(len(rows))]

        def note(where: np.ndarray, reason: str) -> None:
            for position in np.flatnonzero(where):
                reasons[position].append(reason)

        for feature in self.document["features"]:
            name = feature["name"]
            given = rows[name] if name in rows else pd.Series([None] * len(rows), dtype=object)
            values, empty, faults = _read(given, feature)
            clean[name] = values
            for fault, where in faults.items():
                note(where, f"{name}: {fault}")
                rejected |= where
            # What the model does not use is not missed.
            if name in self._used:
                note(empty, f"{name}: missing")
            if feature.get("required"):
                rejected |= empty
        return pd.DataFrame(clean), rejected, reasons


def _term(columns: np.ndarray, term: Mapping[str, Any]) -> np.ndarray:
    """Return one term of a linear model: a column, one of its spline terms, or the product of two columns."""
    first = columns[:, term["columns"][0]]
    if len(term["columns"]) == 2:
        return np.asarray(first * columns[:, term["columns"][1]])
    if "knots" in term:
        return np.asarray(spline_basis(first, term["knots"])[:, term["spline"]])
    return np.asarray(first)


def _as_frame(data: Any) -> pd.DataFrame:
    """Return rows as a frame with a fresh index; one dict of single values is one row."""
    if isinstance(data, pd.DataFrame):
        return data.reset_index(drop=True)
    if isinstance(data, Mapping):
        single = not any(
            isinstance(value, Sequence | np.ndarray) and not isinstance(value, str) for value in data.values()
        )
        return pd.DataFrame([data] if single else data).reset_index(drop=True)
    return pd.DataFrame(list(data))


def _read(
    given: pd.Series, feature: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return an input's values, where it is empty, and where it is faulty by kind of fault."""
    raw = given.to_numpy(dtype=object)
    text = given.astype(str).str.strip().to_numpy(dtype=object)
    empty = np.asarray(pd.isna(raw) | np.isin(text.astype(str), _EMPTY), dtype=bool)
    if feature["kind"] == "categorical":
        values = text.copy()
        unknown = ~empty & ~np.isin(text.astype(str), feature["levels"])
        values[empty | unknown] = np.nan
        return values, empty, {f"not one of {', '.join(feature['levels'])}": unknown}
    number = pd.to_numeric(given, errors="coerce").to_numpy(dtype=float, na_value=np.nan, copy=True)
    number[empty] = np.nan
    unreadable = ~empty & ~np.isfinite(number)
    low, high = feature.get("low"), feature.get("high")
    below = ~empty & (number < low) if low is not None else np.zeros(len(raw), dtype=bool)
    above = ~empty & (number > high) if high is not None else np.zeros(len(raw), dtype=bool)
    number[unreadable | below | above] = np.nan
    limits = f"outside {low} to {high} {feature.get('unit') or ''}".strip()
    return number, empty, {"not a number": unreadable, limits: below | above}


if __name__ != "models.serving" and "mlflow" in sys.modules:
    # MLflow runs this file by itself when it loads the model ("models from code"), and asks for the object.
    from mlflow.models import set_model
    from mlflow.pyfunc import PythonModel

    class ServedModel(PythonModel):
        """What MLflow calls: loads model.json from the model's own folder, and predicts."""

        def load_context(self, context: Any) -> None:
            """Read the model's files, once."""
            self.model = read_model(Path(context.artifacts["model"]).parent)

        # MLflow takes type hints here for a schema of the input, which it must not have.
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
            """Answer the rows; see `PcrModel.predict`."""
            return self.model.predict(model_input, params)

    set_model(ServedModel())
