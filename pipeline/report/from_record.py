"""Results with the numbers of the record: what is no row of it is not drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from features.errors import PipelineFault
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

Nested = dict[str, object]
PATH = "path"
"""The keys of the file that lead to a measure, which a row of the record has beside its columns."""
LIMITS = ("low", "high")
MEASURED = ("value", *LIMITS)


def documents(rows: Iterable[Mapping[str, object]]) -> dict[str, Nested]:
    """Return by file what the rows of `pipeline.record.result_rows` tell, nested as the file has it.

    Measures with value, interval or the reason why there is none, and their further numbers; of the texts of
    a file, none but these reasons. Files whose rows are those of a table are left out.
    """
    files: dict[str, Nested] = {}
    for row in rows:
        path = row.get(PATH)
        if not isinstance(path, tuple):
            continue
        here = files.setdefault(str(row["file"]), {})
        for key in path:
            here = _nested(here, key)
        name, _, further = str(row["measure"]).rpartition(".")
        # A threshold has a point, too: net_benefit@0.65 is no number of net_benefit@0.
        if name in here:
            _nested(here, name)[further] = row["value"]
        else:
            numbers = {key: row[key] for key in MEASURED if row.get(key) is not None}
            here[str(row["measure"])] = numbers | ({"error": row["error"]} if row.get("error") else {})
    return files


def with_numbers_of(record: Mapping[str, Json], results: Results) -> Results:
    """Return the results, those that are measures throughout with the numbers that the record has of them.

    Models at every landmark, what the resampled models tell, pairs of models and of sets of domains, the
    primary comparison and sensitivity, and so the gates, which judge these. All else stays: subgroups,
    strategies, the truth, the arms; blocks, challengers and what was learned, which have words.

    Parameters
    ----------
    record : mapping
        Content by file, such as ``results/c2.json`` (`documents`).
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


def _nested(whole: Nested, key: str) -> Nested:
    part = whole.setdefault(key, {})
    if not isinstance(part, dict):
        raise PipelineFault(f"the record has {key} as a number and as what holds numbers")
    return part
