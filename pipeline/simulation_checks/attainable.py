"""The best attainable AUC in a simulated study, approximately: `make attainable`.

A flexible model (LightGBM on the true probabilities of very many simulated patients) knows about all that the
features can tell; its AUC in other patients is what no model of the trial can pass by much. It is an
approximation from below, and is written with the digest of the simulation that it belongs to.
"""

import lightgbm
import numpy as np
import pandas as pd
from rich.progress import track

from models.measures.evaluate import population_values
from models.procedure.backends import workers
from models.procedure.configuration.settings import EncodingSettings
from models.procedure.encoding import learn_encoding
from models.procedure.landmark_features import LandmarkFeature, as_documents, landmark_features
from models.serving.serving import PcrModel
from pipeline.console import reported_errors, stderr, stdout
from pipeline.project.files import read_json, stage_paths, write_json
from pipeline.simulation_checks.plan import AttainablePlan, read_plan
from pipeline.simulation_checks.populations import (
    block_sizes,
    blocks,
    digest,
    read_simulation_spec,
    split_truth,
)


def flexible_risk(
    learn: pd.DataFrame, judge: pd.DataFrame, features: list[LandmarkFeature], settings: AttainablePlan
) -> np.ndarray:
    """Return the risk of every patient of `judge` by a model of the true risks in `learn`, shape (n,).

    Both are rows of `simulated_rows` with an outcome.
    """
    encoding = learn_encoding(learn, features, EncodingSettings(1, 1.0, 1.0))
    coder = PcrModel({"features": as_documents(features), "encoding": encoding})
    visible, truth = split_truth(learn)
    parameters = settings.boosting | {
        "objective": "cross_entropy", "verbosity": -1, "num_threads": workers(), "seed": settings.seed,
        "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    booster = lightgbm.train(
        parameters, lightgbm.Dataset(coder.encode(visible), label=truth["p"]), settings.rounds
    )
    p = booster.predict(coder.encode(split_truth(judge)[0]))
    return np.asarray(np.clip(p, 1e-6, 1 - 1e-6))


def flexible_auc(
    learn: pd.DataFrame, judge: pd.DataFrame, features: list[LandmarkFeature], settings: AttainablePlan
) -> float:
    """Return the population AUC in `judge` of a model learned from `learn` (rows of `simulated_rows`)."""
    learn, judge = (rows.loc[rows["outcome"].notna()] for rows in (learn, judge))
    p = flexible_risk(learn, judge, features, settings)
    return population_values(split_truth(judge)[1]["p"], p, ["auc"])["auc"]


def main() -> None:
    """Simulate, learn, judge, write."""
    args = stage_paths(__doc__ or "", "study", "configs", "settings", "features", "out")
    with reported_errors():
        settings = read_plan(args.settings).attainable
        spec = read_simulation_spec(args.study, args.configs)
        landmarks = list(spec.study.landmark_names)
        sizes = block_sizes(settings.learn) + block_sizes(settings.judge)
        made = blocks(spec, sizes, settings.seed, landmarks)
        parts = list(track(made, description="simulating", total=len(sizes), console=stderr()))
    cut = len(block_sizes(settings.learn))
    found = {}
    for landmark in landmarks:
        learn, judge = (
            pd.concat([part[landmark] for part in some], ignore_index=True)
            for some in (parts[:cut], parts[cut:])
        )
        features = landmark_features(read_json(args.features / f"{landmark}.json"))
        auc = flexible_auc(learn, judge, features, settings)
        found[landmark] = {"value": auc, "learned_from": len(learn), "judged_in": len(judge)}
        stdout().print(f"{landmark}: {auc:.4f}")
    write_json(args.out, {"spec": digest(spec), "landmarks": found})


if __name__ == "__main__":
    main()
