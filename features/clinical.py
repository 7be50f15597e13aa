"""Clinical features: the patient and her tumour at randomisation, and the regimen she has been given."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.feature import Feature, as_they_stand, collect, from_template, one_per_patient

DOMAIN = "clinical"


def build(
    tables: Mapping[str, pd.DataFrame], patients: pd.Index, settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, list[Feature]]:
    """Return the clinical features of `patients`: frame with that index, and what each column is.

    Parameters
    ----------
    tables : mapping
        Visible tables.
    settings : mapping
        ``columns`` (contract columns), ``regimen_from_cycle``, ``regimen_received``, ``visits`` and
        ``cycles`` of the landmark, and the study's ``regimens``.
    """
    columns = as_they_stand(settings["columns"], tables, patients)
    cycles = settings["cycles"]
    if "exposure" in tables and cycles is not None and cycles >= settings["regimen_from_cycle"]:
        known_at = settings["visits"][-1]
        feature = from_template(settings["regimen_received"], DOMAIN, known_at, settings["regimens"])
        columns.append((feature, last_regimen(tables["exposure"], patients)))
    return collect(columns, patients)


def last_regimen(exposure: pd.DataFrame, patients: pd.Index) -> pd.Series:
    """Return the regimen of each patient's last cycle in `exposure`, NaN where there is none."""
    last = exposure.sort_values(["usubjid", "cycle"]).drop_duplicates("usubjid", keep="last")
    return one_per_patient(last, "regimen", patients)
