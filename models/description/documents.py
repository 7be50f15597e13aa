"""What description.json holds: patients and data apart from models, as it is written and as pages read it."""

from typing import NotRequired, TypedDict


class Proportion(TypedDict):
    """A proportion with its interval; without patients only the counts."""

    n: int
    events: int
    value: NotRequired[float]
    low: NotRequired[float]
    high: NotRequired[float]


class Quartiles(TypedDict, total=False):
    """The quartiles of the known values; empty where there are none."""

    median: float
    q25: float
    q75: float


class Summary(Quartiles):
    """A cell of table one: quartiles of a number, or the count of a level."""

    n: int
    missing: int
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
    """Patients at risk at the first landmark, by arm; `differences`: standardised, of two arms."""

    landmark: str
    patients: int
    by_arm: dict[str, int]
    rows: list[TableOneRow]
    differences: dict[str, float]


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
    """States of measurement of a domain at a visit, as the first landmark that has them knew them."""

    feature: str
    domain: str
    visit: str
    landmark: str
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


class CoursePoint(Quartiles):
    """Quartiles of a feature at a visit among patients of an arm and outcome."""

    visit: str
    arm: str
    outcome: str
    n: int
    of: int


class OverTime(TypedDict):
    """A feature over the visits."""

    name: str
    unit: str
    points: list[CoursePoint]


class Flow(TypedDict):
    """Patients who went from a level of one stage to a level of the next."""

    stage: str
    source: str
    target: str
    patients: int


class Flows(TypedDict):
    """From ctDNA over the branch to the outcome: `stages` in order, of the same patients."""

    stages: list[str]
    patients: int
    events: int
    flows: list[Flow]


class Branch(Proportion):
    """pCR among the patients of a protocol branch with a known outcome (n)."""

    node: str
    branch: str
    patients: int


class Status(TypedDict):
    """What the rules could answer at a node."""

    node: str
    status: str
    patients: int


class Conflict(TypedDict):
    """Patients to whom other rules apply beside the one that takes precedence.

    `lacking`: drugs that the regimens of the other rules have, and the one assigned has not.
    """

    node: str
    rule: str
    conflicts: str
    patients: int
    lacking: list[str]


class Difference(TypedDict, total=False):
    """A proportion minus that of the reference, with its interval; empty where there is none."""

    value: float
    low: float
    high: float


class EventInArm(Proportion):
    """Patients of an arm with an adverse event; `difference` from the reference arm, empty in that one."""

    event: str
    arm: str
    difference: Difference


class EventInBranch(Proportion):
    """Patients of a protocol branch with an adverse event."""

    branch: str
    event: str


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
    reference: str | None
    by_arm: list[EventInArm]
    by_branch: list[EventInBranch]
    response: list[ResponseByEvent]
    drugs: list[OpenDrug]


class Used(TypedDict):
    """What the results were made from."""

    digests: dict[str, str]
    versions: dict[str, str]
    key: str


class Described(TypedDict):
    """Everything that the study report says of patients and data, apart from models."""

    centres: int
    table_one: TableOne
    recorded: list[TableOneRow]
    coverage: list[Coverage]
    states: list[States]
    missing: list[MissingShare]
    over_time: list[OverTime]
    flows: Flows | None
    branches: list[Branch]
    status: list[Status]
    conflicts: list[Conflict]
    toxicity: Toxicity | None


class Description(Described):
    """description.json."""

    used: Used
