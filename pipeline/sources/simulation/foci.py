"""The foci of multifocal tumours, each with its own receptors: within a quadrant, or beyond in violation."""

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates, pick
from pipeline.sources.simulation.settings import Settings


def foci_table(people: Columns, settings: Settings, streams: Streams) -> pd.DataFrame:
    """Return the raw table foci: the index focus, which is that of pathology, and one or two more.

    Who violates eligibility by foci in more than one quadrant has them there; all others in one quadrant.
    """
    entry, rng, n = settings.foci, streams("foci"), len(people["age"])
    several = people["multifocal"] | (rng.random(n) < entry.share)
    count = np.where(several, 2 + (rng.random(n) < entry.third_share), 0)
    person = np.repeat(np.arange(n), count)
    number = np.arange(len(person)) - np.repeat(np.cumsum(count) - count, count)
    side = np.where(rng.random(n) < 0.5, "left", "right").astype(object)
    first_day = settings.cohort.first_day
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][person],
            "focus_id": [f"F{k + 1}" for k in number],
            "biopsy_date": as_dates(first_day, people["biopsy_day"][person]),
            "report_date": as_dates(first_day, people["path_report_day"][person]),
            "laterality": side[person],
            "quadrant": _quadrants(people, person, number, settings, rng),
            **_readings(people, person, number, settings, rng),
        }
    )


def _quadrants(
    people: Columns, person: Array, number: Array, settings: Settings, rng: np.random.Generator
) -> Array:
    """Return the quadrant of each focus."""
    names = np.array(list(settings.foci.quadrants), dtype=object)
    first = pick(rng.random(len(people["age"])), dict(enumerate(settings.foci.quadrants.values())))
    beyond = people["multifocal"][person] * number
    return np.asarray(names[(first[person].astype(int) + beyond) % len(names)])


def _readings(
    people: Columns, person: Array, number: Array, settings: Settings, rng: np.random.Generator
) -> Columns:
    """Return size and receptors of each focus: the index focus as in pathology, the others like it or not.

    A focus of another HER2 status than a HER2-positive index focus is HER2 negative. Ratio and copies are
    those of the index focus alone.
    """
    entry, rows, index = settings.foci, len(person), number == 0
    size, er, pr = people["size_mm"][person], people["er"][person], people["pr"][person]
    low, high = entry.relative_size
    smaller = np.maximum(np.round(size * rng.uniform(low, high, rows)), 1.0)
    receptors = {}
    for name, value in (("er_pct", er), ("pr_pct", pr)):
        near = np.clip(np.round(value + rng.normal(0.0, entry.receptor_sd, rows)), 1, 100)
        receptors[name] = np.where(index | (value == 0), value, near)
    ihc, ish = people["ihc"][person], people["ish"][person]
    other = ~index & (people["her2"][person] == "pos") & (rng.random(rows) < entry.her2_discordant_share)
    zero = rng.random(rows) < entry.ihc_0_share_of_negative
    return {
        "size_mm": np.where(index, size, smaller),
        **receptors,
        "her2_ihc": np.where(other, np.where(zero, "0", "1+"), ihc).astype(object),
        "ish": np.where(other, "not_done", ish).astype(object),
        "her2_cep17": np.where(index, people["ratio"][person], np.nan),
        "her2_copies": np.where(index, people["copies"][person], np.nan),
    }
