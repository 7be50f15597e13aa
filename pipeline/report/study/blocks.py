"""What blocks of many features add: each alone, left out, missing, and all against the clinical block."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from features.documents.study_entries import AssayEntry
from pipeline.project.estimates import Estimate, Measures
from pipeline.report.blocks import BlockOrigin, BlockPair, BlockSize, BlockVerdicts
from pipeline.report.drawing import Spec
from pipeline.report.labels import Labels
from pipeline.report.page import (
    count,
    decimal,
    explained,
    measure,
    measure_of,
    p_value,
    percent,
    percent_interval,
)
from pipeline.report.study.common import Part, interval_row
from pipeline.report.study_charts import forest_chart
from pipeline.report.tables import Table
from pipeline.wording import OUT_OF_FOLD

NAMES = {"blocks": "all blocks", "late_fusion": "late fusion"}


def blocks_part(
    blocks: Mapping[str, BlockVerdicts], labels: Labels, assays: Mapping[str, AssayEntry] | None = None
) -> Part:
    """Return a forest of what blocks add, and tables: verdicts, models, the blocks; none without assays.

    `assays` are `omics` of the study file: what was done to a block's values is told from them.
    """
    judged = {name: found for name, found in blocks.items() if not found.reason}
    if not judged:
        return {}, {}
    pairs = [
        _pair_row(labels.name(name), pair, labels) for name, found in judged.items() for pair in found.pairs
    ]
    models = [
        {
            "landmark": labels.name(landmark),
            "model": block_model_name(name, labels),
            "n": count(found.patients),
            "events": count(found.events),
            "auc": measure_of(measures, "auc"),
            "loss": measure_of(measures, "log_loss"),
            "slope": measure_of(measures, "calibration_slope", 2),
            "o_e": measure_of(measures, "o_e", 2),
        }
        for landmark, found in judged.items()
        for name, measures in found.models.items()
    ]
    return _forest(judged, labels), {
        "verdicts": Table.of(
            "block-verdicts",
            "What blocks add, on the patients who have all of them",
            {
                "landmark": "Landmark", "question": "Question", "compared": "Compared", "auc": "AUC",
                "loss": "Log loss", "q": "q", "verdict": "Verdict",
            },
            pairs,
            text=("question", "compared", "verdict"),
        ),
        "models": Table.of(
            "block-models",
            "Models of blocks, out of fold",
            {
                "landmark": "Landmark", "model": "Model", "n": "n", "events": "pCR", "auc": "AUC",
                "loss": "Log loss", "slope": "Slope", "o_e": "O:E",
            },
            models,
            text=("model",),
        ),
        "sizes": _sizes(judged, labels, assays or {}),
        "origins": _origins(judged, labels),
    }  # fmt: skip


def _sizes(judged: Mapping[str, BlockVerdicts], labels: Labels, assays: Mapping[str, AssayEntry]) -> Table:
    return Table.of(
        "block-sizes",
        "The blocks in all patients",
        {
            "landmark": "Landmark", "block": "Block", "read": "Values", "columns": "Columns",
            "patients": "With it", "share": "Share of the log-odds", "folds": "Used in folds",
            "penalty": "Penalty (folds)", "weighed": "Columns weighed in folds",
            "top": "Largest coefficients (share of folds with one)",
        },
        [
            _size_row(labels.name(name), block, read_as(assays.get(block.name)), labels)
            for name, found in judged.items()
            for block in found.blocks
        ],
        text=("block", "read", "top"),
    )  # fmt: skip


def _origins(judged: Mapping[str, BlockVerdicts], labels: Labels) -> Table:
    return Table.of(
        "block-origins",
        "Batch, platform and centre: what they explain of a block, and whether they go with the outcome",
        {
            "landmark": "Landmark", "block": "Block", "grouping": "Grouping", "groups": "Groups",
            "patients": "Patients", "share": "Share of variance", "chance": "By chance", "p": "p",
            "outcome": "With pCR (V)", "outcome_p": "p", "adjusted": "Adjusted",
        },
        [
            _origin_row(labels.name(name), origin, found.adjusted, labels)
            for name, found in judged.items()
            for origin in found.origins
        ],
        text=("block", "grouping", "adjusted"),
    )  # fmt: skip


def _forest(judged: Mapping[str, BlockVerdicts], labels: Labels) -> dict[str, Spec]:
    rows = [
        interval_row(
            f"{labels.name(landmark)}: {_compared(pair, labels)}",
            pair.auc,
            labels.text(pair.question),
            of=Measures(n=Estimate(found.patients), events=Estimate(found.events)),
        )
        for landmark, found in judged.items()
        for pair in found.pairs
        if pair.auc.has_interval
    ]
    if not rows:
        return {}
    return {
        "blocks-added": forest_chart(
            pd.DataFrame(rows), "Difference in AUC", "difference in AUC", OUT_OF_FOLD, digits=3
        )
    }


def _compared(pair: BlockPair, labels: Labels) -> str:
    return f"{block_model_name(pair.model, labels)}, minus {block_model_name(pair.against, labels)}"


def block_model_name(name: str, labels: Labels) -> str:
    """Return a model of blocks in words."""
    if name.startswith("hidden "):
        return f"all blocks, {labels.name(name.removeprefix('hidden '))} missing"
    if name.startswith("without "):
        return f"all blocks but {labels.name(name.removeprefix('without '))}"
    return NAMES.get(name, f"{labels.name(name)} alone")


def _pair_row(landmark: str, pair: BlockPair, labels: Labels) -> dict[str, object]:
    return {
        "landmark": landmark,
        "question": labels.text(pair.question),
        "compared": _compared(pair, labels),
        "auc": measure(pair.auc, difference=True),
        "loss": measure(pair.log_loss, 4, difference=True),
        "q": "" if pair.q is None else p_value(pair.q),
        "verdict": pair.verdict,
    }


def _origin_row(
    landmark: str, origin: BlockOrigin, adjusted: Mapping[str, Sequence[str]], labels: Labels
) -> dict[str, object]:
    by_batch = origin.grouping == "batch" and origin.block in adjusted
    row: dict[str, object] = {
        "landmark": landmark,
        "block": labels.name(origin.block),
        "grouping": origin.grouping,
        "groups": count(origin.groups),
        "patients": count(origin.patients),
        "adjusted": f"location of {count(len(adjusted[origin.block]))} batches" if by_batch else "no",
    }
    if origin.reason:
        return row | {"share": origin.reason, "chance": "", "p": "", "outcome": "", "outcome_p": ""}
    return row | {
        "share": percent(origin.share, 1),
        "chance": percent(origin.by_chance, 1),
        "p": p_value(origin.p),
        "outcome": decimal(origin.outcome, 2),
        "outcome_p": p_value(origin.outcome_p),
    }


def read_as(entry: AssayEntry | None) -> str:
    """Return in words what the study file makes of an assay's values before any fold."""
    if entry is None:
        return "as encoded"
    sets, transform = entry.get("gene_sets"), entry.get("transform")
    said = [{"log2": "logarithms", "ranks": "ranks in the sample"}.get(transform or "", "")]
    if sets:
        said = [f"{said[0] or 'features'} and gene sets" if sets.get("beside_features") else "gene sets"]
    said.append("repeatable features only" if entry.get("repeatability") else "")
    return ", ".join(filter(None, said)) or "as recorded"


