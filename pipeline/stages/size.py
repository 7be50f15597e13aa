"""Stage size: is the trial large enough to learn, and to validate, a model? Riley's criteria."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from models.procedure.candidates import linear_terms
from models.procedure.encoding import learn_encoding
from models.sample_size.development import development_sample_size, supported_parameters
from models.sample_size.predictor import normal_predictor
from models.sample_size.validation import validation_sample_size
from models.serving.serving import PcrModel
from pipeline.project.analysis import analysis_rows
from pipeline.project.console import reported_errors, stderr
from pipeline.project.files import read_json, read_yaml, stage_paths, write_json


def candidate_parameters(
    rows: pd.DataFrame, features: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> int:
    """Return the parameters of the linear candidate before any selection: columns, splines, products."""
    learned = settings["encoding"]
    encoding = learn_encoding(
        rows,
        features,
        min_level_patients=learned["min_level_patients"],
        max_missing_share=learned["max_missing_share"],
        shrinkage=learned["imputation_shrinkage"],
    )
    coder = PcrModel({"features": features, "encoding": encoding})
    (linear,) = [entry for entry in settings["candidates"].values() if entry["kind"] == "logistic"]
    return len(linear_terms(encoding, coder.complete(coder.encode(rows)), linear))


def development(
    n: int, prevalence: float, parameters: int, settings: Mapping[str, Any], level: float
) -> dict[str, Any]:
    """Return the criteria for developing a model, what they ask for, and what the patients support."""
    limits = {name: settings[name] for name in ("shrinkage", "optimism", "margin")}
    needed = development_sample_size(parameters, prevalence, settings["c_statistic"], **limits, level=level)
    supported = supported_parameters(n, prevalence, settings["c_statistic"], **limits, level=level)
    found = {"n": n, "prevalence": prevalence, "parameters": parameters, "needed": int(needed["n"].max())}
    found |= {f"needed_{name}": int(n) for name, n in zip(needed["criterion"], needed["n"], strict=True)}
    return found | {"parameters_supported": supported, "enough": int(found["needed"] <= n)}


def validation_size(prevalence: float, settings: Mapping[str, Any], level: float) -> dict[str, int]:
    """Return the patients that an external validation needs for intervals of the configured widths."""
    widths = ("o_e_width", "slope_width", "c_statistic_width", "threshold", "net_benefit_width")
    mean, sd = normal_predictor(prevalence, settings["c_statistic"])
    needed = validation_sample_size(mean, sd, **{name: settings[name] for name in widths}, level=level)
    return {f"needed_{name}": int(n) for name, n in zip(needed["measure"], needed["n"], strict=True)}


def main() -> None:
    """Count the parameters, apply the criteria, warn where the trial is too small, write."""
    args = stage_paths(
        __doc__ or "", "study", "settings", "validation", "features", "cohort", "rules", "size"
    )
    validation, found = read_yaml(args.validation), {}
    settings, level = validation["sample_size"], validation["level"]
    with reported_errors():
        for landmark in read_yaml(args.study)["landmarks"]:
            rows, y = analysis_rows(
                pd.read_parquet(args.features / f"{landmark}.parquet"),
                pd.read_parquet(args.cohort),
                pd.read_parquet(args.rules / f"{landmark}.parquet"),
            )
            described = read_json(args.features / f"{landmark}.json")["features"]
            parameters = candidate_parameters(rows, described, read_yaml(args.settings))
            prevalence = float(y.mean())
            learned = development(len(y), prevalence, parameters, settings, level)
            validating = validation_size(prevalence, settings, level)
            found[landmark] = {"development": learned, "validation": validating}
            if not learned["enough"]:
                stderr().print(f"[yellow]Warning.[/] {too_small(landmark, learned)}", highlight=False)
    write_json(args.size, found)


def too_small(landmark: str, learned: Mapping[str, Any]) -> str:
    """Return the warning that the patients do not support the candidate parameters."""
    return (
        f"{landmark}: {learned['n']} patients support about {learned['parameters_supported']} candidate "
        f"parameters by Riley's criteria; the linear candidate has {learned['parameters']}, which would need "
        f"{learned['needed']} patients. Penalisation and calibration are relied on: see the slopes."
    )


if __name__ == "__main__":
    main()
