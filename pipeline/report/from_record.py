"""Results with the numbers of the record: what is no row of it is not drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.project.estimates import Measures, parse_estimate, parse_measures
from pipeline.report.results import (
    COMPARISON,
    DOMAINS,
    PRIMARY,
    Json,
    Results,
    parse_robustness,
    performance_file,
    robustness_file,
)


def with_numbers_of(record: Mapping[str, Json], results: Results) -> Results:
    """Return the results, those that are measures throughout with the numbers that the record has of them.

    Models at every landmark, what the resampled models tell, pairs of models and of sets of domains, the
    primary comparison and sensitivity, and so the gates, which judge these. All else stays: subgroups,
    strategies, the truth, the arms; blocks, challengers and what was learned, which have words.

    Parameters
    ----------
    record : mapping
        Content by file, such as ``results/c2.json`` (`pipeline.record.read_back`).
    """
    compared, former = record.get(f"metrics/{COMPARISON}", {}), results.comparison

    def of(file: str) -> Json:
        return record.get(f"results/{file}", {})

    return replace(
        results,
        landmarks={
            name: _groups(of(performance_file(name)), list(models))
            for name, models in results.landmarks.items()
        },
        robustness={
            name: found and parse_robustness(of(robustness_file(name)))
            for name, found in results.robustness.items()
        },
        sensitivity=_groups(of("sensitivity.json"), list(results.sensitivity)),
        comparison=replace(
            former,
            primary=parse_estimate(_part(_part(compared, PRIMARY), "result")),
            landmarks={
                name: _groups(_part(compared, name), list(pairs)) for name, pairs in former.landmarks.items()
            },
            domains={
                name: _groups(_part(_part(compared, DOMAINS), name), list(pairs))
                for name, pairs in former.domains.items()
            },
        ),
    )


def _part(content: Json, name: str) -> Json:
    part = content.get(name, {})
    return part if isinstance(part, Mapping) else {}


def _groups(content: Json, names: Sequence[str]) -> dict[str, Measures]:
    return {name: parse_measures(_part(content, name)) for name in names}
