"""The cards of a model: what it is for, how well it predicts, and how to make it again.

`model_card` travels with the model's files and says what is known once it is fitted; `version_card` describes
the registered version and adds how the model was judged. What both say is written once.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from models.procedure.configuration.settings import INTERCEPT
from models.serving.serving import EligibilityDocument, ModelDocument
from pipeline.markdown import escaped, table_lines
from pipeline.project.estimates import Measures, estimate_text
from pipeline.wording import IMPUTED, NOT_AN_ANSWER, NOTHING_CLINICAL, SIMULATED

NO_MODEL = "# No model at "
"""How the card of a landmark begins at which no model was learned; the reason follows."""
PERFORMANCE = ("auc", "brier", "log_loss", "calibration_slope", "o_e", "ici")
ELSEWHERE = ("auc", "calibration_slope", "o_e", "ici")
RULES_INPUTS = "inputs of the rules"


@dataclass(frozen=True)
class Evaluation:
    """How a landmark's model was judged; what a study does not have is empty.

    `patients` and `at_risk` are counts, `everybody` is what the patients are, such as randomised patients;
    `model`, `rules` and `rule_inputs` are out of fold; `difference` is model minus `comparator`, `beside`
    model minus `rule_inputs`; `later` and `left_out_centres` are patients whom the model was not learned
    from; `subgroups` holds measures by the name of the group.
    """

    everybody: str
    comparator: str
    patients: int
    at_risk: int
    model: Measures
    rules: Measures
    rule_inputs: Measures
    difference: Measures
    beside: Measures
    later: Measures
    left_out_centres: Measures
    subgroups: Mapping[str, Measures]


def model_card(document: ModelDocument) -> str:
    """Return card.md of a model's folder; `document` is the content of model.json."""
    performance = (
        "Performance is in the run's `metrics`, from out-of-fold predictions of the same procedure. Inputs "
        f"are checked row by row. {IMPUTED}\n"
    )
    parts = [*_head(document), *_procedure(document), *_training(document), performance, *_inputs(document)]
    return "\n".join(parts) + "\n"


def version_card(document: ModelDocument, evaluation: Evaluation, recipe: Iterable[str]) -> str:
    """Return the card as Markdown: the summary first, the inputs last (a description may cut them off).

    Parameters
    ----------
    document : ModelDocument
        The content of model.json.
    recipe : iterable of str
        How the model is made again, a part each (`pipeline.registry.origin.recipe`).
    """
    parts = [
        *_head(document),
        "**Intended use:** to describe prognosis in patients like those of the study, for research.\n",
        *_procedure(document),
        f"Served with {', '.join(document['requirements'])}.",
        *recipe,
        *_patients(document, evaluation),
        *_training(document),
        *_performance(evaluation),
        *_limits(document),
        *_subgroups(evaluation.subgroups),
        *_inputs(document),
    ]
    return "\n".join(parts) + "\n"


def _head(document: ModelDocument) -> Iterator[str]:
    yield f"# {escaped(document['model'])}\n"
    if document["simulated"]:
        yield f"**{SIMULATED}.** {NOTHING_CLINICAL}\n"
    yield (
        f"Estimates the {escaped(document['estimand'])}, at landmark `{document['landmark']}`, with pCR "
        f"defined as {escaped(document['outcome'])}. It is {NOT_AN_ANSWER}.\n"
    )


def _procedure(document: ModelDocument) -> Iterator[str]:
    yield "## How it was made\n"
    candidate = f"{escaped(document['candidate'])} ({escaped(document['tuned'])})"
    recalibrated = document["calibration"] != {"intercept": 0.0, "slope": 1.0}
    calibrated = "and recalibrated " if recalibrated else ""
    yield f"Candidate: {candidate}, tuned, chosen {calibrated}by nested resampling.\n"
    if document["candidate"] == INTERCEPT:
        yield "Nothing could be learned from these patients: the answer is the prevalence, for everybody.\n"
    passed_over = document.get("passed_over", {})
    if passed_over:
        told = "; ".join(f"{escaped(name)} ({escaped(why)})" for name, why in passed_over.items())
        yield f"Passed over: {told}.\n"


def _patients(document: ModelDocument, evaluation: Evaluation) -> Iterator[str]:
    yield "## Patients\n"
    known = f"{document['training']['patients']} with a known outcome"
    whole = f"{evaluation.patients} {evaluation.everybody}"
    yield f"{whole}, {evaluation.at_risk} at risk at the landmark; {known}.\n"


