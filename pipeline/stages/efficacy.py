"""Stage efficacy: the arms compared as randomised, or where chance did not decide each arm by itself."""

from models.description.plan import description_plan
from models.efficacy.headline import headline
from models.efficacy.study import efficacy
from models.procedure.configuration.plan import validation_plan
from pipeline.project import paths
from pipeline.project.files import write_json
from pipeline.project.stage import Run, Stage

STAGE = Stage(
    reads=(
        paths.RAW, paths.COHORT, paths.DECISIONS, paths.FEATURES_FOLDER, paths.DESCRIPTION_PLAN,
        paths.MEASURES_PLAN,
    ),
    writes=(paths.EFFICACY, paths.EFFICACY_METRICS),
    params={
        paths.STUDY: ("adaptive_arm", "allocation", "arm_comparison", "arms", "landmarks", "randomised"),
        paths.VALIDATION: ("level",),
    },
)  # fmt: skip


def main(run: Run) -> None:
    """Read raw tables, cohort, decisions and baseline features, compare, write."""
    study = run.study()
    plan = validation_plan(run.params(paths.VALIDATION), run.yaml(paths.MEASURES_PLAN))
    document = efficacy(
        study,
        plan.subgroups,
        description_plan(run.yaml(paths.DESCRIPTION_PLAN)).toxicity,
        run.tables(paths.RAW),
        run.table(paths.COHORT),
        run.table(paths.DECISIONS),
        run.table(paths.FEATURES, landmark=study.landmark_names[0]).set_index("usubjid"),
        plan.level,
    )
    write_json(run.path(paths.EFFICACY), document)
    write_json(run.path(paths.EFFICACY_METRICS), headline(document["rows"]))


if __name__ == "__main__":
    STAGE.run(main)
