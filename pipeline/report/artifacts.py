"""What the stages' JSON files hold, as the pages read them."""

from typing import NotRequired, TypedDict

from features.documents.study import StudyDocument

Study = StudyDocument
"""A study file; the stages check it before anything is computed."""


class Feature(TypedDict):
    """A feature of a landmark: features/<landmark>.json."""

    name: str
    domain: str
    kind: str
    unit: str
    known_at: str
    levels: list[str]
    description: str
    share_missing: float


class HiddenRows(TypedDict):
    """Rows of a table that a landmark does not see, and why."""

    table: str
    visit: str
    reason: str
    rows: int


class FeatureList(TypedDict):
    """features/<landmark>.json."""

    landmark: str
    features: list[Feature]
    absent_domains: list[str]
    absent_features: NotRequired[list[str]]
    late: NotRequired[list[HiddenRows]]


class Criterion(TypedDict):
    """An eligibility criterion with its counts of patients."""

    id: str
    text: str
    excluding: bool
    violated: int
    not_assessable: int
    not_applicable: NotRequired[int]


class AtRisk(TypedDict):
    """The patients at risk at a landmark, and those who are not, by reason."""

    at_risk: int
    by_arm: dict[str, int]
    not_at_risk: dict[str, int]


class Flow(TypedDict):
    """cohort/flow.json."""

    randomised: int
    by_arm: dict[str, int]
    eligible: int
    eligible_by_arm: dict[str, int]
    criteria: list[Criterion]
    outcome: dict[str, int]
    outcome_missing: dict[str, int]
    pcr: int
    pcr_by_arm: dict[str, int]
    landmarks: dict[str, AtRisk]


class Summary(TypedDict):
    """A cell of table one: quartiles of a number, or the count of a level."""

    n: int
    missing: int
    median: NotRequired[float]
    q25: NotRequired[float]
    q75: NotRequired[float]
    count: NotRequired[int]


class TableOneRow(TypedDict):
    """A row of table one: a numeric feature, or one level of a feature."""

    description: str
    unit: str
    domain: str
    feature: str
    level: str | None
    cells: dict[str, Summary]


class TableOne(TypedDict):
    """Patients at risk at the first landmark, by arm."""

    landmark: str
    patients: int
    by_arm: dict[str, int]
    rows: list[TableOneRow]


class Coverage(TypedDict):
    """Patients with at least one row in a raw table at a visit."""

    table: str
    visit: str
    patients: int
    of: int


class StateCount(TypedDict):
    """Patients of a group in a state of measurement."""

    group: str
    level: str
    n: int
    of: int


class States(TypedDict):
    """States of measurement of a domain at a visit."""

    domain: str
    visit: str
    levels: list[str]
    by_arm: list[StateCount]
    by_centre: list[StateCount]


class MissingShare(TypedDict):
    """The share of patients at risk without a value of a feature."""

    landmark: str
    name: str
    domain: str
    known_at: str
    description: str
    share: float


class CoursePoint(TypedDict):
    """Quartiles of a feature at a visit among patients of an arm and outcome."""

    visit: str
    arm: str
    outcome: str
    n: int
    of: int
    median: NotRequired[float]
    q25: NotRequired[float]
    q75: NotRequired[float]


class Course(TypedDict):
    """A feature over the visits."""

    name: str
    unit: str
    points: list[CoursePoint]


class Branch(TypedDict):
    """pCR among the patients of a protocol branch with a known outcome (n)."""

    node: str
    branch: str
    patients: int
    n: int
    events: int
    value: float
    low: float
    high: float


class Status(TypedDict):
    """What the rules could answer at a node."""

    node: str
    status: str
    patients: int


class Conflict(TypedDict):
    """Patients to whom other rules apply beside the one that takes precedence."""

    node: str
    rule: str
    conflicts: str
    patients: int
    lacking: list[str]


class EventInArm(TypedDict):
    """Patients of an arm with an adverse event; `difference` from the reference arm, empty in that one."""

    event: str
    arm: str
    n: int
    events: int
    value: float
    low: float
    high: float
    difference: dict[str, float]


class EventInBranch(TypedDict):
    """Patients of a protocol branch with an adverse event."""

    branch: str
    event: str
    n: int
    events: int


class ResponseByEvent(TypedDict):
    """pCR with and without a severe event, in patients of an arm with a known outcome."""

    arm: str
    n: int
    pcr_without: int
    pcr_with: int
    no_pcr_without: int
    no_pcr_with: int


class OpenDrug(TypedDict):
    """Patients who had so many cycles of a drug, of a regimen that leaves the drug open."""

    regimen: str
    drug: str
    cycles: int
    patients: int


class Toxicity(TypedDict):
    """Adverse events of treated patients."""

    treated: int
    reference: str
    by_arm: list[EventInArm]
    by_branch: list[EventInBranch]
    response: list[ResponseByEvent]
    drugs: list[OpenDrug]


class Used(TypedDict):
    """What the results were made from."""

    digests: dict[str, str]
    versions: dict[str, str]
    key: str


class Description(TypedDict):
    """description.json."""

    centres: int
    table_one: TableOne
    recorded: list[TableOneRow]
    coverage: list[Coverage]
    states: list[States]
    missing: list[MissingShare]
    over_time: list[Course]
    branches: list[Branch]
    status: list[Status]
    conflicts: list[Conflict]
    toxicity: Toxicity | None
    used: Used


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


class Theme(GroupContribution):
    """A biological theme with its features."""

    members: list[str]


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


class PartContribution(TypedDict):
    """A domain's contribution among some of the patients: an arm, or a branch."""

    part: str
    patients: int
    group: str
    mean_abs: float
    low: float
    high: float


class Cluster(TypedDict):
    """Features that carry the same information."""

    features: list[str]
    correlation: float
    together: float
    apart: float


class Interaction(TypedDict):
    """The mean absolute interaction of two features, over so many predictions."""

    first: str
    second: str
    mean_abs: float
    patients: int


class Direction(TypedDict):
    """A direction expected, and the one observed."""

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
    verdict: str


class CurvePoint(TypedDict):
    """The mean contribution at a value of a feature, with its band."""

    x: float | str
    n: int
    fit: float
    low: float
    high: float


class ContributionSummary(TypedDict):
    """shap/<landmark>.json."""

    resamples: int
    level: float
    centres: int
    top: int
    min_centre_patients: int
    domains: list[GroupContribution]
    features: list[FeatureContribution]
    biology: list[Theme]
    splits: dict[str, list[PartContribution]]
    clusters: list[Cluster]
    left_out: list[str]
    directions: list[Direction]
    curves: dict[str, list[CurvePoint]]
    curves_by: dict[str, dict[str, list[CurvePoint]]]
    interactions: list[Interaction]
