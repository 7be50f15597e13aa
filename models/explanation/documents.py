"""What shap/<landmark>.json holds, as it is written and as pages read it."""

from typing import NotRequired, TypedDict


class GroupContribution(TypedDict):
    """The summed contributions of a group of features: a domain or a biological theme."""

    group: str
    features: int
    mean_abs: float
    mean_low: float
    mean_high: float
    share: float
    low: float
    high: float


class GroupMean(TypedDict):
    """The mean summed contribution of a theme in a group of patients, of those told apart by `by`."""

    by: str
    part: str
    patients: int
    mean: float


class ThemeContribution(GroupContribution):
    """A biological theme with its features, the ranks that intervals leave open, and its means by group."""

    members: list[str]
    first_rank: int
    last_rank: int
    means: list[GroupMean]


class FeatureContribution(TypedDict):
    """A feature's contribution, its rank, and its range over centres where there are any."""

    feature: str
    domain: str
    rank: int
    mean_abs: float
    low: float
    high: float
    top: float
    centre_low: float | None
    centre_high: float | None
    share: float


class PartContribution(TypedDict):
    """A domain's contribution among some of the patients: an arm, or a branch."""

    part: str
    patients: int
    group: str
    mean_abs: float
    low: float
    high: float


class Cluster(TypedDict):
    """Features that carry the same information; `patients`: fewest who have both values of a pair."""

    features: list[str]
    correlation: float
    patients: int
    together: float
    apart: float


class Interaction(TypedDict):
    """The mean absolute interaction of two features, over so many predictions."""

    first: str
    second: str
    mean_abs: float
    patients: int


class Direction(TypedDict):
    """A direction expected, and the one `found`: higher, lower or none."""

    name: str
    feature: str
    expected: str
    source: str
    of: str
    against: str
    difference: float
    low: float
    high: float
    stability: float
    found: str
    verdict: str


class CurvePoint(TypedDict):
    """The mean contribution at a value of a feature, with its band."""

    x: float | str
    n: int
    fit: float
    low: float
    high: float


class Attributions(TypedDict):
    """What the contributions at a landmark say as a whole, apart from interactions."""

    resamples: int
    level: float
    centres: int
    top: int
    min_centre_patients: int
    domains: list[GroupContribution]
    features: list[FeatureContribution]
    biology: list[ThemeContribution]
    splits: dict[str, list[PartContribution]]
    clusters: list[Cluster]
    left_out: list[str]
    directions: list[Direction]
    curves: dict[str, list[CurvePoint]]
    curves_by: dict[str, dict[str, list[CurvePoint]]]


class AssayColumn(TypedDict):
    """A column of an assay: mean |contribution|, and share of the fits in which it is among the largest."""

    column: str
    mean_abs: float
    stability: float


class ContributionSummary(Attributions):
    """shap/<landmark>.json; `assays`: the largest columns of each, where the model takes assays."""

    interactions: list[Interaction]
    assays: NotRequired[dict[str, list[AssayColumn]]]


class NothingExplained(TypedDict):
    """shap/<landmark>.json of a landmark at which no model was learned, and why."""

    error: str
