"""The criteria of promotion on the first screen: which are not met or undecided, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.labels import Labels
from pipeline.report.page import NOT_EVALUATED, minus

# What is written beside gates elsewhere, where it has a column of its own.
IN_WORDS = {"shown bad": "not met"}


@dataclass(frozen=True)
class JudgedGate:
    """One criterion at one landmark: its result, what it must be, and what the patients show of it."""

    name: str
    result: str
    must: str
    verdict: str
    passes: bool


Judged = Mapping[str, Sequence[JudgedGate]]
"""The criteria that were judged, by landmark."""


def gate_sentences(judged: Judged, labels: Labels) -> list[str]:
    """Return what is not met or not decided at which landmarks, a sentence for each criterion.

    The same criterion may be missed at one landmark and undecided at another: these are two sentences.
    """
    open_at: dict[tuple[str, str, str], list[str]] = {}
    for landmark, gates in judged.items():
        for gate in gates:
            if not gate.passes:
                at = open_at.setdefault((gate.verdict, gate.name, gate.must), [])
                result = "" if gate.verdict == NOT_EVALUATED else f" ({gate.result})"
                at.append(f"{labels.name(landmark)}{result}")
    return [
        minus(
            f"{gate_name(name, labels)} must be {must.replace(', its', ' with its')}; "
            f"{IN_WORDS.get(verdict, verdict)} at {'; '.join(results)}."
        )
        for (verdict, name, must), results in open_at.items()
    ]


def gate_name(name: str, labels: Labels) -> str:
    """Return a criterion as a reader reads it, with the threshold that it may have."""
    criterion, _, threshold = name.partition("@")
    return labels.name(criterion) + (f" at {threshold}" if threshold else "")