def _training(document: ModelDocument) -> Iterator[str]:
    training = document["training"]
    counts = {**training["by_arm"], "all": training}
    rows = [(arm, count["patients"], count["events"]) for arm, count in counts.items()]
    yield from table_lines(("arm", "patients", "pCR"), rows)
    yield ""


def _performance(evaluation: Evaluation) -> Iterator[str]:
    yield "## Performance\n"
    yield "Of the whole procedure, out of fold, with intervals (slope and O:E tend to 1 by construction):\n"
    judged = {"model": evaluation.model, "rules": evaluation.rules, RULES_INPUTS: evaluation.rule_inputs}
    yield from _measures_table({name: of for name, of in judged.items() if of}, PERFORMANCE)
    for comparator, measures in (
        (evaluation.comparator, evaluation.difference), (RULES_INPUTS, evaluation.beside),
    ):  # fmt: skip
        if measures:
            yield f"\nModel minus {comparator}: log loss {_text(measures, 'delta_log_loss')}.\n"
    if evaluation.later or evaluation.left_out_centres:
        yield "In patients whom the model was not learned from:\n"
        columns = {"later patients": evaluation.later, "left-out centres": evaluation.left_out_centres}
        yield from _measures_table({name: of for name, of in columns.items() if of}, ELSEWHERE)


def _measures_table(columns: Mapping[str, Measures], names: tuple[str, ...]) -> Iterator[str]:
    rows = [(name, *(_text(measures, name) for measures in columns.values())) for name in names]
    yield from table_lines(("measure", *columns), rows)


def _text(measures: Measures, name: str) -> str:
    return estimate_text(measures.get(name))


def _limits(document: ModelDocument) -> Iterator[str]:
    serving = document["serving"]
    yield "\n## Limits\n"
    if interval := serving.get("interval"):
        level = f"{100 * interval['level']:g} %"
        yield (
            f"- `lower` and `upper`, {level}: where models of other samples of patients "
            f"would put the patient's risk ({interval['samples']} bootstrap samples of the whole procedure). "
            "They do not hold the cost of missing inputs."
        )
    else:
        yield "- There is no interval of a patient's risk: too few bootstrap samples gave a model."
    yield f"- {IMPUTED}"
    if support := serving.get("support"):
        limit, share = support["limit"], 100 * support["quantile"]
        yield (
            f"- `out_of_support`: the distance from the training patients exceeds {limit:.1f} ({share:g} % "
            "of held-out training patients lie within it), or a level was rare in training. The answer is "
            "given, and is an extrapolation."
        )
    if eligibility := serving.get("eligibility"):
        yield from _eligibility_limits(eligibility)
    required = ", ".join(map(escaped, serving["required"]))
    yield (
        f"- A row is rejected if {required} is missing, if it holds an outcome or a "
        "value of a later visit, or if a level or number is out of range or in another unit.\n"
    )


def _eligibility_limits(eligibility: EligibilityDocument) -> Iterator[str]:
    if names := ", ".join(escaped(criterion["id"]) for criterion in eligibility["criteria"]):
        yield (
            f"- `ineligible`: the patient is outside the study's eligibility ({names}), as far as the row "
            "tells. No probability, interval or branch is given. A criterion that the row leaves open is "
            "named in the reasons: the number is that of patients who meet it."
        )
    if unserved := ", ".join(map(escaped, eligibility.get("unserved", ()))):
        yield f"- No answer judges these criteria of the study: {unserved}."


def _subgroups(subgroups: Mapping[str, Measures]) -> Iterator[str]:
    if not subgroups:
        return
    yield "## Subgroups, out of fold\n"
    rows = []
    for name, measures in subgroups.items():
        counts = (measures.patients, measures.events) if "auc" in measures else ("too few", "")
        rows.append((name, *counts, _text(measures, "auc"), _text(measures, "o_e")))
    yield from table_lines(("group", "n", "pCR", "AUC", "O:E"), rows)
    yield ""


def _inputs(document: ModelDocument) -> Iterator[str]:
    yield "## Inputs\n"
    rows = [
        (f["name"], f["domain"], f["unit"] or ", ".join(f["levels"] or []), f["known_at"])
        for f in document["features"]
    ]
    yield from table_lines(("name", "domain", "unit or levels", "known at"), rows)


def shortened(card: str, max_characters: int) -> str:
    """Return the whole lines of a card that fit into so many characters, and where the rest is."""
    if len(card) <= max_characters:
        return card
    rest = "\n\nThe whole card: artifact card/card.md of the version's run.\n"
    return card[: card.rindex("\n", 0, max_characters - len(rest))] + rest
