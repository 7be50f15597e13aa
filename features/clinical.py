"""Clinical features: the patient and the tumour at randomisation, and the regimen given since."""

from collections.abc import Mapping

import pandas as pd

from features.documents.feature import Feature
from features.feature import BuildContext, as_they_stand, collect, from_template, one_per_patient
from features.settings import ClinicalSettings

DOMAIN = "clinical"


def build(
    tables: Mapping[str, pd.DataFrame],
    patients: pd.Index,
    settings: ClinicalSettings,
    context: BuildContext,
) -> tuple[pd.DataFrame, list[Feature]]:
    """Return the clinical features of `patients`: frame with that index, and what each column is.

    Parameters
    ----------
    tables : mapping
        Visible tables.
    """
    columns = as_they_stand(context.columns, tables, patients)
    cycles = context.cycles
    if "exposure" in tables and cycles is not None and cycles >= settings.regimen_from_cycle:
        feature = from_template(settings.regimen_received, DOMAIN, context.visits[-1], context.regimens)
        columns.append((feature, last_regimen(tables["exposure"], patients)))
    return collect(columns, patients)


def last_regimen(exposure: pd.DataFrame, patients: pd.Index) -> pd.Series:
    """Return the regimen of each patient's last cycle in `exposure`, NaN where there is none."""
    last = exposure.sort_values(["usubjid", "cycle"]).drop_duplicates("usubjid", keep="last")
    return one_per_patient(last, "regimen", patients)
