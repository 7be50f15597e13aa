"""One row per patient at a landmark, for training and for scoring: the only way to make features."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from features import clinical, ctdna, imaging, pathology, tissue
from features.contract.validation import Contract
from features.definitions import NOT_TAKEN
from features.documents.feature import STATE_SUFFIX, Feature, FeatureList
from features.documents.study import ADAPTIVE_ONLY, Landmark, Study
from features.errors import UserError
from features.feature import BuildContext, FeatureError, Seen, contract_columns, without_missing_levels
from features.keys import unknown_name
from features.landmarks import NEVER_VISIBLE, visible
from features.settings import FeatureSettings

Builder = Callable[
    [Mapping[str, pd.DataFrame], pd.Index, Any, BuildContext], tuple[pd.DataFrame, list[Feature]]
]
BUILDERS: dict[str, Builder] = {
    "clinical": clinical.build,
    "pathology": pathology.build,
    "tissue": tissue.build,
    "ctdna": ctdna.build,
    "imaging": imaging.build,
}


BUILT_FROM = (
    "subjects", "pathology", "biomarkers", "tissue_samples", "tissue_variants", "ctdna_samples",
    "ctdna_variants", "lesions", "response", "imaging_features", "exposure",
)  # fmt: skip
"""The tables that builders look into; of others only what came late is counted."""
_NOT_PLANNED, _NOT_TAKEN = "not planned", "not taken"
_LACKING = {_NOT_PLANNED: ("not_planned",), _NOT_TAKEN: NOT_TAKEN}
"""States that may stand for the arm, by kind."""
NOTHING: Mapping[str, frozenset[str]] = {}


class LeakageError(UserError):
    """A feature that would tell what it must not: here, a missing value that stands for the arm."""


def columns_read(contract: Contract) -> dict[str, list[str] | None]:
    """Return the tables that features need, each with its columns (None = all of them)."""
    wanted: dict[str, list[str] | None] = {}
    for name, spec in contract.items():
        if name in BUILT_FROM:
            wanted[name] = None
        elif spec.timing.known_at != NEVER_VISIBLE and "usubjid" in spec.columns:
            timing = spec.timing
            named = ("usubjid", timing.visit, timing.cycle, timing.performed, timing.reported)
            wanted[name] = [column for column in named if column is not None]
    return wanted


@dataclass(frozen=True)
class Counts:
    """What is counted of patients at risk; the counts of the parts of a cohort add up to the whole's.

    `known`: patients with a value, by column. `arms`: patients by arm. `lacking`: patients whose state is
    one of `_LACKING`, by column, its kind and arm. `late`: rows by table, visit and reason
    (`features.landmarks.Visible`).
    """

    patients: int = 0
    known: Counter[str] = field(default_factory=Counter)
    arms: Counter[str] = field(default_factory=Counter)
    lacking: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    late: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def __add__(self, other: "Counts") -> "Counts":
        """Return the counts of both parts together."""
        return Counts(
            self.patients + other.patients,
            self.known + other.known,
            self.arms + other.arms,
            self.lacking + other.lacking,
            self.late + other.late,
        )


@dataclass(frozen=True)
class Part:
    """The features of some of a landmark's patients, before it is known what the other patients have.

    `frame`: usubjid (sorted), then every column that `features` describe, in that order. `seen`: the
    answers by which it was built (`features.feature.Seen`): where another part has more, it is to be built
    again with that. `counts`: to be added up.
    """

    frame: pd.DataFrame
    features: list[Feature]
    seen: Mapping[str, frozenset[str]]
    counts: Counts


@dataclass(frozen=True)
class Columns:
    """What follows from the counts of all patients of a landmark.

    `features`: the columns that there are, in order. `absent_domains`: domains of the study file that gave
    none. `absent`: features no patient has a value of.
    """

    features: list[Feature]
    absent_domains: tuple[str, ...]
    absent: tuple[str, ...]
    counts: Counts

    @property
    def names(self) -> list[str]:
        """The columns of the table."""
        return ["usubjid", *(feature.name for feature in self.features)]

    def description(self, landmark: str) -> FeatureList:
        """Return every feature with its share of missing values, what is absent, what came late, as JSON."""
        patients, known = self.counts.patients, self.counts.known
        return {
            "landmark": landmark,
            "patients": patients,
            "features": [
                {**feature.entry, "share_missing": (patients - known[feature.name]) / patients}
                for feature in self.features
            ],
            "absent_domains": list(self.absent_domains),
            "absent_features": list(self.absent),
            "late": [
                {"table": table, "visit": visit, "reason": reason, "rows": rows}
                for (table, visit, reason), rows in sorted(self.counts.late.items())
            ],
        }


@dataclass(frozen=True)
class Assembled:
    """The features of a landmark.

    `frame`: usubjid (sorted), then the features of `columns`, in that order; patients at risk only.
    """

    frame: pd.DataFrame
    columns: Columns

    @property
    def features(self) -> list[Feature]:
        """What the columns are."""
        return self.columns.features

    @property
    def absent_domains(self) -> tuple[str, ...]:
        """Domains of the study file that gave no column."""
        return self.columns.absent_domains

    @property
    def absent(self) -> tuple[str, ...]:
        """Features no patient has a value of."""
        return self.columns.absent

    def description(self, landmark: str) -> FeatureList:
        """Return what `Columns.description` does."""
        return self.columns.description(landmark)


def assemble(
    tables: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    landmark: Landmark,
    study: Study,
    settings: FeatureSettings,
    contract: Contract,
) -> Assembled:
    """Build the features of every patient at risk at the landmark, from what was known at the decision.

    Rewriting anything recorded later does not change a bit of the result, nor does the order of the rows.

    Parameters
    ----------
    tables : mapping
        Validated raw tables.
    cohort : DataFrame
        ``Cohort.frame``: usubjid, arm, at_risk_<landmark>, decision_<landmark>.
    study : Study
        Its feature plan. With ``after_baseline: adaptive_arm``, after the first landmark the adaptive arm
        only, and at the first no domain whose states stand for the arm.
    settings : FeatureSettings
        configs/features.yaml, its gene sets filled.

    Raises
    ------
    FeatureError
        If nobody is at risk, a domain is unknown, or two features have one name.
    LeakageError
        If a domain's state at a visit tells the arm, because it was observed in another arm only.
    """
    part = assemble_part(tables, cohort, landmark, study, settings, contract)
    if part is None:
        raise nobody_at_risk(landmark, len(cohort))
    columns = concluded(part.features, part.counts, study, settings)
    # In one piece: what is left of thousands of columns is a block for each, which pandas warns of.
    return Assembled(part.frame[columns.names].copy(), columns)


def nobody_at_risk(landmark: Landmark, patients: int) -> FeatureError:
    """Return the error on a landmark at which none of the patients is at risk."""
    return FeatureError(f"landmark {landmark.name}: none of {patients} patients is at risk")


def assemble_part(
    tables: Mapping[str, pd.DataFrame],
    cohort: pd.DataFrame,
    landmark: Landmark,
    study: Study,
    settings: FeatureSettings,
    contract: Contract,
    elsewhere: Mapping[str, frozenset[str]] = NOTHING,
) -> Part | None:
    """Build the features of some of the patients; otherwise as `assemble`. None where none is at risk.

    Parameters
    ----------
    tables, cohort
        The rows of these patients.
    elsewhere : mapping
        What all parts have `seen`.
    """
    at_risk = _at_risk(cohort, landmark, study)
    if at_risk.empty:
        return None
    patients = pd.Index(at_risk["usubjid"], name="usubjid", dtype="str")
    decisions = at_risk.set_index("usubjid")[f"decision_{landmark.name}"]
    shown = visible(tables, landmark, decisions, contract)
    arm, seen = at_risk.set_index("usubjid")["arm"], Seen(elsewhere)
    frames, features, lacking = [], [], Counter[tuple[str, str, str]]()
    for domain in study.features.domains:
        frame, described = _build(domain, shown.tables, arm, landmark, study, settings, contract, seen)
        frames.append(frame)
        features += described
        if study.features.has_states(domain):
            lacking += _lacking(frame, arm)
    _require_distinct(features)
    frame = pd.concat(frames, axis=1) if features else pd.DataFrame(index=patients)
    late = {(table, visit, why): rows for table, visit, why, rows in shown.late.itertuples(index=False)}
    known = {str(name): int(n) for name, n in frame.notna().sum().items()}
    by_arm = {str(name): int(n) for name, n in arm.value_counts().items()}
    counts = Counts(len(frame), Counter(known), Counter(by_arm), lacking, Counter(late))
    return Part(frame.reset_index(), features, seen.answers, counts)


def concluded(
    features: Sequence[Feature], counts: Counts, study: Study, settings: FeatureSettings
) -> Columns:
    """Return which columns a landmark has, once all its patients are counted.

    Parameters
    ----------
    features : sequence of Feature
        Of any part that was built with what all parts have seen: the same in each.
    counts : Counts
        Of all patients at risk.

    Raises
    ------
    LeakageError
        As `assemble`.
    """
    taken_out: set[str] = set()
    for domain in filter(study.features.has_states, study.features.domains):
        names = [feature.name for feature in features if feature.domain == domain]
        state = _state_of_arm(names, counts, settings)
        if state is not None and not study.features.adaptive_only:
            raise LeakageError(
                f"{state}, but for patients of another arm, so it would stand for the arm: set "
                f"features.after_baseline: {ADAPTIVE_ONLY} in the study file, or switch the state indicators "
                "off"
            )
        taken_out |= {domain} if state is not None else set()
    left = [feature for feature in features if feature.domain not in taken_out]
    given = {feature.domain for feature in left}
    return Columns(
        [feature for feature in left if counts.known[feature.name]],
        tuple(domain for domain in study.features.domains if domain not in given),
        tuple(feature.name for feature in left if not counts.known[feature.name]),
        counts,
    )


def _build(
    domain: str,
    tables: Mapping[str, pd.DataFrame],
    arm: pd.Series,
    landmark: Landmark,
    study: Study,
    settings: FeatureSettings,
    contract: Contract,
    seen: Seen,
) -> tuple[pd.DataFrame, list[Feature]]:
    """Build one domain, with its states or without them."""
    if domain not in BUILDERS:
        raise FeatureError(f"study file, features.domains: {unknown_name(domain, list(BUILDERS))}")
    section = getattr(settings, domain)
    context = replace(_context(domain, arm, landmark, study, settings, contract), seen=seen)
    frame, features = BUILDERS[domain](tables, arm.index, section, context)
    if not study.features.has_states(domain):
        return without_missing_levels(frame, features, section.missing_levels)
    return frame, features


def _at_risk(cohort: pd.DataFrame, landmark: Landmark, study: Study) -> pd.DataFrame:
    """Return the cohort rows of patients at risk, sorted; only the adaptive arm if the study has it so."""
    kept = cohort.loc[cohort[f"at_risk_{landmark.name}"].astype(bool)]
    first = study.landmark_names[0]
    if study.features.adaptive_only and landmark.name != first:
        kept = kept.loc[kept["arm"] == study.adaptive_arm]
    return kept.sort_values("usubjid", ignore_index=True)


def _context(
    domain: str,
    arm: pd.Series,
    landmark: Landmark,
    study: Study,
    settings: FeatureSettings,
    contract: Contract,
) -> BuildContext:
    """Return what the study, the landmark and the contract add to the domain's settings."""
    wanted = dict(getattr(getattr(settings, domain), "columns", {}))
    if domain == "pathology" and study.features.receptors:
        wanted[domain] = [*wanted.get(domain, ()), *study.features.receptors]
    columns = contract_columns(contract, wanted, domain, landmark.visits[0], study.vocabulary)
    not_planned = arm.index[arm.isin(list(study.features.not_planned.get(domain, ())))]
    regimens = study.vocabulary["regimens"]
    return BuildContext(landmark.visits, landmark.cycles, columns, regimens, not_planned)


