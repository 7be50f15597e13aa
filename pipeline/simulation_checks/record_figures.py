"""Published figures of what is recorded beside the course: tissue, foci, follow-up after surgery."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from features.definitions import her2_status
from pipeline.sources.simulator import Simulated

YEAR = 365.25
YEARS = 3


def record_figures(simulated: Simulated, patients: pd.DataFrame) -> dict[str, float]:
    """Return the figures of tissue, foci and follow-up; `patients` as from ``targets.by_patient``."""
    tables = simulated.tables
    return (
        tissue_figures(tables["tissue_samples"], patients["hr"])
        | foci_figures(tables["foci"], len(patients))
        | follow_up_figures(tables, patients["y"])
    )


def tissue_figures(tissue: pd.DataFrame, hr: pd.Series) -> dict[str, float]:
    """Return how often tissue was sequenced, and PTEN lost; `hr` (neg, pos) by patient."""
    read = tissue.loc[tissue["pten_ihc"].isin(["lost", "retained"])]
    lost = (read["pten_ihc"] == "lost").groupby(read["usubjid"].map(hr)).mean()
    return {
        "tissue sequenced, with passed quality control": float((tissue["status"] == "done").mean()),
        "PTEN lost, of those stained": float((read["pten_ihc"] == "lost").mean()),
        "PTEN lost, HR negative minus HR positive": float(lost["neg"] - lost["pos"]),
    }


def foci_figures(foci: pd.DataFrame, patients: int) -> dict[str, float]:
    """Return how many of so many patients have several foci in a quadrant, and how often HER2 differs."""
    quadrants = foci.groupby("usubjid")["quadrant"].nunique()
    status = her2_status(foci)
    index = foci.assign(status=status).drop_duplicates("usubjid").set_index("usubjid")["status"]
    other, of_index = foci["usubjid"].duplicated(), foci["usubjid"].map(index)
    other &= of_index == "pos"
    return {
        "several foci within a quadrant": float((quadrants == 1).sum() / patients),
        "other HER2 status than the index focus, of the others": float((status != of_index)[other].mean()),
    }


def follow_up_figures(tables: Mapping[str, pd.DataFrame], y: pd.Series) -> dict[str, float]:
    """Return who is free of events three years after surgery, by treatment since, at a constant hazard."""
    known = tables["follow_up"].set_index("usubjid")
    operated = tables["surgery"].set_index("usubjid")["surgery_date"].reindex(known.index)
    event = known["event"] != "none"
    years = (known["event_date"].fillna(known["last_contact_date"]) - operated).dt.days / YEAR
    residual = y.reindex(known.index) == 0
    conjugate, antibodies = (known["adjuvant_regimen"] == name for name in ("T-DM1", "HP"))
    groups = {
        "residual disease and T-DM1": residual & conjugate,
        "residual disease and antibodies": residual & antibodies,
        "all operated": pd.Series(data=True, index=known.index),
    }
    figures = {
        f"free of events three years after surgery, {name}": float(
            np.exp(-YEARS * event[who].sum() / years[who].sum())
        )
        for name, who in groups.items()
    }
    first = known.loc[event, "event"]
    return figures | {"distant, of first events": float((first == "distant_recurrence").mean())}
