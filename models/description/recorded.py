"""What is recorded of tumour and surgery and is no feature: categories by arm, as in table one."""

from collections.abc import Mapping

import pandas as pd

from features.definitions import er_category, ish_group, residual_her2
from models.description.cohort import table_one
from models.description.documents import TableOneRow
from models.procedure.landmark_features import LandmarkFeature

CATEGORIES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "er_category": ("Oestrogen receptor: below 1 %, 1 to 10 %, above", ("negative", "low", "positive")),
    "ish_group": ("Dual-probe ISH group (ASCO/CAP)", ("1", "2", "3", "4", "5")),
    "breast_surgery": ("Surgery of the breast", ("breast_conserving", "mastectomy", "none")),
    "axillary_surgery": (
        "Surgery of the axilla", ("sentinel_node", "targeted_dissection", "axillary_dissection", "none"),
    ),
    "residual_her2": ("HER2 of the residual invasive tumour", ("pos", "neg")),
}  # fmt: skip


def recorded_rows(raw: Mapping[str, pd.DataFrame], arms: pd.Series) -> list[TableOneRow]:
    """Return the rows of every category that was recorded of anybody, in the form of table one.

    Parameters
    ----------
    raw : mapping of DataFrames
        The validated tables.
    arms : Series
        Arm of each patient, index usubjid.
    """
    values = pd.DataFrame(index=arms.index)
    if "pathology" in raw:
        biopsy = raw["pathology"].set_index("usubjid").reindex(arms.index)
        values["er_category"], values["ish_group"] = er_category(biopsy["er_pct"]), ish_group(biopsy)
    if "surgery" in raw:
        surgery = raw["surgery"].set_index("usubjid").reindex(arms.index)
        values["breast_surgery"], values["axillary_surgery"] = (
            surgery["breast_surgery"], surgery["axillary_surgery"],
        )  # fmt: skip
        values["residual_her2"] = residual_her2(surgery)
    features = [
        LandmarkFeature(name, "recorded", "categorical", "", "", levels, None, None, description)
        for name, (description, levels) in CATEGORIES.items()
        if name in values and values[name].notna().any()
    ]
    return table_one(values, features, arms)
