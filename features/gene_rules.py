"""Which variants of a gene count as mutations of it: rules by kind of gene."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class GeneRule:
    """Which variants of a gene count.

    ``any_pathogenic``: what is recorded as pathogenic. ``hotspot``: the listed protein `changes`, pathogenic
    unless recorded otherwise; a pathogenic variant elsewhere might count. ``loss_of_function``: what is
    pathogenic, a truncation also where nothing is recorded, and the deletion of both copies. ``activating``:
    what is pathogenic or listed, but no truncation.
    """

    rule: Literal["any_pathogenic", "hotspot", "loss_of_function", "activating"] = "any_pathogenic"
    changes: tuple[str, ...] = ()


GeneRules = Mapping[str, GeneRule]


def any_pathogenic(genes: Iterable[str]) -> GeneRules:
    """Return rules by which every pathogenic variant of `genes` counts."""
    return dict.fromkeys(genes, GeneRule())
