"""Results of the validation stages as typed records; the only module that knows the names of their files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pandas as pd

from models.efficacy.documents import EfficacyDocument
from models.procedure.cohort_size.development import unmet_criterion
from models.sample_size.documents import TrialSize
from pipeline.project.estimates import Estimate, Measures, parse_estimate, parse_measures
from pipeline.project.files import read_json
from pipeline.report.blocks import BlockVerdicts, parse_blocks
from pipeline.report.challengers import ChallengerResult, parse_challenger

Json = Mapping[str, object]
Parsed = TypeVar("Parsed")

CURVES = ("calibration", "benefit", "instability", "roc", "bootstrap", "risk")
# The whole procedure, choice of the candidate included, and what it is compared with.
MODEL, RULES, RULE_INPUTS = "chosen", "rules", "rule_inputs"
# Whom the rules de-escalate, a line of the decision curves.
ALLOCATION = "rules_allocation"
COMPARISON = "comparison.json"
TRUTH = "truth.json"
EFFICACY = "efficacy.json"
# Parts of comparison.json that are no landmark.
PRIMARY, DOMAINS, COMMON, BLOCKS, OTHERS = "primary", "domains", "common_patients", "blocks", "challengers"
CENTRE, POOLED_CENTRES = "centre", "centre_pooled"
# Comparisons of models inside each group, which the subgroups' own page repeats.
CROSSED = "arm_hr"


def performance_file(landmark: str) -> str:
    """Return the name of the file with the measures of every model at a landmark."""
    return f"{landmark}.json"


def robustness_file(landmark: str) -> str:
    """Return the name of the file on a landmark's model outside the patients that it learned from."""
    return f"robustness-{landmark}.json"


def subgroups_file(landmark: str) -> str:
    """Return the name of the file with the measures in subgroups at a landmark."""
    return f"subgroups-{landmark}.json"


@dataclass(frozen=True)
class Declared:
    """The one comparison that the study file declares primary; `arm` is None for all arms."""

    landmark: str
    arm: str | None
    metric: str
    model: str
    against: str


@dataclass(frozen=True)
class Comparison:
    """Paired differences: the primary one, and by landmark and pair, also of sets of domains."""

    declared: Declared
    primary: Estimate
    landmarks: Mapping[str, Mapping[str, Measures]]
    domains: Mapping[str, Mapping[str, Measures]]
    blocks: Mapping[str, BlockVerdicts] = field(default_factory=dict)
    challengers: Mapping[str, ChallengerResult] = field(default_factory=dict)

    def model_minus(self, comparator: str, landmark: str) -> Measures:
        """Return the differences of the model from a comparator at a landmark; empty if there are none."""
        return self.landmarks.get(landmark, {}).get(f"{MODEL}-{comparator}", Measures())


@dataclass(frozen=True)
class Robustness:
    """A landmark's model outside the patients that it learned from; parts that were not run are empty.

    `impossible` says, by evaluation (temporal, left_out_centres), why the study does not allow it.
    `clustered`: by model, and pair of models, the measures out of fold with intervals by centre;
    `learning_uncertainty`: with intervals that allow for who was learned from, also within arms.
    """

    optimism_corrected: Measures = field(default_factory=Measures)
    instability: Measures = field(default_factory=Measures)
    later: Measures = field(default_factory=Measures)
    left_out_centres: Measures = field(default_factory=Measures)
    centres: Mapping[str, Measures] = field(default_factory=dict)
    impossible: Mapping[str, str] = field(default_factory=dict)
    clustered: Mapping[str, Measures] = field(default_factory=dict)
    learning_uncertainty: Mapping[str, Measures] = field(default_factory=dict)

    def allowing_for_learning(self, name: str, measure: str) -> Estimate | None:
        """Return a measure of a model or pair of models with that interval; None where there is none."""
        return self.learning_uncertainty.get(name, Measures()).interval_of(measure)


@dataclass(frozen=True)
class Subgroups:
    """Measures in groups by kind and name, in centres, and pooled over the centres."""

    groups: Mapping[str, Mapping[str, Measures]] = field(default_factory=dict)
    centres: Mapping[str, Measures] = field(default_factory=dict)
    pooled: Measures = field(default_factory=Measures)


@dataclass(frozen=True)
class SampleSize:
    """Riley's criteria at a landmark, in patients and parameters; `unmet` says why none is supported."""

    patients: int
    parameters: int
    needed: int
    parameters_supported: int
    unmet: str
    enough: bool
    to_validate: int


