"""What is learned, compared and served: configs/models.yaml, comparators.yaml and serving.yaml, typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from features.documents.parsing import (
    Between,
    Count,
    InnerShare,
    Positive,
    Sections,
    Share,
    parsed,
    parsed_sections,
)
from features.errors import UserError
from features.keys import unknown_name


@dataclass(frozen=True)
class EncodingSettings:
    """How features become numbers.

    A level shown by fewer than `min_level_patients` training patients stands with the most frequent one. A
    feature missing in a larger share than `max_missing_share` is not used. `imputation_shrinkage` is the
    weight of the identity in the correlation matrix from which values are imputed.
    """

    min_level_patients: Count
    max_missing_share: Share
    imputation_shrinkage: Share


@dataclass(frozen=True)
class LogisticCandidate:
    """Ridge logistic regression; knots of splines stand at Harrell's centiles.

    What is minimised is the mean log loss plus half the penalty times the squared coefficients of
    standardised terms (glmnet's lambda with alpha 0): a penalty shrinks as much in few patients as in many.
    It is 1 / (C n) with scikit-learn's C.

    With an `order` of features only these enter, in this order, while their terms are at most
    `max_parameters`, which is never configured: a cohort's size decides it
    (`models.procedure.cohort_size.core`).
    """

    kind: Literal["logistic"]
    penalties_per_patient: tuple[Positive, ...]
    spline_knots: Literal[3, 4, 5] = 4
    splines: tuple[str, ...] = ()
    interactions: tuple[tuple[str, str], ...] = ()
    order: tuple[str, ...] = ()
    max_parameters: Count | None = None


@dataclass(frozen=True)
class BoostingCandidate:
    """LightGBM: numbers of rounds, the grid, and the parameters that are the same at every point of it."""

    kind: Literal["lightgbm"]
    rounds: tuple[Count, ...]
    grid: dict[str, tuple[int | float, ...]]
    fixed: dict[str, int | float]


@dataclass(frozen=True)
class BlocksCandidate:
    """A model of blocks of many features: all together, or fused late; offered where a study has assays.

    `penalties_per_column`, `cuts` and `min_batch_patients` are those of `BlocksSettings`, from which a
    procedure takes them: the models that are judged beside the candidates have the same.
    """

    kind: Literal["blocks"]
    fused: bool = False
    penalties_per_column: tuple[Positive, ...] = ()
    cuts: tuple[Positive, ...] = ()
    min_batch_patients: Count = 5


RENAMED_PENALTIES = {"penalties": "penalties_per_patient now: 1 / (C n) of the C that stood there"}
FeatureCandidate = LogisticCandidate | BoostingCandidate
"""A candidate of the features that have columns of their own, without assays."""
Candidate = FeatureCandidate | BlocksCandidate
INTERCEPT = "intercept_only"
"""The candidate that stands where no other can be learned: the prevalence for every patient."""


@dataclass(frozen=True)
class IntervalSettings:
    """The interval of a patient's risk: its level, and the least number of samples.

    `misfit` (a standard deviation, log-odds) is by how much the models of all samples miss the risk alike,
    and `small_sample` / sqrt(patients of the rarer outcome) by how much more where few were learned from.
    Directions in which the samples' models differ are kept until they hold the share `held` of the variance.
    """

    level: InnerShare
    misfit: Annotated[float, Between(0)]
    small_sample: Annotated[float, Between(0)]
    min_samples: Annotated[int, Between(2)]
    held: InnerShare


@dataclass(frozen=True)
class ServingSettings:
    """configs/serving.yaml: what a served model says of its training patients, and what a row must have."""

    interval: IntervalSettings
    support_quantile: InnerShare
    unit_tolerance: Positive
    required: tuple[str, ...]
    range_margin: Positive = 1.0


@dataclass(frozen=True)
class ProcedureSettings:
    """What a run of the modelling procedure is told: the encoding, and the candidates to choose from."""

    encoding: EncodingSettings
    candidates: Mapping[str, Candidate]


@dataclass(frozen=True)
class ComparatorSettings:
    """configs/comparators.yaml: the comparator that is learned from the inputs of the rules."""

    renamed: ClassVar[Mapping[str, str]] = RENAMED_PENALTIES
    rule_inputs: FeatureCandidate

    def procedure(self, encoding: EncodingSettings) -> ProcedureSettings:
        """Return the procedure that learns it."""
        return ProcedureSettings(encoding, {"rule_inputs": self.rule_inputs})


@dataclass(frozen=True)
class BlocksSettings:
    """Models of blocks of many features: the penalties, per patient and column, from the strongest.

    `cuts`: of z^2, at which the columns of an assay may be weighed by how they go with the outcome in a
    training part (`models.blocks.kernels`); all columns alike is always tried.
    `min_batch_patients`: of a batch, in a training part, whose location is learned. `permutations`: of the
    patients' batches, platforms and centres, to say what they explain by chance.
    """

    penalties_per_column: tuple[Positive, ...] = ()
    cuts: tuple[Positive, ...] = ()
    min_batch_patients: Count = 5
    permutations: Count = 999


@dataclass(frozen=True)
class ModelSettings(Sections):
    """The content of configs/models.yaml; candidates from the simplest to the least simple."""

    file: ClassVar[str] = "configs/models.yaml"
    renamed: ClassVar[Mapping[str, str]] = {
        **RENAMED_PENALTIES,
        "rarest_level": "min_level_patients now",
        "most_missing": "max_missing_share now",
        "comparators": "in configs/comparators.yaml now",
        "serving": "in configs/serving.yaml now",
    }

    encoding: EncodingSettings
    candidates: dict[str, Candidate]
    blocks: BlocksSettings = BlocksSettings()

    def alone(self, candidate: str) -> ProcedureSettings:
        """Return the procedure with one candidate only.

        Raises
        ------
        UserError
            If there is no such candidate of features.
        """
        of_features = [k for k, one in self.candidates.items() if not isinstance(one, BlocksCandidate)]
        if candidate not in of_features:
            raise UserError(f"{self.file}: candidate {unknown_name(candidate, of_features)}")
        return ProcedureSettings(self.encoding, {candidate: self.candidates[candidate]})


def model_settings(document: Any) -> ModelSettings:
    """Return configs/models.yaml, or some of its sections, as a typed object.

    Raises
    ------
    UserError
        If a key is unknown, or a value is not what it must be.
    """
    return parsed_sections(ModelSettings, {ModelSettings.file: document})


def comparator_settings(document: object) -> ComparatorSettings:
    """Return configs/comparators.yaml as a typed object. Raises as `model_settings`."""
    return parsed(ComparatorSettings, document, "configs/comparators.yaml")


def serving_settings(document: object) -> ServingSettings:
    """Return configs/serving.yaml as a typed object. Raises as `model_settings`."""
    return parsed(ServingSettings, document, "configs/serving.yaml")
