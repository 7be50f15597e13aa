"""Stage explain: out-of-fold SHAP values of the chosen candidate at one landmark, checked for additivity."""

import pandas as pd

from models.explanation import explain_out_of_fold
from pipeline.files import read_json, stage_paths, write_table

TOLERANCE = 1e-9


def main() -> None:
    """Read fits and predictions, explain, write."""
    args = stage_paths(__doc__ or "", "features", "fits", "predictions", "shap")
    fits = read_json(args.fits)
    explained = explain_out_of_fold(
        fits["fits"],
        pd.read_parquet(args.features),
        pd.read_parquet(args.predictions),
        model=fits["model"],
        tolerance=TOLERANCE,
    )
    write_table(args.shap, explained)


if __name__ == "__main__":
    main()
