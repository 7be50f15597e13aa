"""Stage compare: paired differences at every landmark, and what each domain and landmark adds.

The declared primary comparison comes first; everything else is descriptive.
"""

from pathlib import Path

import pandas as pd

from models.evaluation.comparison import (
    added_by_domains,
    differences,
    on_common_patients,
    primary_comparison,
)
from models.plan import validation_plan
from pipeline.project.files import read_yaml, stage_paths, write_json


def main() -> None:
    """Read all predictions, compare, write."""
    args = stage_paths(__doc__ or "", "study", "validation", "predictions", "domains", "cohort", "comparison")
    study, plan = read_yaml(args.study), validation_plan(read_yaml(args.validation))
    arm = pd.read_parquet(args.cohort).set_index("usubjid")["arm"]

    def of(folder: Path) -> dict[str, pd.DataFrame]:
        return {name: pd.read_parquet(folder / f"{name}.parquet") for name in study["landmarks"]}

    predictions = of(args.predictions)
    by_landmark = {name: differences(frame, arm, plan) for name, frame in predictions.items()}
    domains = {name: added_by_domains(frame, plan) for name, frame in of(args.domains).items()}
    found = {"primary": primary_comparison(study, by_landmark), **by_landmark, "domains": domains}
    write_json(args.comparison, found | {"common_patients": on_common_patients(predictions, plan)})


if __name__ == "__main__":
    main()
