"""Stage domains: the linear candidate on sets of domains, on the folds of the whole model."""

from models.configuration.plan import validation_plan
from models.configuration.settings import model_settings
from models.procedure.analysis_set import analysis_rows
from models.procedure.domain_predictions import domain_predictions
from models.procedure.landmark_features import landmark_features
from models.procedure.resampling import no_predictions
from pipeline.console import progress
from pipeline.project import paths
from pipeline.project.files import write_tables
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.FEATURES_FOLDER, paths.COHORT, paths.MODELS),
    writes=(paths.DOMAINS,),
    params={
        paths.STUDY: ("landmarks",),
        paths.VALIDATION: ("domains", "folds", "inner_folds", "min_events", "seed"),
    },
)


def main(run: Run) -> None:
    """Read, cross-validate every set at every landmark, write."""
    settings, plan = model_settings(run.yaml(paths.MODELS)), validation_plan(run.params(paths.VALIDATION))
    found = {}
    for landmark in run.study().landmark_names:
        rows, y = analysis_rows(run.table(paths.FEATURES, landmark=landmark), run.table(paths.COHORT))
        features = landmark_features(run.json(paths.FEATURE_LIST, landmark=landmark))
        if plan.too_few(y):
            found[landmark] = no_predictions()
            continue
        found[landmark] = domain_predictions(
            rows, y, features, settings, plan, progress(f"{landmark}, domains")
        )
    write_tables(run.path(paths.DOMAINS), found)


if __name__ == "__main__":
    STAGE.run(main)
