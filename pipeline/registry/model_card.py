"""The model card that travels with a model."""

from collections.abc import Mapping
from typing import Any

SIMULATED = "SIMULATED DATA - no patients"
ESTIMAND = "probability of pCR under care as delivered in the patient's arm"


def model_card(document: Mapping[str, Any]) -> str:
    """Return card.md: what the model answers, for whom, from what, and what it does not say."""
    training = document["training"]
    arms = "\n".join(
        f"| {arm} | {count['patients']} | {count['events']} |" for arm, count in training["by_arm"].items()
    )
    inputs = "\n".join(
        f"| `{f['name']}` | {f['domain']} | {f['unit'] or ', '.join(f['levels'] or [])} | {f['known_at']} |"
        for f in document["features"]
    )
    banner = f"**{SIMULATED}.** These figures say nothing clinical.\n\n" if document["simulated"] else ""
    return f"""# {document["model"]}

{banner}Estimates the {document["estimand"]}, at landmark `{document["landmark"]}`, with pCR defined as
{document["outcome"]}. It is not a treatment recommendation, and says nothing on what another treatment
would do.

Candidate: {document["candidate"]} ({document["tuned"]}), chosen, tuned and calibrated by nested resampling.

| arm | patients | pCR |
|---|---|---|
{arms}
| all | {training["patients"]} | {training["events"]} |

Performance is in the run's `metrics`, from out-of-fold predictions of the same procedure. Inputs are checked
row by row; missing inputs are imputed by regression on the others, and named in the answer.

## Inputs

| name | domain | unit or levels | known at |
|---|---|---|---|
{inputs}
"""
