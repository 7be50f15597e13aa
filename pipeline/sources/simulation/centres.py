"""The centres: who sends which patients, and which laboratory and scanner looks at them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates
from pipeline.sources.simulation.settings import Settings


def draw_centres(settings: Settings) -> Columns:
    """Return the centres: arrays of length ``centres.count``. Their seed is their own; shifts average 0.

    `weight` share of all patients; `activation` day; `case_mix` shift of log tumour size in SD units;
    `luminal` shift of the luminal latent; `outcome` shift of logit pCR; `missing` shift of the logit of
    anything being missing; `scanner` log bias of diameters; `assay`, `method`, `mri_vendor`, `mri_field`;
    and what the centre can do: `ftv`, `adc`, `pet`, `central_reading`, `tissue_panel`, `subtyping`.
    """
    entry = settings.centres
    rng = Streams(entry.seed)("centres")
    count = entry.count
    weight = rng.gamma(entry.size_shape, size=count)
    shifts = {name: rng.normal(0.0, sd, count) for name, sd in entry.shift_sd.items()}
    shifts = {name: shift - np.average(shift, weights=weight) for name, shift in shifts.items()}
    activation = np.sort(rng.integers(0, entry.activation_days + 1, size=count))
    choices = {
        "assay": _deal(rng, entry.assay, count),
        "method": _deal(rng, entry.method, count),
        "mri_vendor": _deal(rng, entry.mri_vendor, count),
        "mri_field": _deal(rng, entry.mri_field, count),
    }
    able = {
        name: _deal(rng, {1.0: share, 0.0: 1 - share}, count) == 1 for name, share in entry.equipment.items()
    }
    return (
        {"weight": weight / weight.sum(), "activation": activation - activation[0]} | shifts | choices | able
    )


def _deal(rng: np.random.Generator, shares: Mapping[str, float] | Mapping[float, float], count: int) -> Array:
    """Deal the options out to the centres in exactly the given shares (largest remainders), at random."""
    wanted = np.fromiter(shares.values(), dtype=float) * count / sum(shares.values())
    dealt = np.floor(wanted).astype(int)
    dealt[np.argsort(dealt - wanted, kind="stable")[: count - dealt.sum()]] += 1
    return rng.permutation(np.repeat(np.array(list(shares), dtype=object), dealt))


def site_ids(count: int) -> Array:
    """Return pseudonymous ids of the centres."""
    return np.array([f"S{i:02d}" for i in range(1, count + 1)], dtype=object)


def sites_table(centres: Columns, settings: Settings) -> pd.DataFrame:
    """Return the raw table sites."""
    labs = {name: assay.laboratory for name, assay in settings.ctdna.assays.items()}
    return pd.DataFrame(
        {
            "siteid": site_ids(len(centres["weight"])),
            "activation_date": as_dates(settings.cohort.first_day, centres["activation"]),
            "ctdna_lab": [labs[name] for name in centres["assay"]],
            "mri_vendor": centres["mri_vendor"],
            "mri_field_t": centres["mri_field"].astype(float),
        }
    )