@dataclass(frozen=True)
class PassedOver:
    """A candidate, or a point of its grid, that was not learned: why, and in how many of the folds."""

    reason: str
    splits: int
    of: int
    in_all_patients: bool


@dataclass(frozen=True)
class Learning:
    """Which candidate a landmark's model is, or the `reason` why there is none; `singles`: features alone.

    `suspicious` are the features whose AUC alone, given here, is above the limit of the warning.
    """

    chosen: str = ""
    reason: str = ""
    passed_over: Mapping[str, PassedOver] = field(default_factory=dict)
    singles: Mapping[str, Measures] = field(default_factory=dict)
    suspicious: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Truth:
    """Models judged on patients simulated anew, whose true probability is known."""

    patients: int = 0
    attainable_auc: Estimate | None = None
    models: Mapping[str, Measures] = field(default_factory=dict)

    def measures(self, model: str) -> Measures:
        """Return the measures of a model; empty if it was not judged."""
        return self.models.get(model, Measures())


@dataclass(frozen=True)
class Results:
    """What was measured: by landmark, and for the study. Parts that a study does not have are empty.

    `arms`: the headline of the comparison of the arms, by arm and pair of arms.
    """

    landmarks: Mapping[str, Mapping[str, Measures]]
    comparison: Comparison
    subgroups: Mapping[str, Subgroups]
    robustness: Mapping[str, Robustness | None]
    sensitivity: Mapping[str, Measures]
    size: Mapping[str, SampleSize]
    strategies: Mapping[str, Measures]
    truth: Mapping[str, Truth]
    true_strategies: Mapping[str, Measures]
    curves: Mapping[str, Mapping[str, pd.DataFrame]]
    review: Mapping[str, pd.DataFrame]
    learning: Mapping[str, Learning] = field(default_factory=dict)
    efficacy: EfficacyDocument | None = None
    arms: Mapping[str, Measures] = field(default_factory=dict)


def read_results(
    metrics: Path, results: Path, curves: Path, review: Path, landmarks: Sequence[str]
) -> Results:
    """Return all results of a study: `metrics` holds the comparison, `results` all other figures."""
    truth, true_strategies = read_truth(results)
    return Results(
        landmarks={name: read_performance(results, name) for name in landmarks},
        learning={
            name: read_learning(results, name)
            for name in landmarks
            if (results / f"learning-{name}.json").is_file()
        },
        comparison=read_comparison(metrics),
        subgroups={name: read_subgroups(results, name) for name in landmarks},
        robustness={name: read_robustness(results, name) for name in landmarks},
        sensitivity=_each(_read(results / "sensitivity.json"), parse_measures),
        size=read_sizes(results / "size.json"),
        strategies={
            pair: measures
            for path in sorted(results.glob("strategy-*.json"))
            for pair, measures in _each(_read(path), parse_measures).items()
        },
        truth=truth,
        true_strategies=true_strategies,
        curves={
            name: {
                kind: pd.read_csv(curves / f"{name}-{kind}.csv")
                for kind in CURVES
                if (curves / f"{name}-{kind}.csv").is_file()
            }
            for name in landmarks
        },
        review={path.stem: pd.read_csv(path) for path in sorted(review.glob("*.csv"))},
        efficacy=read_json(results / EFFICACY) if (results / EFFICACY).is_file() else None,
        arms=_each(_read(metrics / EFFICACY), parse_measures),
    )


def read_performance(results: Path, landmark: str) -> dict[str, Measures]:
    """Return the measures of every model at a landmark, out of fold."""
    return _each(read_json(results / performance_file(landmark)), parse_measures)


def read_learning(results: Path, landmark: str) -> Learning:
    """Return which candidate was chosen at a landmark, which were passed over, and what features tell."""
    content = read_json(results / f"learning-{landmark}.json")
    passed_over = {
        name: PassedOver(noted["error"], noted["splits"], noted["of"], noted["in_all_patients"])
        for name, noted in content["passed_over"].items()
    }
    singles = _each(content["single_features"], parse_measures)
    return Learning(
        content.get("chosen", ""), content.get("error", ""), passed_over, singles, content["suspicious"]
    )