def _column(name: str, labels: Labels) -> str:
    """Return a column of a block: a feature's by its label, with its level; an assay's as it is."""
    feature, _, level = name.partition(" = ")
    if not labels.has(feature):
        return name.replace("_", " ")
    return f"{labels.feature(feature)}{' = ' if level else ''}{labels.name(level)}"


def _size_row(landmark: str, block: BlockSize, read: str, labels: Labels) -> dict[str, object]:
    low, high = min(block.penalties, default=None), max(block.penalties, default=None)
    return {
        "landmark": landmark,
        "block": labels.name(block.name),
        "read": read,
        "columns": count(block.columns),
        "patients": count(block.patients),
        "share": percent(block.share),
        "folds": f"{block.used} of {block.folds}",
        "penalty": "" if low is None else f"{low:g}" if low == high else f"{low:g} to {high:g}",
        "weighed": f"{block.weighed} of {block.folds}",
        "top": Markup("; ").join(_top(block, labels)),
    }


def _top(block: BlockSize, labels: Labels) -> Iterator[Markup]:
    """Yield the largest coefficients' columns, each with how often it has one where that is known."""
    for place, name in enumerate(block.top):
        told = explained(_column(name, labels), name)
        yield told + Markup(": {}").format(percent_interval(block.kept[place])) if block.kept else told
