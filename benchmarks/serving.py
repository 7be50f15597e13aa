"""The served model on its own inputs: a row by the direct path, 100,000 rows, beside scikit-learn's like.

Needs the artifacts of a run. The candidate of a landmark's model is registered and loaded as consumers do.
Beside it stands the same candidate as people would log it without this project: the same inputs, splines,
products and penalty in a scikit-learn pipeline, calibrated by CalibratedClassifierCV, pickled, with the typed
signature that MLflow infers as its only check. It is measured with missing values imputed by regression, as
the candidate does (IterativeImputer, one round), and by the median, which is the least that it needs.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes IterativeImputer known
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler

from models.serving.records import Record
from models.serving.registry import (
    Release,
    Store,
    download_version,
    ensure_run,
    ensure_version,
    find_version,
    finish_run,
    load_package,
)
from models.serving.serving import read_model
from pipeline.registry.runs import input_example

ROWS = 100_000
TIMES = 5
# Share of cells blanked at random, so that rows miss different inputs, as those of 100,000 patients would.
BLANKED = 0.01


def best_of(times: int, call: Callable[[], object]) -> float:
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return min(found)


def many(frame: pd.DataFrame, count: int = ROWS) -> pd.DataFrame:
    """Return patients drawn with replacement, with further cells missing."""
    rows = frame.sample(count, replace=True, random_state=1).reset_index(drop=True)
    kept = np.random.default_rng(1).random(rows.shape) >= BLANKED
    kept[:, rows.columns.get_loc("arm")] = True
    return rows.where(kept)


def registered(folder: Path, features: Path, home: Path) -> Any:
    """Return the model in `folder` as MLflow loads it from a registry."""
    document = dict(read_model(folder).document)
    store = Store(f"sqlite:///{home / 'mlflow.db'}", "bench", home / "mlartifacts")
    with store.locked() as client:
        run, _ = ensure_run(client, store, Record("k", "run", {}, {}, {}))
        example = input_example(pd.read_parquet(features), document["features"])
        ensure_version(client, run, Release("bench", folder, {}, example))
        finish_run(client, run, "k")
        version = find_version(client, store, "models:/bench@candidate")
        return load_package(download_version(version, home))


def pickled(
    document: Mapping[str, Any], frame: pd.DataFrame, y: np.ndarray, imputer: Any, folder: Path
) -> Any:
    """Return the candidate of `document` in scikit-learn's terms, learned, stored and loaded by MLflow."""
    used = {column["feature"] for column in document["encoding"]["columns"]}
    features = [feature for feature in document["features"] if feature["name"] in used]
    numeric = [feature["name"] for feature in features if feature["kind"] == "numeric"]
    levels = {feature["name"]: feature["levels"] for feature in features if feature["kind"] == "categorical"}
    places = {(name, None): k for k, name in enumerate(numeric)}
    for name, values in levels.items():
        places |= {(name, level): len(places) + k for k, level in enumerate(values)}
    ours = [places[column["feature"], column.get("level")] for column in document["encoding"]["columns"]]
    terms = document["linear"]["terms"]
    products = np.array([[ours[c] for c in term["columns"]] for term in terms if len(term["columns"]) == 2])
    splines = sorted({ours[term["columns"][0]] for term in terms if "knots" in term})
    encode = ColumnTransformer(
        [
            ("numbers", "passthrough", numeric),
            ("levels", OneHotEncoder(categories=[*levels.values()], handle_unknown="ignore",
                                     sparse_output=False), [*levels]),
        ]
    )  # fmt: skip
    design = ColumnTransformer(
        [
            ("columns", "passthrough", slice(0, len(places))),
            ("splines", SplineTransformer(n_knots=4, knots="quantile"), splines),
            ("products", FunctionTransformer(lambda x: x[:, products[:, 0]] * x[:, products[:, 1]]),
             slice(0, len(places))),
        ]
    )  # fmt: skip
    penalty = float(str(document["tuned"]).removeprefix("C="))
    chain = make_pipeline(
        encode, imputer, design, StandardScaler(), LogisticRegression(C=penalty, max_iter=500)
    )
    # Not an ensemble: one model and one calibration, as the candidate has.
    model = CalibratedClassifierCV(chain, method="sigmoid", cv=5, ensemble=False).fit(frame[[*used]], y)
    mlflow.sklearn.save_model(
        model, str(folder), serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba",
        signature=infer_signature(frame[[*used]]),
    )  # fmt: skip
    return mlflow.pyfunc.load_model(str(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts/nct07239271"))
    parser.add_argument("--landmark", default="c2")
    args = parser.parse_args()
    folder, features = (args.artifacts / "models" / args.landmark,
                        args.artifacts / "features" / f"{args.landmark}.parquet")  # fmt: skip
    document = read_model(folder).document
    if "linear" not in document:
        raise SystemExit(f"{folder} is boosted: choose a landmark whose model is logistic")
    names = [feature["name"] for feature in document["features"]]
    frame = pd.read_parquet(features)
    y = frame["usubjid"].map(outcomes(args.artifacts)).to_numpy()
    patients = frame[names]
    warnings.simplefilter("ignore")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
    with tempfile.TemporaryDirectory() as scratch:
        home, rows = Path(scratch), many(patients)
        known = ~np.isnan(y)
        others = {
            name: pickled(document, patients[known], y[known], imputer, home / name)
            for name, imputer in (
                ("regression", IterativeImputer(max_iter=1, random_state=1)),
                ("median", SimpleImputer(strategy="median")),
            )
        }
        served = registered(folder, features, home)
        desk = served.unwrap_python_model().model.desk
        single = [row.to_dict() for _, row in patients.head(500).iterrows()]
        each = [best_of(1, lambda row=row: desk.answer(row)) for row in single]
        terms = len(document["linear"]["terms"])
        print(f"{args.landmark}, {document['candidate']}, {len(names)} inputs, {terms} terms")
        print(
            f"one row, direct path: median {1e3 * np.median(each):.2f} ms, "
            f"p99 {1e3 * np.quantile(each, 0.99):.2f} ms"
        )
        ours = best_of(TIMES, lambda: served.predict(rows))
        print(f"{ROWS:,} rows: {ours:.2f} s")
        for name, other in others.items():
            theirs = best_of(1 if name == "regression" else TIMES, lambda other=other: other.predict(rows))
            print(f"CalibratedClassifierCV, imputing by {name}: {theirs:.2f} s; ratio {ours / theirs:.2f}")


def outcomes(artifacts: Path) -> pd.Series:
    cohort = pd.read_parquet(artifacts / "cohort" / "cohort.parquet")
    return cohort.set_index("usubjid")["outcome"].astype(float)


if __name__ == "__main__":
    main()
