"""What a study decides, read from its file with types: arms, visits, landmarks, outcome, features ...

A study file is checked as a whole when a person hands it in (`pipeline.sources.mapping.study_file`). Here
each part is read when it is asked for: a stage declares the keys of the study that it depends on, and must
not fail over the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from features.documents.study_entries import (
    ArmComparisonEntry,
    ChallengerEntry,
    OutcomeEntry,
    StudyDocument,
    ThresholdsEntry,
)
from features.errors import UserError
from features.keys import checked_fields, unknown_name

ADAPTIVE_ONLY = "adaptive_arm"
NO_OUTCOME = "none"
DATED_VISITS = "dates"
DEFAULTS: StudyDocument = {
    "simulated": False, "simulations": [], "adaptive_arm": None, "strategies": [], "allocation": None,
    "randomised": False, "regimens": [], "rules": "none", "eligibility": "none", "de_escalated_branches": [],
    "leakage_acknowledged": "", "response_counts": "recorded", "waivers": [], "standards": [],
    "mapping": None, "thresholds": None, "omics": None, "single_patients_in_mlflow": False,
    "arm_comparison": None, "challengers": None,
}  # fmt: skip
"""Keys that a study file may leave out, and what they then say."""


class LandmarkError(UserError):
    """A study whose landmarks contradict its visits, or tables that cannot be placed in time."""


@dataclass(frozen=True)
class Landmark:
    """A decision time: the visits it may see, the cycles given before it, and when it was planned.

    `cycles`, `planned_day` (days after randomisation) and `window_days` are None in a study without dates.
    """

    name: str
    visits: tuple[str, ...]
    cycles: int | None = None
    planned_day: int | None = None
    window_days: int | None = None


@dataclass(frozen=True)
class OutcomeRule:
    """The definition of pCR, those of the sensitivity runs, and the departures that count as non-pCR.

    `node_removed_before`: what the outcome is after a positive sentinel node was taken out before treatment,
    ``missing`` or ``residual_is_failure`` (`features.definitions.pcr`).
    """

    definition: str
    sensitivity: tuple[str, ...] = ()
    counted_as_failure: tuple[str, ...] = ()
    node_removed_before: str = "missing"


@dataclass(frozen=True)
class FeaturePlan:
    """The feature domains in order, and how states of missing results are shown.

    `state_indicators`: by domain, true if not named. `after_baseline`: `ADAPTIVE_ONLY` where features after
    the first landmark are of the adaptive arm alone. `not_planned`: domain -> arms that have it at the first
    visit only. `receptors`: those of er, pr and her2 whose status is a feature, where a cohort is mixed.
    """

    domains: tuple[str, ...]
    state_indicators: Mapping[str, bool] = field(default_factory=dict)
    after_baseline: str | None = None
    not_planned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    receptors: Sequence[str] = ()

    @property
    def adaptive_only(self) -> bool:
        """Whether features after the first landmark are of the adaptive arm alone."""
        return self.after_baseline == ADAPTIVE_ONLY

    def has_states(self, domain: str) -> bool:
        """Return whether missing results of a domain have a state of their own."""
        return self.state_indicators.get(domain, True)


@dataclass(frozen=True)
class PrimaryComparison:
    """The one comparison that is not descriptive; `arm` is None where all arms count."""

    landmark: str
    arm: str | None = None
    metric: str = "log_loss"
    model: str = "chosen"
    against: str = "rules"


@dataclass(frozen=True)
class Waiver:
    """A problem of the input that `who` let pass: in one column, by one rule, in at most `rows` rows."""

    table: str
    column: str
    rule: str
    rows: int
    reason: str
    who: str


@dataclass(frozen=True)
class Study:
    """A study file, each part read with its type when it is asked for; `document` is the file as it stands.

    Raises
    ------
    UserError
        By any attribute whose key the document does not have.
    """

    document: StudyDocument = field(repr=False)

    def _entry(self, key: str) -> Any:
        if key not in self.document:
            raise UserError(f"study file: key {key} is missing")
        return self.document.get(key)

    def _names(self, key: str) -> tuple[str, ...]:
        return tuple(self._entry(key))

    @property
    def name(self) -> str:
        """The study's short name."""
        return str(self._entry("study"))

    @property
    def title(self) -> str:
        """The study's title, as reports show it."""
        return str(self._entry("title"))

    @property
    def simulated(self) -> bool:
        """Whether its patients are made by a simulator."""
        return bool(self._entry("simulated"))

    @property
    def source(self) -> str:
        """The simulator's settings, or the folder of the study's files."""
        return str(self._entry("source"))

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms as randomised."""
        return self._names("arms")

    @property
    def adaptive_arm(self) -> str | None:
        """The arm that follows the rules; None where none does."""
        arm: str | None = self._entry("adaptive_arm")
        return arm

    @property
    def allocation(self) -> dict[str, float]:
        """The share of patients randomised to each arm."""
        return {str(arm): share for arm, share in self._entry("allocation").items()}

    @property
    def has_known_allocation(self) -> bool:
        """Whether the study file gives the shares of the randomisation."""
        return bool(self._entry("allocation"))

    @property
    def regimens(self) -> tuple[str, ...]:
        """The regimens that may be given."""
        return self._names("regimens")

    @property
    def strategies(self) -> tuple[str, ...]:
        """Arms whose value as a strategy for all is estimated."""
        return self._names("strategies")

    @property
    def has_dated_visits(self) -> bool:
        """Whether every draw, scan or test is a visit of its own, named by its date."""
        return bool(self._entry("visits") == DATED_VISITS)

    @property
    def visits(self) -> tuple[str, ...]:
        """The visits in order of time."""
        return self._names("visits")

    @property
    def rules(self) -> str:
        """The decision table in configs/rules."""
        return str(self._entry("rules"))

    @property
    def eligibility(self) -> str:
        """The file of eligibility criteria in configs/eligibility."""
        return str(self._entry("eligibility"))

    @property
    def de_escalated_branches(self) -> tuple[str, ...]:
        """The branches in which the rules de-escalate."""
        return self._names("de_escalated_branches")

    @property
    def thresholds(self) -> ThresholdsEntry | None:
        """The thresholds of the decision curves; None where they follow the frequency of pCR."""
        thresholds: ThresholdsEntry | None = self._entry("thresholds")
        return thresholds

    @property
    def assays(self) -> dict[str, str]:
        """The visit of every assay of many features, by its name; empty where the study has none.

        A study without an outcome has no such key.
        """
        return {name: str(entry["visit"]) for name, entry in (self.document.get("omics") or {}).items()}

    @property
    def challengers(self) -> dict[str, ChallengerEntry]:
        """Models made elsewhere by name: path of their predictions, landmark, and whether they are fixed."""
        return dict(self._entry("challengers") or {})

    @property
    def leakage_acknowledged(self) -> str:
        """Why an AUC above the leakage alarm is believed; empty where it is not."""
        return str(self._entry("leakage_acknowledged") or "")

    @property
    def has_outcome(self) -> bool:
        """Whether the study records what pCR is read from."""
        return bool(self._entry("outcome") != NO_OUTCOME)

    @cached_property
    def outcome(self) -> OutcomeRule:
        """The definition of pCR and what counts as failure."""
        entry = checked_fields(OutcomeRule, self._entry("outcome"), "study file, outcome")
        lists = {key: tuple(entry.get(key, ())) for key in ("sensitivity", "counted_as_failure")}
        return OutcomeRule(**entry | lists)

    @cached_property
    def features(self) -> FeaturePlan:
        """Which features are built."""
        entry = checked_fields(FeaturePlan, self._entry("features"), "study file, features")
        return FeaturePlan(**entry | {"domains": tuple(entry["domains"])})

    @cached_property
    def primary(self) -> PrimaryComparison:
        """The one comparison that is not descriptive."""
        entry = checked_fields(PrimaryComparison, self._entry("primary"), "study file, primary")
        return PrimaryComparison(**entry)

    @property
    def randomised(self) -> bool:
        """Whether chance decided on the arm."""
        return bool(self._entry("randomised"))

    @property
    def arm_comparison(self) -> ArmComparisonEntry | None:
        """How the randomised arms are compared; None where the file leaves it to the default."""
        entry: ArmComparisonEntry | None = self._entry("arm_comparison")
        return entry

    @property
    def response_by_lesions(self) -> bool:
        """Whether the category that the lesions give takes the place of the recorded one."""
        return bool(self.document.get("response_counts") == "lesions")

    @cached_property
    def waivers(self) -> tuple[Waiver, ...]:
        """Problems of the input that were looked at and are let pass."""
        entries = self.document.get("waivers") or ()
        return tuple(Waiver(**checked_fields(Waiver, entry, "study file, waivers")) for entry in entries)

    @property
    def vocabulary(self) -> dict[str, tuple[str, ...]]:
        """Levels that the contract leaves to the study; empty where the study does not list them."""
        return {
            "visits": tuple(self.document.get("visits") or ()),
            "arms": tuple(self.document.get("arms") or ()),
            "regimens": tuple(self.document.get("regimens") or ()),
        }

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """What is possible for features that the study measures itself, beside the contract's range."""
        entries = (self.document.get("mapping") or {}).get("ranges") or {}
        return {name: (float(low), float(high)) for name, (low, high) in entries.items()}

    @property
    def landmark_names(self) -> tuple[str, ...]:
        """The landmarks in order of time."""
        return self._names("landmarks")

    @cached_property
    def landmarks(self) -> dict[str, Landmark]:
        """The landmarks in order of time, by name.

        Raises
        ------
        LandmarkError
            If a landmark has no schedule, or sees an unknown visit, or less than an earlier landmark.
        """
        landmarks: dict[str, Landmark] = {}
        seen: tuple[str, ...] = ()
        schedule = self._entry("schedule")
        for name in self.landmark_names:
            if name not in schedule:
                raise LandmarkError(f"study file: landmark {name} has no entry in schedule")
            entry = checked_fields(Landmark, {"name": name} | schedule[name], f"study file, schedule, {name}")
            visits = tuple(entry["visits"])
            unknown = [visit for visit in visits if visit not in self.visits]
            if unknown:
                raise LandmarkError(f"study file: landmark {name} sees unknown visits {', '.join(unknown)}")
            if visits[: len(seen)] != seen:
                raise LandmarkError(
                    f"study file: landmark {name} does not see all that an earlier landmark saw; begin "
                    f"schedule.{name}.visits with {', '.join(seen)}"
                )
            seen = visits
            landmarks[name] = Landmark(**entry | {"visits": visits})
        return landmarks

    def landmark(self, name: str) -> Landmark:
        """Return a landmark by its name.

        Raises
        ------
        LandmarkError
            If the study has none of that name.
        """
        if name not in self.landmarks:
            raise LandmarkError(f"study {self.name}: landmark {unknown_name(name, self.landmark_names)}")
        return self.landmarks[name]

    def visits_at(self, landmark: str) -> tuple[str, ...]:
        """Return the visits that a landmark may see, without a look at the other landmarks.

        Raises
        ------
        LandmarkError
            If the landmark has no schedule.
        """
        schedule = self._entry("schedule")
        if landmark not in schedule:
            raise LandmarkError(f"study file: landmark {landmark} has no entry in schedule")
        return tuple(schedule[landmark]["visits"])

    def landmarks_up_to(self, name: str) -> tuple[str, ...]:
        """Return the names of a landmark and of those before it."""
        return self.landmark_names[: self.landmark_names.index(name) + 1]

    def with_outcome(self, definition: str) -> "Study":
        """Return the study with another definition of pCR."""
        outcome: OutcomeEntry = {
            "definition": definition,
            "sensitivity": list(self.outcome.sensitivity),
            "counted_as_failure": list(self.outcome.counted_as_failure),
        }
        return Study({**self.document, "outcome": outcome})

    def with_visits(self, visits: Sequence[str]) -> "Study":
        """Return the study with these visits in order of time."""
        return Study({**self.document, "visits": list(visits)})


def with_defaults(document: StudyDocument) -> StudyDocument:
    """Return a study file with all its keys: those that it leaves out follow behind, as `DEFAULTS` says.

    A study without outcome is never run, and has fewer keys; it stays as it is.

    Examples
    --------
    >>> with_defaults({"study": "a", "rules": "mine"})["rules"], with_defaults({"study": "a"})["rules"]
    ('mine', 'none')
    """
    if document.get("outcome") == NO_OUTCOME:
        return document.copy()
    return {**document, **DEFAULTS, **document}


def parse_study(document: StudyDocument) -> Study:
    """Return a study file with types.

    Raises
    ------
    UserError
        If the file is empty or a list.
    """
    if not isinstance(document, Mapping):
        raise UserError("study file: must be a mapping of keys, starting with study")
    return Study(document)
