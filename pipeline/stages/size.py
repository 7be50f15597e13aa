"""Stage size: is the study large enough to learn, and to validate, a model? Riley's criteria.

Keeps the settings of the candidates beside, for those who ask later what was offered.
"""

from models.procedure.analysis_set import analysis_rows
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import model_settings
from models.procedure.landmark_features import landmark_features
from models.sample_size.trial import too_small, trial_size
from pipeline.console import stderr
from pipeline.project import paths
from pipeline.project.files import write_json
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(paths.FEATURES_FOLDER, paths.COHORT, paths.MODELS),
    writes=(paths.SIZE, paths.SETTINGS),
    params={
        paths.STUDY: ("landmarks",),
        paths.VALIDATION: ("level", "model_size", "sample_size"),
    },
)


def main(run: Run) -> None:
    """Count the parameters, apply the criteria, warn where the study is too small, write."""
    models = run.yaml(paths.MODELS)
    settings, plan = model_settings(models), validation_plan(run.params(paths.VALIDATION))
    found = {}
    for landmark in run.study().landmark_names:
        rows, y = analysis_rows(run.table(paths.FEATURES, landmark=landmark), run.table(paths.COHORT))
        features = landmark_features(run.json(paths.FEATURE_LIST, landmark=landmark))
        found[landmark] = trial_size(rows, y, features, settings, plan)
        learned = found[landmark]["development"]
        if "error" not in learned and not learned["enough"]:
            stderr().print(f"[yellow]Warning.[/] {too_small(landmark, learned)}", highlight=False)
    write_json(run.path(paths.SIZE), found)
    write_json(run.path(paths.SETTINGS), {paths.MODELS: models})


if __name__ == "__main__":
    STAGE.run(main)
