"""Stage strategy: the value of each strategy for all and of a policy by baseline features, as randomised."""

from models.measures.common import MeasureDocument
from models.policy import VALUES, PolicyError, arms_of, strategy_model, strategy_values
from models.procedure.analysis_set import randomised_rows
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.landmark_features import landmark_features
from pipeline.project import paths
from pipeline.project.files import write_json
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.FEATURES, paths.FEATURE_LIST, paths.COHORT),
    writes=(paths.STRATEGY,),
    params={
        paths.STUDY: ("allocation",),
        paths.MODELS: ("encoding",),
        paths.VALIDATION: ("level", "seed", "strategy"),
    },
    items=("landmark", "strategy"),
)


def main(run: Run) -> None:
    """Read the baseline features, estimate, write."""
    plan = validation_plan(run.params(paths.VALIDATION))
    arms = arms_of(run.study().allocation, run.items["strategy"])
    model = strategy_model(
        landmark_features(run.json(paths.FEATURE_LIST)),
        model_settings(run.params(paths.MODELS)),
        plan,
        run.landmark,
    )
    rows, outcome = randomised_rows(run.table(paths.FEATURES), run.table(paths.COHORT))
    try:
        found = strategy_values(
            rows,
            outcome.to_numpy(dtype=float),
            arms,
            model,
            folds=plan.strategy.folds,
            seed=plan.seed,
            delta=plan.strategy.delta,
            level=plan.level,
        )
    except PolicyError as error:
        measures: dict[str, MeasureDocument] = {name: {"error": str(error)} for name in VALUES}
    else:
        measures = {name: measure.as_dict() for name, measure in found.measures.items()}
    counts: dict[str, MeasureDocument] = {
        "n": {"value": len(rows)},
        "outcome_missing": {"value": int(outcome.isna().sum())},
    }
    write_json(run.path(paths.STRATEGY), {f"{arms.treated}-{arms.reference}": counts | measures})


if __name__ == "__main__":
    STAGE.run(main)
