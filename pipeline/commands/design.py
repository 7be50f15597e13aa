"""`pcr design`: the operating characteristics of a trial, as a page, a table and data."""

from pathlib import Path

from rich.markup import escape

from models.design.rows import DesignRow, as_frame
from models.design.settings import DesignPlan, design_plan
from models.design.study import answered, questions
from models.procedure.backends import Backend
from models.procedure.configuration.plan import validation_plan
from pipeline.console import progress, stdout
from pipeline.design import gates
from pipeline.design.page import design_page, scenario_table
from pipeline.project import paths
from pipeline.project.files import read_yaml, write_json, write_table, write_text
from pipeline.project.runtime import read_backend
from pipeline.project.settings import read_settings
from pipeline.report.gates import Criteria
from pipeline.wording import SIMULATED

FEWEST = 20
"""Bootstrap samples of the measures of which the gates read no interval."""


def design(where: Path, out: Path) -> None:
    """Simulate by the plan `where`, write design.html, .csv and .json into `out`, print the scenarios.

    Raises
    ------
    UserError
        If the plan does not exist or says what cannot be, or the back end of configs/runtime.yaml fails.
    """
    plan = design_plan(read_yaml(where), str(where))
    judge = read_judge(plan)
    rows = simulated(plan, judge, read_backend())
    frame = as_frame(rows)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "design.html", design_page(plan, frame, str(where)))
    write_table(out / "design.csv", frame)
    write_json(out / "design.json", rows)
    table = scenario_table(frame).to_string(index=False)
    stdout().print(f"{SIMULATED}\n{escape(table)}", highlight=False, soft_wrap=True)
    stdout().print(f"Page and data: {escape(str(out))}", highlight=False)


def read_judge(plan: DesignPlan) -> gates.Judge:
    """Return how the run judges models, with as few samples of patients as the plan's gates need."""
    few = {"bootstrap": FEWEST, "loess_bootstrap": plan.gates.perfect_models}
    validation = validation_plan(
        read_yaml(Path(paths.VALIDATION)) | few, read_yaml(Path(paths.MEASURES_PLAN))
    )
    return gates.Judge(read_settings(Criteria, Path(paths.GATES)), validation)


def simulated(plan: DesignPlan, judge: gates.Judge, backend: Backend) -> list[DesignRow]:
    """Return everything that the page tells, in the plan's order, however many processes computed it."""
    asked = [*questions(plan), *gates.questions(plan, judge)]
    told = dict(progress("design")(answered(asked, backend), len(asked)))
    return [row for number in range(len(asked)) for row in told[number]]