def read_comparison(metrics: Path) -> Comparison:
    """Return the paired differences of a study."""
    content = read_json(metrics / COMPARISON)
    primary = content[PRIMARY]
    parts = {PRIMARY, DOMAINS, COMMON, BLOCKS, OTHERS}
    landmarks = {name: pairs for name, pairs in content.items() if name not in parts}
    return Comparison(
        Declared(**primary["declared"]),
        parse_estimate(primary["result"]),
        _each(landmarks, lambda pairs: _each(pairs, parse_measures)),
        _each(content[DOMAINS], lambda pairs: _each(pairs, parse_measures)),
        {name: parse_blocks(found) for name, found in content.get(BLOCKS, {}).items()},
        {name: parse_challenger(found) for name, found in content.get(OTHERS, {}).items()},
    )


def read_robustness(results: Path, landmark: str) -> Robustness | None:
    """Return what was found outside the model's own patients at a landmark; None if that was not run."""
    content = _read(results / robustness_file(landmark))
    return parse_robustness(content) if content else None


def parse_robustness(content: Json) -> Robustness:
    """Return what was found outside the model's own patients, as ``models.evaluation.robustness`` has it."""
    optimism, instability, later = (
        parse_measures(_part(content, name)) for name in ("optimism_corrected", "instability", "temporal")
    )
    left_out = _part(content, "left_out_centres")
    pooled = parse_measures(_part(left_out, "pooled"))
    if "slope" in pooled:
        pooled["calibration_slope"] = pooled["slope"]
    centres = _each(_part(left_out, "centres"), parse_measures)
    impossible = {
        name: str(reason)
        for name in ("temporal", "left_out_centres")
        if (reason := _part(content, name).get("error"))
    }
    clustered, learning = (
        _each(_part(content, name), parse_measures) for name in ("clustered", "learning_uncertainty")
    )
    return Robustness(optimism, instability, later, pooled, centres, impossible, clustered, learning)


def read_subgroups(results: Path, landmark: str) -> Subgroups:
    """Return the measures in subgroups and centres at a landmark; empty if there are none."""
    content = _read(results / subgroups_file(landmark))
    groups = {kind: part for kind, part in content.items() if kind not in {CENTRE, POOLED_CENTRES}}
    return Subgroups(
        _each(groups, lambda part: _each(part, parse_measures)),
        _each(_part(content, CENTRE), parse_measures),
        parse_measures(_part(content, POOLED_CENTRES)),
    )


def read_truth(results: Path) -> tuple[dict[str, Truth], dict[str, Measures]]:
    """Return, of a simulated study, the models' worth by landmark and the strategies' by pair of arms."""
    content = _read(results / TRUTH)
    strategies = _each(_part(content, "strategies"), parse_measures)
    landmarks = {name: part for name, part in content.items() if name != "strategies"}
    return _each(landmarks, _parse_truth), strategies


def _parse_truth(content: Json) -> Truth:
    numbers = parse_measures(content)
    models = {name: part for name, part in content.items() if isinstance(part, Mapping) and _nested(part)}
    return Truth(numbers.patients, numbers.get("attainable_auc"), _each(models, parse_measures))


def read_sizes(path: Path) -> dict[str, SampleSize]:
    """Return the sample sizes of the landmarks of which both could be computed; empty without the file."""
    sizes: dict[str, TrialSize] = read_json(path) if path.is_file() else {}
    by_landmark = {}
    for landmark, size in sizes.items():
        learned, validated = size["development"], size["validation"]
        if "error" not in learned and "error" not in validated:
            needed = (
                validated["needed_o_e"], validated["needed_slope"], validated["needed_c_statistic"],
                validated["needed_net_benefit"],
            )  # fmt: skip
            by_landmark[landmark] = SampleSize(
                learned["n"], learned["parameters"], learned["needed"], learned["parameters_supported"],
                unmet_criterion(learned), bool(learned["enough"]), max(needed),
            )  # fmt: skip
    return by_landmark


def _nested(content: Json) -> bool:
    return any(isinstance(part, Mapping) for part in content.values())


def _part(content: Json, name: str) -> Json:
    part = content.get(name, {})
    return part if isinstance(part, Mapping) else {}


def _each(content: Json, parse: Callable[[Json], Parsed]) -> dict[str, Parsed]:
    return {name: parse(part) for name, part in content.items() if isinstance(part, Mapping)}


def _read(path: Path) -> Json:
    """Return the content of a JSON file; empty where the study has none."""
    content: Json = read_json(path) if path.is_file() else {}
    return content