def _lacking(frame: pd.DataFrame, arm: pd.Series) -> Counter[tuple[str, str, str]]:
    """Count the patients whose state is one of those that may stand for the arm: by column, kind and arm."""
    found: Counter[tuple[str, str, str]] = Counter()
    for name in (column for column in map(str, frame) if column.endswith(STATE_SUFFIX)):
        for kind, levels in _LACKING.items():
            by_arm = arm[frame[name].isin(levels)].value_counts()
            found.update({(name, kind, str(which)): int(n) for which, n in by_arm.items()})
    return found


def _state_of_arm(names: Sequence[str], counts: Counts, settings: FeatureSettings) -> str | None:
    """Return the state that is not planned throughout one arm only, or lacking there and known elsewhere.

    Arms of fewer than ``min_arm_patients`` patients are passed over; ``min_share_known`` is the share of
    patients of another arm from which on a state that one arm lacks altogether is no chance.
    """
    large = {arm: n for arm, n in sorted(counts.arms.items()) if n >= settings.min_arm_patients}
    for name in (name for name in names if name.endswith(STATE_SUFFIX)):
        for kind, known in ((_NOT_PLANNED, 0.0), (_NOT_TAKEN, settings.min_share_known)):
            lacking = {arm: counts.lacking[name, kind, arm] / n for arm, n in large.items()}
            without = [arm for arm, share in lacking.items() if share == 1]
            if without and 1 - min(lacking.values()) > known:
                return f"{name}: not planned or not done for any patient of {', '.join(without)}"
    return None


def _require_distinct(features: Sequence[Feature]) -> None:
    counts = Counter(feature.name for feature in features)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise FeatureError(f"features with the same name: {', '.join(twice[:3])}")
