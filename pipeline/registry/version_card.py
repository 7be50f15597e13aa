"""The card of a registered model version: what it is for, how good it is, and how to make it again.

`model_card` writes what is known when the model is fitted; this one adds what was found in judging it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.registry.model_card import SIMULATED

MODEL, RULES = "chosen", "rules"
MEASURES = ("auc", "brier", "log_loss", "calibration_slope", "o_e", "ici")
ELSEWHERE = ("auc", "calibration_slope", "o_e", "ici")
ONE_BY_ONE = ("centre", "centre_pooled", "arm_hr")
Json = Mapping[str, Any]


def version_card(
    document: Json,
    flow: Json,
    metrics: Json,
    comparison: Json,
    subgroups: Json,
    robustness: Json,
    *,
    key: str,
    commit: str,
) -> str:
    """Return the card as Markdown: the summary first, the inputs last (a description may cut them off).

    Parameters
    ----------
    document : mapping
        The content of model.json.
    flow, metrics, comparison, subgroups, robustness : mappings
        The stored JSON files of the landmark; what a study does not have is empty.
    key, commit : str
        Content key of the landmark's run, and git commit.
    """
    parts = [
        *_head(document),
        *_making(document, key, commit),
        *_cohort(document, flow),
        *_performance(metrics, comparison, robustness),
        *_limits(document),
        *_subgroups(subgroups),
        *_inputs(document),
    ]
    return "\n".join(parts) + "\n"


def _head(document: Json) -> Iterator[str]:
    yield f"# {document['model']}\n"
    if document["simulated"]:
        yield f"**{SIMULATED}.** These figures say nothing clinical.\n"
    yield (
        f"**Answers:** the {document['estimand']}, at landmark `{document['landmark']}`; pCR is "
        f"{document['outcome']}.\n"
    )
    yield (
        "**Intended use:** to describe prognosis in patients like those of the trial, for research. It is "
        "not a treatment recommendation, and says nothing on what another treatment would do.\n"
    )


def _making(document: Json, key: str, commit: str) -> Iterator[str]:
    yield "## How it was made\n"
    yield f"{document['candidate']} ({document['tuned']}); served with {', '.join(document['requirements'])}."
    yield f"Content key `{key}`, git commit `{commit}`. Again:\n"
    yield f"```\ngit checkout {commit}\npcr run --study {document['study']}    # or: dvc repro\n```\n"


def _cohort(document: Json, flow: Json) -> Iterator[str]:
    yield "## Patients\n"
    training = document["training"]
    at = flow.get("landmarks", {}).get(document["landmark"], {})
    risk = f", {_total(at['at_risk'])} at risk at the landmark" if "at_risk" in at else ""
    yield f"{flow['randomised']} randomised{risk}; {training['patients']} with a known outcome.\n"
    yield "| arm | patients | pCR |\n|---|---|---|"
    for arm, count in training["by_arm"].items():
        yield f"| {arm} | {count['patients']} | {count['events']} |"
    yield f"| all | {training['patients']} | {training['events']} |\n"


def _total(counts: Any) -> int:
    return sum(counts.values()) if isinstance(counts, Mapping) else int(counts)


def _performance(metrics: Json, comparison: Json, robustness: Json) -> Iterator[str]:
    yield "## Performance\n"
    yield "Of the whole procedure, out of fold, with intervals (slope and O:E are near 1 by construction):\n"
    yield "| measure | model | rules |\n|---|---|---|"
    for name in MEASURES:
        yield f"| {name} | {_shown(metrics.get(MODEL, {}), name)} | {_shown(metrics.get(RULES, {}), name)} |"
    difference = comparison.get(f"{MODEL}-{RULES}", {})
    if difference:
        yield f"\nModel minus rules: log loss {_shown(difference, 'delta_log_loss')}.\n"
    temporal = robustness.get("temporal", {})
    pooled = robustness.get("left_out_centres", {}).get("pooled", {})
    pooled = pooled | {"calibration_slope": pooled["slope"]} if "slope" in pooled else pooled
    if temporal or pooled:
        yield "In patients whom the model was not learned from:\n"
        yield "| measure | later patients | centres left out |\n|---|---|---|"
        for name in ELSEWHERE:
            yield f"| {name} | {_shown(temporal, name)} | {_shown(pooled, name)} |"


def _shown(measures: Json, name: str) -> str:
    found = measures.get(name, {})
    if "value" not in found:
        return "not evaluated"
    interval = f" ({found['low']:.3f} to {found['high']:.3f})" if "low" in found else ""
    return f"{found['value']:.3f}{interval}"


def _limits(document: Json) -> Iterator[str]:
    serving = document["serving"]
    limit, share = serving["support"]["limit"], 100 * serving["support"]["quantile"]
    yield "\n## Limits\n"
    yield (
        "- `lower` and `upper` are a Venn-Abers interval: how well the calibration is known at this risk. "
        "They do not hold the spread between models of other patients, nor what missing inputs cost."
    )
    yield "- Missing inputs are imputed by regression on the others, and named in the answer."
    yield (
        f"- `out_of_support`: the distance from the training patients is above {limit:.1f} (within it were "
        f"{share:g} % of training patients held out), or a level has hardly been seen. The answer is given, "
        "and is an extrapolation."
    )
    yield (
        f"- A row without {', '.join(serving['required'])} is rejected, and so is one with an outcome or a "
        "value of a later visit, a level or number out of range, or a number in another unit.\n"
    )


def _subgroups(subgroups: Json) -> Iterator[str]:
    named = {group: levels for group, levels in subgroups.items() if group not in ONE_BY_ONE}
    if not named:
        return
    yield "## Subgroups, out of fold\n"
    yield "| group | n | pCR | AUC | O:E |\n|---|---|---|---|---|"
    for group, levels in named.items():
        for level, found in levels.items():
            if isinstance(found, Mapping) and "n" in found:
                judged = "auc" in found
                counts = f"{found['n']['value']} | {found['events']['value']}" if judged else "too few | "
                yield f"| {group}: {level} | {counts} | {_shown(found, 'auc')} | {_shown(found, 'o_e')} |"
    yield ""


def _inputs(document: Json) -> Iterator[str]:
    yield "## Inputs\n"
    yield "| name | domain | unit or levels | known at |\n|---|---|---|---|"
    for feature in document["features"]:
        unit = feature["unit"] or ", ".join(feature["levels"] or [])
        yield f"| `{feature['name']}` | {feature['domain']} | {unit} | {feature['known_at']} |"


def shortened(card: str, most: int) -> str:
    """Return the whole lines of a card that fit into `most` characters, and where the rest is."""
    if len(card) <= most:
        return card
    rest = "\n\nThe whole card: artifact card/card.md of the version's run.\n"
    return card[: card.rindex("\n", 0, most - len(rest))] + rest
