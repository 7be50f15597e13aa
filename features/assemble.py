"""One row per patient at a landmark, for training and for scoring: the only way to make features."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features import clinical, ctdna, imaging, pathology, tissue
from features.contract.validation import Contract
from features.definitions import NOT_TAKEN
from features.documents.feature import STATE_SUFFIX, Feature, FeatureList
from features.documents.study import ADAPTIVE_ONLY, Landmark, Study
from features.errors import UserError
from features.feature import BuildContext, FeatureError, contract_columns, without_missing_levels
from features.keys import unknown_name
from features.landmarks import visible
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


class LeakageError(UserError):
    """A feature that would tell what it must not: here, a missing value that stands for the arm."""


@dataclass(frozen=True)
class Assembled:
    """The features of a landmark.

    `frame`: usubjid (sorted), then the columns described by `features`, in that order; patients at risk only.
    `late`: rows hidden or judged by another date (`features.landmarks.Visible`).
    `absent_domains`: domains of the study file that gave no column. `absent`: features no patient has a
    value of.
    """

    frame: pd.DataFrame
    features: list[Feature]
    late: pd.DataFrame
    absent_domains: tuple[str, ...]
    absent: tuple[str, ...]

    def description(self, landmark: str) -> FeatureList:
        """Return every feature with its share of missing values, what is absent, what came late, as JSON."""
        missing = self.frame.isna().mean()
        return {
            "landmark": landmark,
            "patients": len(self.frame),
            "features": [
                {**feature.entry, "share_missing": float(missing[feature.name])} for feature in self.features
            ],
            "absent_domains": list(self.absent_domains),
            "absent_features": list(self.absent),
            "late": [
                {"table": table, "visit": visit, "reason": reason, "rows": rows}
                for table, visit, reason, rows in self.late.itertuples(index=False, name=None)
            ],
        }


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
    at_risk = _at_risk(cohort, landmark, study)
    patients = pd.Index(at_risk["usubjid"], name="usubjid", dtype="str")
    decisions = at_risk.set_index("usubjid")[f"decision_{landmark.name}"]
    seen = visible(tables, landmark, decisions, contract)
    frames, features, absent_domains = [], [], []
    for domain in study.features.domains:
        frame, described = _build(domain, seen.tables, at_risk, landmark, study, settings, contract)
        frames.append(frame)
        features += described
        absent_domains += [] if described else [domain]
    _require_distinct(features)
    frame = pd.concat(frames, axis=1) if features else pd.DataFrame(index=patients)
    absent = frame.columns[frame.isna().all()]
    # In one piece: what is left of thousands of columns is a block for each, which pandas warns of.
    kept = frame.drop(columns=absent).copy()
    return Assembled(
        kept.reset_index(),
        [feature for feature in features if feature.name not in absent],
        seen.late,
        tuple(absent_domains),
        tuple(absent),
    )


def _build(
    domain: str,
    tables: Mapping[str, pd.DataFrame],
    at_risk: pd.DataFrame,
    landmark: Landmark,
    study: Study,
    settings: FeatureSettings,
    contract: Contract,
) -> tuple[pd.DataFrame, list[Feature]]:
    """Build one domain, with its states, which must not stand for the arm, or without them."""
    if domain not in BUILDERS:
        raise FeatureError(f"study file, features.domains: {unknown_name(domain, list(BUILDERS))}")
    arm = at_risk.set_index("usubjid")["arm"]
    section = getattr(settings, domain)
    context = _context(domain, arm, landmark, study, settings, contract)
    frame, features = BUILDERS[domain](tables, arm.index, section, context)
    if not study.features.has_states(domain):
        return without_missing_levels(frame, features, section.missing_levels)
    state = _state_of_arm(frame, arm, settings)
    if state is None:
        return frame, features
    if study.features.adaptive_only:
        return frame[[]], []
    raise LeakageError(
        f"{state}, but for patients of another arm, so it would stand for the arm: set "
        f"features.after_baseline: {ADAPTIVE_ONLY} in the study file, or switch the state indicators off"
    )


def _at_risk(cohort: pd.DataFrame, landmark: Landmark, study: Study) -> pd.DataFrame:
    """Return the cohort rows of patients at risk, sorted; only the adaptive arm if the study has it so."""
    kept = cohort.loc[cohort[f"at_risk_{landmark.name}"].astype(bool)]
    first = study.landmark_names[0]
    if study.features.adaptive_only and landmark.name != first:
        kept = kept.loc[kept["arm"] == study.adaptive_arm]
    if kept.empty:
        raise FeatureError(f"landmark {landmark.name}: none of {len(cohort)} patients is at risk")
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


def _state_of_arm(frame: pd.DataFrame, arm: pd.Series, settings: FeatureSettings) -> str | None:
    """Return the state that is not planned throughout one arm only, or lacking there and known elsewhere.

    Arms of fewer than ``min_arm_patients`` patients are passed over; ``min_share_known`` is the share of
    patients of another arm from which on a state that one arm lacks altogether is no chance.
    """
    large = arm.map(arm.value_counts()) >= settings.min_arm_patients
    for name in (column for column in frame.columns if column.endswith(STATE_SUFFIX)):
        for levels, known in ((["not_planned"], 0.0), (NOT_TAKEN, settings.min_share_known)):
            lacking = frame[name].isin(levels)[large].groupby(arm[large]).mean()
            without = lacking.index[lacking == 1]
            if len(without) and (1 - lacking).max() > known:
                return f"{name}: not planned or not done for any patient of {', '.join(without)}"
    return None


def _require_distinct(features: Sequence[Feature]) -> None:
    counts = Counter(feature.name for feature in features)
    twice = sorted(name for name, count in counts.items() if count > 1)
    if twice:
        raise FeatureError(f"features with the same name: {', '.join(twice[:3])}")
