"""How the allele fraction in plasma changes between dated draws; below the limit it is censored, not zero."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import norm

from features.definitions import DETECTED, EVALUABLE
from models.description.cohort import proportion
from models.description.library_documents import Kinetics, MonthlyChange

COURSES = {
    (True, True): "persistent",
    (True, False): "cleared",
    (False, True): "new",
    (False, False): "never_detected",
}
MIN_PAIRS = 5
"""Fewer changes do not give a mean and a spread."""


def draw_pairs(samples: pd.DataFrame, month_days: float) -> pd.DataFrame:
    """Return consecutive evaluable draws of a patient by the same kind of assay, on different days.

    Parameters
    ----------
    samples : DataFrame
        `models.description.ctdna_reference.library_samples`.

    Returns
    -------
    DataFrame
        usubjid, number (1 for a patient's first pair), from, to (dates), days, course (persistent, cleared,
        new, never_detected), and `per_month`: change of log10 VAF in a month; of a cleared pair the change
        down to the limit of detection, the least it can be (`censored`). NaN where a VAF is not known.
    """
    rows = samples[samples["state"].isin(EVALUABLE) & samples["draw_date"].notna()].reset_index(drop=True)
    rows = rows.assign(kind=rows["assay_type"].fillna("unknown"))
    before = rows.groupby("usubjid").shift(1)
    days = (rows["draw_date"] - before["draw_date"]).dt.days
    fits = (rows["kind"] == before["kind"]) & (days > 0)
    was, now = before["state"].isin(DETECTED), rows["state"].isin(DETECTED)
    first = before["mean_vaf"].where(before["mean_vaf"] > 0).where(was)
    second = rows["mean_vaf"].where(now, rows["lod_vaf"])
    change = np.log10(second.where(second > 0)) - np.log10(first)
    pairs = pd.DataFrame(
        {
            "usubjid": rows["usubjid"],
            "from": before["draw_date"],
            "to": rows["draw_date"],
            "days": days,
            "course": [COURSES[pair] for pair in zip(was, now, strict=True)],
            "per_month": change / days * month_days,
            "censored": was & ~now,
        }
    )[fits]
    pairs.insert(1, "number", pairs.groupby("usubjid").cumcount() + 1)
    return pairs.astype({"days": "int64"}).reset_index(drop=True)


def summary(pairs: pd.DataFrame, level: float) -> Kinetics:
    """Return what the first pair of each patient shows, and the counts of all pairs.

    ``cleared``: of those detected at first, who had cleared by the second draw. ``change``: `monthly_change`.
    """
    first = pairs[pairs["number"] == 1]
    detected = first[first["course"].isin(["cleared", "persistent"])]
    return {
        "patients": len(first),
        "pairs": len(pairs),
        "days": None if first.empty else float(first["days"].median()),
        "courses": {name: int((first["course"] == name).sum()) for name in COURSES.values()},
        "all_courses": {name: int((pairs["course"] == name).sum()) for name in COURSES.values()},
        "cleared": proportion(int((detected["course"] == "cleared").sum()), len(detected), level),
        "change": monthly_change(first, level),
    }


def monthly_change(pairs: pd.DataFrame, level: float) -> MonthlyChange:
    """Return mean and standard deviation of the monthly change of log10 VAF among those detected at first.

    Normal, cleared pairs left-censored at the limit of detection (Tobin, Econometrica 1958;26:24), by maximum
    likelihood; the interval of the mean is Wald's. Without the censored pairs the fall would look smaller
    than it is. Fewer than `MIN_PAIRS` pairs, or fewer than two that are not censored: only the counts.
    """
    known = pairs.dropna(subset="per_month")
    change, censored = known["per_month"].to_numpy(dtype=float), known["censored"].to_numpy(dtype=bool)
    counts: MonthlyChange = {"pairs": len(change), "censored": int(censored.sum())}
    if len(change) < MIN_PAIRS or (~censored).sum() < 2 or np.ptp(change[~censored]) == 0:
        return counts

    def loss(parameters: np.ndarray) -> float:
        mean, sd = parameters[0], np.exp(parameters[1])
        seen = norm.logpdf(change[~censored], mean, sd).sum()
        return -float(seen + norm.logcdf(change[censored], mean, sd).sum())

    start = np.array([change.mean(), np.log(change.std())])
    fit = minimize(loss, start, method="BFGS", options={"gtol": 1e-6})
    mean, sd = float(fit.x[0]), float(np.exp(fit.x[1]))
    half = float(norm.ppf(0.5 + level / 2) * _standard_error(change, censored, mean, sd))
    return {**counts, "mean": mean, "low": mean - half, "high": mean + half, "sd": sd}


def _standard_error(change: np.ndarray, censored: np.ndarray, mean: float, sd: float) -> float:
    """Return the standard error of the mean, from the observed information in (mean, log sd)."""
    z = (change - mean) / sd
    seen, hidden = z[~censored], z[censored]
    ratio = np.exp(norm.logpdf(hidden) - norm.logcdf(hidden))
    slope = -ratio * (hidden + ratio)
    a = (len(seen) - slope.sum()) / sd**2
    b = (2 * seen.sum() - (ratio + hidden * slope).sum()) / sd
    c = 2 * (seen**2).sum() - (hidden * ratio + hidden**2 * slope).sum()
    return float(np.sqrt(np.linalg.inv(np.array([[a, b], [b, c]]))[0, 0]))
