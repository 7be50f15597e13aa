"""Test-retest repeatability of features: the intraclass correlation ICC(2,1)."""

import numpy as np


def agreement(measurements: np.ndarray) -> np.ndarray:
    """Return ICC(2,1) of every feature, shape (p,); NaN where it cannot be computed.

    Two-way random effects, absolute agreement, one measurement (Shrout and Fleiss, Psychol Bull 1979;86:420):
    with mean squares of subjects S, of sessions C and of error E, n subjects and k sessions,
    ``(S - E) / (S + (k - 1) E + k (C - E) / n)``.

    Parameters
    ----------
    measurements : array, shape (n, k, p)
        n subjects measured in k sessions. Subjects with a missing value of a feature are left out of that
        feature's; fewer than two that are left, or no variance at all, give NaN.

    Examples
    --------
    >>> judges = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    >>> agreement(np.array(judges, dtype=float)[:, :, None]).round(2).tolist()  # Shrout and Fleiss, table 4
    [0.29]
    """
    k = measurements.shape[1]
    complete = ~np.isnan(measurements).any(axis=1)
    n = np.maximum(complete.sum(axis=0), 1)
    known = np.where(complete[:, None, :], measurements, 0.0)
    grand = known.sum(axis=(0, 1)) / (n * k)
    centred = np.where(complete[:, None, :], measurements - grand, 0.0)
    by_subject, by_session = centred.mean(axis=1), centred.sum(axis=0) / n
    subjects = k * (by_subject**2).sum(axis=0)
    sessions = n * (by_session**2).sum(axis=0)
    error = (centred**2).sum(axis=(0, 1)) - subjects - sessions
    degrees = np.maximum(n - 1, 1)
    s, c, e = subjects / degrees, sessions / (k - 1), error / (degrees * (k - 1))
    below = s + (k - 1) * e + k * (c - e) / n
    possible = (complete.sum(axis=0) >= 2) & (below > 0)
    return np.asarray(np.divide(s - e, below, out=np.full(len(below), np.nan), where=possible))
