"""Stage explain: out-of-fold SHAP values of every landmark, checked for additivity; how stable they are."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from models.explanation import attribution
from models.explanation.interactions import interaction_strengths
from models.explanation.out_of_fold import explain_out_of_fold
from models.procedure.backends import workers
from pipeline.project.files import read_json, read_yaml, replacing, stage_paths, write_json, write_table
from pipeline.project.rounding import rounded

TOLERANCE = 1e-9


def summarise(
    explained: pd.DataFrame,
    values: pd.DataFrame,
    description: Mapping[str, Any],
    cohort: pd.DataFrame,
    branches: pd.Series | None,
    settings: Mapping[str, Any],
    *,
    seed: int,
    level: float,
) -> dict[str, Any]:
    """Return what the SHAP values of a landmark say as a whole, with intervals over resamples.

    Parameters
    ----------
    explained : DataFrame
        Out-of-fold contributions of all repeats.
    values : DataFrame
        One row per patient with ``usubjid`` and the features.
    description : mapping
        The landmark's features/<landmark>.json.
    cohort : DataFrame
        usubjid, siteid, arm.
    branches : Series or None
        Protocol branch of each patient, index usubjid.
    settings : mapping
        configs/report_pages.yaml.
    """
    of = settings["explanation"]
    features = description["features"]
    people = cohort.set_index("usubjid")
    weights = attribution.resample_weights(
        explained, people["siteid"], of["resamples"], np.random.default_rng(seed)
    )
    seen = values.set_index("usubjid").loc[explained["usubjid"]].reset_index(drop=True)
    first = (explained["repeat"] == explained["repeat"].min()).to_numpy()
    domains = {
        domain: [f["name"] for f in features if f["domain"] == domain]
        for domain in dict.fromkeys(f["domain"] for f in features)
    }
    biology = {b["name"]: attribution.matching(features, b["features"]) for b in settings["biology"]}
    biology = {name: columns for name, columns in biology.items() if columns}
    left_out = description["landmark"] in settings["allocated_at"] and branches is not None
    expected = [e for e in settings["expected"] if not (left_out and e.get("allocates"))]
    splits = {"arm": explained["usubjid"].map(people["arm"])}
    if branches is not None:
        splits["branch"] = explained["usubjid"].map(branches)
    ranking = attribution.importance(
        explained,
        features,
        people["siteid"],
        weights,
        level=level,
        top=of["top"],
        min_centre_patients=of["min_centre_patients"],
    )
    return {
        "resamples": of["resamples"],
        "level": level,
        "centres": int(people["siteid"].reindex(explained["usubjid"].unique()).nunique()),
        "top": of["top"],
        "min_centre_patients": of["min_centre_patients"],
        "domains": _records(attribution.group_importance(explained, domains, weights, level)),
        "features": _records(ranking),
        "biology": [
            row | {"members": biology[row["group"]]}
            for row in _records(attribution.group_importance(explained, biology, weights, level))
        ],
        "splits": {
            name: _records(attribution.by_group(explained, domains, split, weights, level))
            for name, split in splits.items()
        },
        "clusters": attribution.clusters(explained[first], seen[first], features, of["clustered_from"]),
        "left_out": [e["name"] for e in settings["expected"] if left_out and e.get("allocates")],
        "directions": attribution.directions(explained, seen, features, expected, weights, level),
        "curves": _curves(explained, seen, features, weights, of, level),
        "curves_by": {
            part: _curves(
                explained, seen, features, weights, of, level, (seen[of["split_by"]] == part).to_numpy()
            )
            for part in next((f["levels"] for f in features if f["name"] == of["split_by"]), [])
        },
    }


def _curves(
    explained: pd.DataFrame,
    seen: pd.DataFrame,
    features: Sequence[Mapping[str, Any]],
    weights: np.ndarray,
    of: Mapping[str, Any],
    level: float,
    rows: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return each feature's mean contribution along its values, for all or for some rows."""
    chosen = slice(None) if rows is None else np.flatnonzero(rows)
    inside = weights[:, chosen]
    return {
        f["name"]: attribution.dependence(
            explained[f["name"]].to_numpy()[chosen],
            seen[f["name"]].iloc[chosen],
            inside,
            level=level,
            knots=of["spline_knots"],
            few=of["few_values"],
            points=of["curve_points"],
        )
        for f in features
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them: NaN becomes null."""
    return [
        {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def explain(args: Namespace, landmark: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the contributions at a landmark, and what they say as a whole."""
    fits = read_json(args.fits / f"{landmark}.json.gz")
    settings, validation = read_yaml(args.settings), read_yaml(args.validation)
    values = pd.read_parquet(args.features / f"{landmark}.parquet")
    predictions = pd.read_parquet(args.predictions / f"{landmark}.parquet")
    explained = explain_out_of_fold(
        fits["fits"], values, predictions, model=fits["model"], tolerance=TOLERANCE
    )
    rules = pd.read_parquet(args.rules / f"{landmark}.parquet")
    branches = rules.set_index("usubjid")["protocol_branch"] if "protocol_branch" in rules else None
    summary = summarise(
        explained,
        values,
        read_json(args.features / f"{landmark}.json"),
        pd.read_parquet(args.cohort),
        branches,
        settings,
        seed=validation["seed"],
        level=validation["level"],
    )
    strengths = interaction_strengths(
        fits["fits"],
        values,
        predictions,
        model=fits["model"],
        patients=settings["explanation"]["interaction_patients"],
    )
    summary["interactions"] = strengths[: settings["explanation"]["interactions"]]
    return explained, rounded(summary)


def main() -> None:
    """Explain every landmark in a process of its own, write."""
    args = stage_paths(
        __doc__ or "", "study", "features", "fits", "predictions", "cohort", "rules", "settings",
        "validation", "shap",
    )  # fmt: skip
    landmarks = read_yaml(args.study)["landmarks"]
    found = Parallel(n_jobs=workers())(delayed(explain)(args, landmark) for landmark in landmarks)
    with replacing(args.shap) as new:
        new.mkdir()
        for landmark, (explained, summary) in zip(landmarks, found, strict=True):
            write_table(new / f"{landmark}.parquet", explained)
            write_json(new / f"{landmark}.json", summary)


if __name__ == "__main__":
    main()
