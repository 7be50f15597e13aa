"""Who is drawn one by one: arm, branch, receptors and outcome of each patient, and what was last known."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from features.gene_rules import GeneRules
from pipeline.report.drawing import GREY, PALETTE, About
from pipeline.report.facts import Facts
from pipeline.report.labels import Labels
from pipeline.report.study_charts import NO_MODEL

DRAWN_TABLES = (
    "ctdna_samples", "ctdna_variants", "tissue_samples", "tissue_variants", "exposure", "surgery",
    "disposition",
)  # fmt: skip
"""Raw tables that the figures read."""
OUTCOMES = {1.0: "pCR", 0.0: "no pCR"}
UNKNOWN = "outcome not known"
OUTCOME_COLOURS = {"pCR": PALETTE[0], "no pCR": PALETTE[5], UNKNOWN: GREY}


@dataclass(frozen=True)
class SinglePatients:
    """What the figures of single patients are drawn from.

    Attributes
    ----------
    features : mapping of str to DataFrame
        features/<landmark>.parquet by landmark, in order.
    cohort : DataFrame
        cohort/cohort.parquet.
    branches : mapping of str to Series
        The branch of each patient, index usubjid, by landmark at which rules tell patients apart.
    raw : mapping of str to DataFrame
        Raw tables by name; those that the study has.
    genes : mapping of str to GeneRule
        Genes of the oncoprint, in order, and which variants of them are mutations.
    """

    features: Mapping[str, pd.DataFrame]
    cohort: pd.DataFrame
    branches: Mapping[str, pd.Series]
    raw: Mapping[str, pd.DataFrame]
    genes: GeneRules


def numbered(single: SinglePatients) -> SinglePatients:
    """Return the same with a number in place of each pseudonym: figures are printed, and sent to others.

    A patient has the same number in every figure. Rows of patients outside the cohort are left out.
    """
    ids = sorted(single.cohort["usubjid"])
    number = {patient: f"{i:0{len(str(len(ids)))}d}" for i, patient in enumerate(ids, start=1)}

    def of(frame: pd.DataFrame) -> pd.DataFrame:
        if "usubjid" not in frame:
            return frame
        return frame[frame["usubjid"].isin(number)].assign(usubjid=lambda rows: rows["usubjid"].map(number))

    return SinglePatients(
        features={name: of(frame) for name, frame in single.features.items()},
        cohort=of(single.cohort),
        branches={
            name: branch[branch.index.isin(number)].rename(index=number)
            for name, branch in single.branches.items()
        },
        raw={name: of(frame) for name, frame in single.raw.items()},
        genes=single.genes,
    )


def last_known(features: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the row of each patient at the last landmark at which the patient was at risk, index usubjid."""
    rows = pd.concat(
        [frame.set_index("usubjid").astype(object) for frame in reversed(list(features.values()))]
    )
    return rows[~rows.index.duplicated()].sort_index().infer_objects()


def people(single: SinglePatients, facts: Facts, labels: Labels) -> pd.DataFrame:
    """Return arm, branch, group (the branch where the rules treat, else the arm) and outcome, in words.

    Index usubjid, sorted; the branch is that of the last landmark before a second decision, empty if none.
    """
    cohort = single.cohort.set_index("usubjid").sort_index()
    arm = cohort["arm"].map(labels.name)
    branch = pd.Series("", index=cohort.index)
    if facts.adaptive_arm and single.branches:
        # Of a path through two decisions the first is told: the groups are to be few.
        single_step = [b for b in single.branches.values() if not b.dropna().str.contains(">").any()]
        first = single_step[-1] if single_step else next(iter(single.branches.values()))
        treated = cohort["arm"] == facts.adaptive_arm
        branch = first.reindex(cohort.index).map(labels.name, na_action="ignore").where(treated).fillna("")
    return pd.DataFrame(
        {
            "arm": arm,
            "branch": branch,
            "group": arm.where(branch == "", arm + ": " + branch),
            "outcome": cohort["outcome"].map(OUTCOMES).fillna(UNKNOWN),
        }
    )


def about_people(drawn: pd.DataFrame, scale: str) -> About:
    """Return what a figure says of the patients whom it draws, a row each with the column outcome."""
    return {
        "n": len(drawn), "events": int((drawn["outcome"] == "pCR").sum()), "scale": scale,
        "sampling": NO_MODEL,
    }  # fmt: skip
