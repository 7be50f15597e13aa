"""Sets of domains whose models are compared: what each domain adds, and what is lost without it."""

from collections.abc import Sequence

from models.procedure.landmark_features import LandmarkFeature

ARM = "arm"
ALL = "all"
PLUS = "+"
WITHOUT = "without "


def domain_sets(features: Sequence[LandmarkFeature]) -> dict[str, list[LandmarkFeature]]:
    """Return the sets: domains one after the other, all, and each left out; the arm is part of every set.

    A landmark with one domain has only the set of all.
    """
    domains = list(dict.fromkeys(feature.domain for feature in features))

    def of(chosen: Sequence[str]) -> list[LandmarkFeature]:
        return [feature for feature in features if feature.domain in chosen or feature.name == ARM]

    growing = [domains[: count + 1] for count in range(len(domains) - 1)]
    sets = {PLUS.join(chosen): of(chosen) for chosen in growing} | {ALL: list(features)}
    if len(domains) > 1:
        sets |= {WITHOUT + left: of([domain for domain in domains if domain != left]) for left in domains}
    # Leaving out the last domain is the set before it.
    return {
        name: chosen for name, chosen in sets.items() if name != WITHOUT + domains[-1] or len(domains) == 1
    }
