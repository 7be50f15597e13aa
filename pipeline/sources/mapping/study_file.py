"""What a study file (configs/studies/) may say, and how a study's files become contract tables.

The models below are the reference of the format; a key that is not here is refused.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from features.documents.study_entries import StudyDocument
from features.errors import UserError
from pipeline.sources.formats.source_file import STRICT, Calls, Keep, Origin, Pivot, SourceFile
from pipeline.sources.mapping.assay import Assay, wrong_assays
from pipeline.sources.mapping.challenger import Challenger, wrong_challengers
from pipeline.sources.mapping.column_rule import Block, ColumnRule, Number, WholeNumber

__all__ = [
    "Block", "Calls", "ColumnRule", "Keep", "Origin", "Pivot", "SourceFile", "StudyFileError",
    "check_study_file",
]  # fmt: skip

Domain = Literal["clinical", "pathology", "tissue", "ctdna", "imaging"]
NO_OUTCOME = "none"
SHARES_ADD_UP = 1e-9
NAME = re.compile(r"\w[\w.+-]*")
UNION_PARTS = ("str", "list[str]", "dict[str,str]", "[key]")
"""What pydantic adds to the place of a fault: which of several types was tried."""


class StudyFileError(UserError):
    """A study file that cannot be used; the message has one line for each fault."""


class _Part(BaseModel):
    model_config = STRICT


class SourceMapping(_Part):
    """How files become contract tables.

    `patients` names the file, or the files, whose rows, once filtered, they are. `ranges` widens what is
    possible for measured features by their names or patterns (original_firstorder_Energy: [0, 1e15]), in
    imaging_features and biomarkers.
    """

    patients: str | list[str]
    files: dict[str, SourceFile]
    tables: dict[str, list[Block]]
    ranges: dict[str, tuple[Number, Number]] = {}

    @property
    def patient_files(self) -> list[str]:
        """The entries of `files` that give the patients."""
        return [self.patients] if isinstance(self.patients, str) else self.patients

    @model_validator(mode="after")
    def _known_files(self) -> Self:
        named = set(self.patient_files)
        for blocks in self.tables.values():
            named |= {b.file for b in blocks} | {r.file for b in blocks for r in b.columns.values() if r.file}
        unknown = sorted(named - set(self.files))
        if unknown:
            raise ValueError(f"names files that `files` has not: {', '.join(unknown)}")
        if not self.patient_files:
            raise ValueError("`patients` must name a file")
        for name in self.patient_files:
            if self.files[name].id is None:
                raise ValueError(f"file {name} gives the patients and needs an `id`")
        for name, (low, high) in self.ranges.items():
            if low >= high:
                raise ValueError(f"ranges: {name} must be [low, high], low below high")
        return self


class LandmarkPlan(_Part):
    """What a landmark sees, and when its decision falls (left out where the study has no dates)."""

    visits: list[str]
    cycles: WholeNumber | None = None
    planned_day: WholeNumber | None = None
    window_days: WholeNumber | None = None


Definition = Literal["ypT0/is_ypN0", "ypT0_ypN0", "ypT0/is", "rcb_0_1", "recorded"]


class Outcome(_Part):
    """The definition of pCR, those of the sensitivity runs, and the reasons for leaving that are non-pCR."""

    definition: Definition
    sensitivity: list[Definition] = []
    counted_as_failure: list[str] = []
    node_removed_before: Literal["missing", "residual_is_failure"] = "missing"


class FeatureSettings(_Part):
    """The feature domains, and for which missing results have a state of their own (all, by default).

    `after_baseline: adaptive_arm` says that features after the first landmark are of the adaptive arm alone;
    `not_planned` names, by domain, the arms that have it at the first visit only. `receptors` are those whose
    status is a feature, where a cohort is mixed: as recorded, else by per cent (1 %), or by IHC and ISH.
    """

    domains: list[Domain]
    state_indicators: dict[Domain, bool] = {}
    after_baseline: Literal["adaptive_arm"] | None = None
    not_planned: dict[Domain, list[str]] = {}
    receptors: list[Literal["er", "pr", "her2"]] = []


class Primary(_Part):
    """The one comparison that is not descriptive."""

    landmark: str
    arm: str | None = None
    metric: str = "log_loss"
    model: str = "chosen"
    against: str = "rules"


class ArmComparison(_Part):
    """How the randomised arms are compared, each with `reference` (docs/efficacy.md).

    `strata` and `interactions` name groupings of configs/measures.yaml; `margin` is the difference in
    pCR that non-inferiority would let pass; `regimens` are an arm's. `assumed: false`: the protocol says so.
    """

    reference: str
    hypothesis: Literal["superiority", "non_inferiority"] = "superiority"
    margin: Number = Field(default=0.0, ge=0, lt=1)
    strata: list[str] = []
    interactions: list[str] = []
    regimens: dict[str, list[str]] = {}
    assumed: bool = True

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.hypothesis == "non_inferiority") != (self.margin > 0):
            raise ValueError("`margin` above 0 is for non_inferiority, which needs one")
        return self


class Thresholds(_Part):
    """From which threshold probability to which a decision curve goes, and those shown among the metrics."""

    min: Number = Field(gt=0, lt=1)
    max: Number = Field(gt=0, lt=1)
    step: Number = Field(gt=0, lt=1)
    shown: list[Number]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min >= self.max:
            raise ValueError("`min` must be below `max`")
        if any(not self.min <= threshold <= self.max for threshold in self.shown):
            raise ValueError("`shown` must lie from `min` to `max`")
        return self


class DecisionThresholds(_Part):
    """Threshold probabilities of the decision curves: of pCR for de-escalation, of none for escalation."""

    de_escalation: Thresholds
    escalation: Thresholds


class Waiver(_Part):
    """A problem that was looked at and is let pass: in one column, by one rule, in at most `rows` rows.

    Warnings can be waived, and dates in an impossible order (not_before, not_after); what cannot be read, or
    lies outside levels or range, cannot.
    """

    table: str
    column: str
    rule: str
    rows: WholeNumber = Field(ge=1)
    reason: str = Field(min_length=1)
    who: str = Field(min_length=1)


class _Source(_Part):
    """What every study file says: its name, its files, and how they become tables.

    `standards` names ready mappings in configs/mappings, on which its own `mapping` lies. `response_counts`:
    the recorded RECIST category, or the one that the lesions give.
    """

    study: str
    title: str
    source: str
    response_counts: Literal["recorded", "lesions"] = "recorded"
    waivers: list[Waiver] = []
    standards: list[str] = []
    mapping: SourceMapping | None = None


class Library(_Source):
    """A study file without an outcome (``outcome: none``), such as a ctDNA library of advanced disease.

    `visits` in order of time, or ``dates``: every draw (scan, test) is a visit of its own, named by its date.
    `arms` and `regimens` are only listed where they matter; without a list any text is allowed.
    """

    outcome: Literal["none"]
    simulated: Literal[False] = False
    visits: list[str] | Literal["dates"]
    arms: list[str] = []
    regimens: list[str] = []

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if self.mapping is None:
            faults.append("`mapping` is missing: a study without outcome comes in files")
        tables = {} if self.mapping is None else self.mapping.tables
        if "surgery" in tables:
            faults.append("table surgery holds an outcome, and `outcome: none` says that there is none")
        if self.visits == "dates":
            named = [t for t, blocks in tables.items() if any("visit" in b.columns for b in blocks)]
            faults += [f"table {t} maps `visit`, which `visits: dates` takes from the date" for t in named]
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Study(_Source):
    """A study file with an outcome.

    `simulated` studies have a simulator's settings for `source`, others a folder; `simulations` name those
    whose truth is kept. `adaptive_arm` follows the `rules`, a decision table of configs/rules (null and none
    in a study without). `eligibility` names criteria in configs/eligibility: patients who break one are
    counted and analysed, and left out in a sensitivity run. `randomised` says whether chance decided on the
    arm, and `arm_comparison` how the arms are then compared. `strategies` are arms whose value as a strategy
    for all is estimated, by the known shares of the randomisation in `allocation`. `visits` stand in order of
    time; a landmark sees those of its `schedule`. `de_escalated_branches` are a line of the decision curves.
    `leakage_acknowledged` says why a model that looks too good is right, once somebody has looked.
    `thresholds` are those of the decision curves; left out, they lie around the frequency of pCR
    (`threshold_rule` of configs/measures.yaml). `omics` are assays of many features, each a block of its own.
    `challengers` are models made elsewhere, judged by their predictions on the run's folds.
    `single_patients_in_mlflow` puts predictions and contributions of every patient, with ids and outcomes,
    into MLflow; whoever has them and the model can look up inputs (`pcr disclose`).
    """

    simulated: bool = False
    simulations: list[str] = []
    arms: list[str] = Field(min_length=1)
    adaptive_arm: str | None = None
    randomised: bool = False
    arm_comparison: ArmComparison | None = None
    strategies: list[str] = []
    allocation: dict[str, Number] | None = None
    regimens: list[str] = []
    visits: list[str] = Field(min_length=1)
    landmarks: list[str] = Field(min_length=1)
    schedule: dict[str, LandmarkPlan]
    outcome: Outcome
    rules: str = "none"
    eligibility: str = "none"
    de_escalated_branches: list[str] = []
    features: FeatureSettings
    primary: Primary
    leakage_acknowledged: str = ""
    thresholds: DecisionThresholds | None = None
    omics: dict[str, Assay] | None = None
    challengers: dict[str, Challenger] | None = None
    single_patients_in_mlflow: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = list(_contradictions(self))
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _wrong_allocation(study: Study) -> Iterator[str]:
    """Yield what keeps a strategy from having a value: it rests on two arms randomised at known odds."""
    allocation = study.allocation or {}
    unknown = [arm for arm in allocation if arm not in study.arms]
    yield from (f"allocation: {arm} is not one of `arms`" for arm in unknown)
    shares = list(allocation.values())
    if shares and (any(share <= 0 for share in shares) or abs(sum(shares) - 1) > SHARES_ADD_UP):
        yield "allocation: the shares must be above 0 and add up to 1"
    if shares and not study.randomised:
        yield "`allocation` gives the shares of a randomisation, and `randomised` is false: write true"
    for arm in study.strategies:
        if arm not in allocation or len(allocation) != 2:
            yield f"strategies: {arm} needs an `allocation` to it and to one other arm"


def _wrong_arms(study: Study) -> Iterator[str]:
    for arm in (study.adaptive_arm, study.primary.arm):
        if arm is not None and arm not in study.arms:
            yield f"{arm} is not one of `arms`"
    for domain, arms in study.features.not_planned.items():
        unknown = [arm for arm in arms if arm not in study.arms]
        yield from (f"features.not_planned, {domain}: {arm} is not one of `arms`" for arm in unknown)
    yield from _wrong_arm_comparison(study)
    if study.features.after_baseline is not None and study.adaptive_arm is None:
        yield "`features.after_baseline` is of the adaptive arm, and the study has no `adaptive_arm`"
    if study.adaptive_arm is not None and study.rules == "none":
        yield f"`adaptive_arm` {study.adaptive_arm} follows rules, and `rules` says none: write null"


def _wrong_arm_comparison(study: Study) -> Iterator[str]:
    comparison = study.arm_comparison
    if comparison is None:
        return
    if not study.randomised:
        yield "`arm_comparison` is of randomised arms, and `randomised` is false"
    for arm in (comparison.reference, *comparison.regimens):
        if arm not in study.arms:
            yield f"arm_comparison: {arm} is not one of `arms`"
    if comparison.reference == study.adaptive_arm:
        yield f"arm_comparison: `reference` {comparison.reference} is the arm that follows the rules"
    for arm, names in comparison.regimens.items():
        unknown = [name for name in names if name not in study.regimens]
        yield from (f"arm_comparison: regimens, {arm}: {name} is not one of `regimens`" for name in unknown)


def _unusable_names(study: Study) -> Iterator[str]:
    """Yield names that no file, stage or command line could have."""
    for key in ("landmarks", "simulations", "strategies"):
        for name in getattr(study, key):
            if not NAME.fullmatch(name):
                yield (
                    f"{key}: {name!r} is part of names of files: it must consist of letters, digits, _, -, + "
                    "and ., the first a letter or digit"
                )


def _contradictions(study: Study) -> Iterator[str]:
    yield from _unusable_names(study)
    for name in ("arms", "visits", "landmarks", "regimens"):
        items = getattr(study, name)
        yield from (f"`{name}` names {item} twice" for item in sorted(set(items)) if items.count(item) > 1)
    for landmark in study.landmarks:
        if landmark not in study.schedule:
            yield f"unknown landmark {landmark}: `schedule` does not have it"
    for landmark, plan in study.schedule.items():
        unknown = [visit for visit in plan.visits if visit not in study.visits]
        yield from (f"schedule, {landmark}: {visit} is not one of `visits`" for visit in unknown)
    if study.primary.landmark not in study.landmarks:
        yield f"primary: unknown landmark {study.primary.landmark}"
    yield from wrong_assays(study.omics or {}, study.visits, simulated=study.simulated)
    yield from wrong_challengers(study.challengers or {}, study.landmarks, simulated=study.simulated)
    yield from _wrong_allocation(study)
    yield from _wrong_arms(study)
    if study.simulated != bool(study.simulations):
        yield "`simulations` is [main] for a simulated study, and empty for any other"
    if study.simulated == (study.mapping is not None):
        yield "`mapping` is for studies with files, and they need one"


def _fault_lines(error: ValidationError) -> Iterator[str]:
    """Yield a line for each fault; texts that YAML reads otherwise because they stand unquoted share one."""
    unquoted: dict[str, list[str]] = {}
    for fault in error.errors(include_url=False, include_context=False):
        if isinstance(fault["input"], bool | date):
            keys = [str(part) for part in fault["loc"] if part not in UNION_PARTS]
            unquoted.setdefault(".".join(keys[:-1]) or "the file", []).append(keys[-1])
            continue
        place = ".".join(map(str, fault["loc"])) or "the file"
        yield f"- {place}: {fault['msg'].removeprefix('Value error, ')}"
    for place, keys in unquoted.items():
        yield (
            f"- {place} ({', '.join(dict.fromkeys(keys))}): must be text, but without quotation marks YAML "
            f'reads Yes, No, on and off as true and false, and 2025-01-31 as a date; write "Yes", "No" ...'
        )


def check_study_file(study: StudyDocument | None) -> Study | Library:
    """Check what a study file says (None where it is empty), and return it with types.

    Raises
    ------
    StudyFileError
        If keys are unknown or missing, values have the wrong type, or parts contradict each other: one line
        for each fault, with the place in the file.
    """
    try:
        kind = Library if (study or {}).get("outcome") == NO_OUTCOME else Study
        return kind.model_validate(study or {})
    except ValidationError as error:
        lines = list(dict.fromkeys(_fault_lines(error)))
        name = (study or {}).get("study", "(unnamed)")
        raise StudyFileError("\n".join([f"study file {name}: {len(lines)} faults", *lines])) from None
