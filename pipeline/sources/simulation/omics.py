"""Assays of many features with known truth: modules of correlated features, a few true ones, batches."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from pipeline.sources.simulation.draws import Array, Columns, Streams
from pipeline.sources.simulation.section import Correlation, Count, Latent, Section, Share, Spread

Whole = Annotated[int, Field(ge=1)]


class AssayParameters(Section):
    """An assay of `features`, the first `modules` x `module_size` of them in modules.

    Features of a module correlate by `correlation` through a factor, the others with none. The factor of the
    first module correlates with the latents by `leans_on`. `true_features`, the first of the first module,
    carry the signal: their sum, standardised, times `effect` is added to the log-odds of pCR. A sample comes
    from one of `batches`, which move every feature by a normal shift of `batch_sd`; `missing_share` of the
    patients have none. `scale`: values are `level` + `spread` x standard normal ones, raised to powers of 2
    where the scale is linear.
    """

    type: Literal["expression", "radiomics"]
    features: Whole
    modules: Count
    module_size: Whole
    correlation: Correlation
    leans_on: dict[Latent, Correlation] = Field(default_factory=dict)
    true_features: Count
    effect: float
    batches: Whole
    batch_sd: Spread
    missing_share: Share
    level: float = 0.0
    spread: Annotated[float, Field(gt=0)] = 1.0
    scale: Literal["log", "linear"] = "log"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.modules * self.module_size > self.features:
            raise ValueError("modules x module_size is more than there are features")
        if self.correlation < 0:
            raise ValueError("correlation: inside a module it must be 0 or above")
        if self.true_features > (self.module_size if self.modules else self.features):
            raise ValueError("true_features: the first module has fewer features")
        if sum(weight**2 for weight in self.leans_on.values()) >= 1:
            raise ValueError("leans_on: the squares of the correlations must add up to less than 1")
        return self


@dataclass(frozen=True)
class DrawnAssay:
    """An assay of all patients: standardised `values` (n, features) without batch, and what is measured.

    `signal` (n,): standard normal in a large population; `measured` (n, features), NaN for patients without
    it; `batch` (n,), names; `true` (features,), whether a feature carries the signal.
    """

    names: list[str]
    signal: Array
    measured: Array
    batch: Array
    true: Array


def draw_assay(
    name: str, parameters: AssayParameters, latents: Columns, n: int, streams: Streams
) -> DrawnAssay:
    """Draw an assay of `n` patients; each of its parts has a stream of its own, so that others stay."""
    size, modules = parameters.features, parameters.modules
    values = streams(f"omics {name} features").standard_normal((n, size))
    factors = streams(f"omics {name} factors").standard_normal((n, max(modules, 1)))
    own = np.sqrt(1 - sum(weight**2 for weight in parameters.leans_on.values()))
    factors[:, 0] *= own
    for latent, weight in parameters.leans_on.items():
        factors[:, 0] += weight * latents[latent]
    root = np.sqrt(parameters.correlation)
    for module in range(modules):
        inside = slice(module * parameters.module_size, (module + 1) * parameters.module_size)
        values[:, inside] *= np.sqrt(1 - parameters.correlation)
        values[:, inside] += root * factors[:, [module]]
    k = parameters.true_features
    variance = k + k * (k - 1) * (parameters.correlation if modules else 0.0)
    signal = values[:, :k].sum(axis=1) / np.sqrt(max(variance, 1))
    member = streams(f"omics {name} batch").integers(0, parameters.batches, n)
    shifts = streams(f"omics {name} shifts").normal(0.0, parameters.batch_sd, (parameters.batches, size))
    measured = parameters.level + parameters.spread * (values + shifts[member])
    if parameters.scale == "linear":
        np.exp2(measured, out=measured)
    measured[streams(f"omics {name} missing").random(n) < parameters.missing_share] = np.nan
    width = len(str(size))
    prefix = {"expression": "G", "radiomics": "R"}[parameters.type]
    return DrawnAssay(
        [f"{prefix}{place:0{width}d}" for place in range(1, size + 1)],
        signal,
        measured,
        np.array([f"B{batch + 1}" for batch in member], dtype=object),
        np.arange(size) < k,
    )


def assay_tables(assay: DrawnAssay, usubjid: Array) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a matrix of those who have the assay, sorted by usubjid, and its samples with their batch."""
    has = np.flatnonzero(~np.isnan(assay.measured).all(axis=1))
    order = has[np.argsort(usubjid[has].astype(str), kind="stable")]
    frame = pd.DataFrame(assay.measured[order], columns=assay.names)
    frame.insert(0, "usubjid", usubjid[order].astype(str))
    never = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
    samples = pd.DataFrame({"usubjid": frame["usubjid"], "reported": never, "performed": never})
    samples["batch"] = pd.Series(assay.batch[order], dtype="str")
    samples["platform"] = pd.Series(np.nan, index=frame.index, dtype="str")
    return frame, samples
