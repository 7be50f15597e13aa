"""Screening: laboratory values, and the few patients who were randomised although they break a criterion."""

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates
from pipeline.sources.simulation.patient_parameters import Eligibility
from pipeline.sources.simulation.settings import Settings


def violate_eligibility(people: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return the columns that violations change, and `violations` (n x kinds): who broke which criterion.

    A tumour that is HER2 negative depends less on HER2, so this comes before anything that HER2 dependence
    causes.
    """
    shares = settings.eligibility.violations
    violated = _violated(people, settings.eligibility, streams("violations"))
    changed: Columns = {}
    broken = np.zeros((len(people["age"]), len(shares)), dtype=bool)
    for kind, (name, share) in enumerate(shares.items()):
        broken[:, kind] = streams(f"violation {name}").random(len(broken)) < share
        for column, value in violated[name].items():
            changed[column] = np.where(broken[:, kind], value, (people | changed)[column])
    return changed | {"violations": broken}


def _violated(
    people: Columns, entry: Eligibility, rng: np.random.Generator
) -> dict[str, dict[str, Array | float | str]]:
    """Return the columns of a patient who breaks a criterion."""
    n = len(people["age"])
    ratio = np.round(rng.uniform(0.9, 1.9, n), 2)
    over = np.round(rng.uniform(2.0, 2.5, n), 2)
    lower = people["her2_dependence"] - entry.her2_negative_shift
    negative: dict[str, Array | float | str] = {"her2": "neg", "her2_dependence": lower}
    by_nodes = np.select([np.isin(people["cn"], ["N2", "N3"]), people["cn"] == "N1"], ["III", "II"], "I")
    return {
        "age": {"age": rng.integers(71, entry.oldest + 1, size=n)},
        "ecog": {"ecog": 2},
        "tumour_size": {
            "size_mm": rng.integers(entry.min_size_mm, 21, size=n),
            "ct": "T1",
            "stage": by_nodes.astype(object),
            "inflammatory": False,
        },
        "metastasis": {"cm": "M1", "stage": "IV"},
        "her2_not_amplified": negative
        | {"ihc": "2+", "ish": "not_amplified", "ratio": ratio, "copies": np.round(2 * ratio, 1)},
        "her2_ish_group_2": negative
        | {"ihc": "2+", "ish": "not_amplified", "ratio": over, "copies": np.round(1.5 * over, 1)},
        "her2_ihc_1": negative | {"ihc": "1+", "ish": "not_done", "ratio": np.nan, "copies": np.nan},
        "multifocal": {"multifocal": True},
        "bilateral": {"bilateral": True},
        "ki67_unknown": {"ki67": np.nan},
    }


def labs_table(people: Columns, settings: Settings, streams: Streams) -> pd.DataFrame:
    """Return the raw table labs, at baseline: few values break a limit, few are missing."""
    entry, rng, n = settings.labs, streams("laboratory days"), len(people["age"])
    before = rng.integers(0, entry.days_before_randomisation + 1, size=n)
    dates = as_dates(
        settings.cohort.first_day, np.maximum(people["consent_day"], people["rand_day"] - before)
    )
    parts = []
    for code, test in entry.tests.items():
        rng = streams(f"laboratory {code}")
        usual = np.clip(rng.normal(test.mean, test.sd, n), test.low, test.high)
        outside = rng.uniform(test.outside_low, test.outside_high, n)
        value = np.round(np.where(rng.random(n) < test.outside_share, outside, usual), test.decimals)
        known = rng.random(n) >= entry.missing_share
        if test.only_before_menopause == "Y":
            known &= people["menopause"] != "post"
        parts.append(
            pd.DataFrame(
                {
                    "usubjid": people["usubjid"][known],
                    "visit": "baseline",
                    "lab_date": dates[known],
                    "testcd": code,
                    "value": value[known],
                    "unit": test.unit,
                    "uln": float(test.uln) if test.uln is not None else np.nan,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
