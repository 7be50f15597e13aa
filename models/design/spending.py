"""Boundaries of a group sequential test by alpha spending, and the chance to cross them.

Lan and DeMets (Biometrika 1983;70:659): what may be spent by each share of the information decides the
boundary of each look, by recursive numerical integration (Armitage, McPherson and Rowe 1969).
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from features.errors import UserError
from models.measures.common import FloatArray

Spending = Literal["obrien_fleming", "pocock"]
NODES = 400
LARGEST = 9.0
"""A boundary beyond which nothing is spent."""


def spent(kind: Spending, share: float, alpha: float) -> float:
    """Return the two-sided alpha that may be spent by a share of the information.

    Like O'Brien and Fleming ``4 - 4 Phi(z_{1 - alpha/4} / sqrt(share))``, half of it on each side; like
    Pocock ``alpha log(1 + (e - 1) share)``.
    """
    if kind == "obrien_fleming":
        return float(4 * ndtr(ndtri(alpha / 4) / np.sqrt(share)))
    return float(alpha * np.log1p((np.e - 1) * share))


def boundaries(kind: Spending, looks: Sequence[float], alpha: float) -> FloatArray:
    """Return the symmetric boundaries on the scale of z at every look, shape (looks,).

    Parameters
    ----------
    looks : sequence of float
        Shares of the information, rising to 1.

    Raises
    ------
    UserError
        If the looks do not rise, or the last is not 1.
    """
    shares = np.asarray(looks, dtype=float)
    if shares.size == 0 or shares[0] <= 0 or np.any(np.diff(shares) <= 0) or shares[-1] != 1:
        raise UserError(f"looks: must be shares that rise to 1, such as 0.5 and 1; got {list(looks)}")
    budget = np.diff([0.0, *(spent(kind, share, alpha) for share in shares)])
    found: list[float] = []
    density: tuple[FloatArray, FloatArray] | None = None
    for k, share in enumerate(shares):
        step = share - (shares[k - 1] if k else 0.0)
        leave = _leaving(density, share, step, 0.0)
        wanted = budget[k] / 2
        bound = LARGEST if leave(LARGEST) > wanted else float(
            brentq(lambda b, f=leave, w=wanted: f(b) - w, 0.0, LARGEST, xtol=1e-12)
        )  # fmt: skip
        found.append(bound)
        density = _continuing(density, share, step, bound, 0.0)
    return np.array(found)


def crossing(bounds: FloatArray, looks: Sequence[float], drift: float) -> FloatArray:
    """Return the chance to cross first at each look, on either side, shape (looks,).

    Parameters
    ----------
    drift : float
        The mean of z at full information: 0 under the hypothesis.
    """
    chances: list[float] = []
    density: tuple[FloatArray, FloatArray] | None = None
    for k, (bound, share) in enumerate(zip(bounds, looks, strict=True)):
        step = share - (looks[k - 1] if k else 0.0)
        above = _leaving(density, share, step, drift)(bound)
        mirrored = None if density is None else (-density[0], density[1])
        below = _leaving(mirrored, share, step, -drift)(bound)
        chances.append(above + below)
        density = _continuing(density, share, step, float(bound), drift)
    return np.array(chances)


def _leaving(
    density: tuple[FloatArray, FloatArray] | None, share: float, step: float, drift: float
) -> Callable[[float], float]:
    """Return the chance to go on until a look and be above a boundary there, as a function of it.

    The score has variance `share`; `density` are its places and weights at the look before.
    """
    places, weights = (np.zeros(1), np.ones(1)) if density is None else density

    def above(bound: float) -> float:
        far = (bound * np.sqrt(share) - places - drift * step) / np.sqrt(step)
        return float(weights @ ndtr(-far))

    return above


def _continuing(
    density: tuple[FloatArray, FloatArray] | None, share: float, step: float, bound: float, drift: float
) -> tuple[FloatArray, FloatArray]:
    """Return places of the score within the boundaries of a look and their weights, by Gauss and Legendre."""
    places, weights = (np.zeros(1), np.ones(1)) if density is None else density
    unit, weight = np.polynomial.legendre.leggauss(NODES)
    end = bound * np.sqrt(share)
    at = unit * end
    far = (at[:, None] - places[None, :] - drift * step) / np.sqrt(step)
    value = np.exp(-(far**2) / 2) / np.sqrt(2 * np.pi * step) @ weights
    return at, value * weight * end
