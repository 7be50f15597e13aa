"""The served model: one row by the direct path, 100,000 rows, beside the candidate as CalibratedClassifierCV.

Both are MLflow pyfunc models; the other one is pickled, and checks nothing.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from models.registry import Record, Store, ensure_run, ensure_version, finish_run, loaded_model
from tests.patients import FEATURES, patients
from tests.serving import NAME, write_served_model

ROWS = 100_000


def best_of(times: int, call: Callable[[], object]) -> float:
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return min(found)


def pickled(folder: Path) -> mlflow.pyfunc.PyFuncModel:
    """Return the same boosted candidate as scikit-learn has it, stored and loaded by MLflow."""
    frame, y = patients(300)
    names = [feature["name"] for feature in FEATURES]
    levels = [feature["name"] for feature in FEATURES if feature["kind"] == "categorical"]
    encode = ColumnTransformer([("levels", OneHotEncoder(), levels)], remainder="passthrough")
    boosting = LGBMClassifier(
        n_estimators=10,
        num_leaves=3,
        min_child_samples=10,
        learning_rate=0.2,
        max_bin=15,
        verbose=-1,
        n_jobs=1,
    )
    model = CalibratedClassifierCV(make_pipeline(encode, boosting), method="sigmoid", cv=3).fit(
        frame[names], y
    )
    mlflow.sklearn.save_model(
        model, str(folder), serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba"
    )
    return mlflow.pyfunc.load_model(str(folder))


def main() -> None:
    names = [feature["name"] for feature in FEATURES]
    rows: pd.DataFrame = patients(ROWS, seed=3)[0][names]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        write_served_model(home / "model")
        store = Store(f"sqlite:///{home / 'mlflow.db'}", "bench", home / "mlartifacts")
        with store.locked() as client:
            run, _ = ensure_run(client, store, Record("k", "run", {}, {}, {}))
            ensure_version(client, run, NAME, home / "model", tags={}, example=rows.iloc[0].to_dict(),
                           requirements=["numpy"])  # fmt: skip
            finish_run(client, run, "k")
        served = loaded_model(store, f"models:/{NAME}@candidate")
        desk = served.unwrap_python_model().model.desk
        single = [row.to_dict() for _, row in rows.head(300).iterrows()]
        each = [best_of(1, lambda row=row: desk.answer(row)) for row in single]
        print(
            f"one row, direct path: median {1e3 * np.median(each):.2f} ms, "
            f"p99 {1e3 * np.quantile(each, 0.99):.2f} ms"
        )
        ours = best_of(3, lambda: served.predict(rows))

        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
        other = pickled(home / "pickled")
        theirs = best_of(3, lambda: other.predict(rows))
        print(
            f"{ROWS:,} rows: {ours:.2f} s; CalibratedClassifierCV {theirs:.2f} s; ratio {ours / theirs:.2f}"
        )


if __name__ == "__main__":
    main()
