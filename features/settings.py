"""How features are named, scaled and described: configs/features.yaml with types."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from features.documents.parsing import parsed
from features.errors import UserError
from features.gene_rules import GeneRule, GeneRules, any_pathogenic
from features.keys import checked_fields, refuse_unknown_keys, unknown_name

SCALES = ("as_is", "log1p", "log10")
CHANGES = ("relative", "difference")
QUANTITIES = ("vaf_max", "vaf_mean", "mtm", "n_variants")
CHANGING = ("vaf_mean", "mtm")

Columns = Mapping[str, tuple[str, ...]]
"""Table of the contract -> the columns that are features as they stand."""


@dataclass(frozen=True)
class Template:
    """How a derived feature is named and described; placeholders in braces; `low` and `high` in `unit`."""

    name: str
    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assay:
    """A kind of ctDNA assay: what its columns end in, and the fraction that stands for "nothing seen"."""

    suffix: str
    vaf_floor: float


@dataclass(frozen=True)
class Scale:
    """The scale of an imaging feature (one of `SCALES`), and how it changes (one of `CHANGES`)."""

    scale: str
    change: str


@dataclass(frozen=True)
class ClinicalSettings:
    """Clinical features; the regimen received is one from `regimen_from_cycle` cycles on."""

    missing_levels: tuple[str, ...]
    columns: Columns
    regimen_from_cycle: int
    regimen_received: Template


@dataclass(frozen=True)
class PathologySettings:
    """Pathology features; scores of the first visit and of later ones have templates of their own."""

    missing_levels: tuple[str, ...]
    columns: Columns
    biomarker: Template
    biomarker_later: Template


@dataclass(frozen=True)
class CtdnaSettings:
    """ctDNA features: kinds of assay, molecules per mL for "nothing seen", gene sets, and templates."""

    missing_levels: tuple[str, ...]
    assays: Mapping[str, Assay]
    mtm_floor: float
    gene_sets: Mapping[str, GeneRules]
    state: Template
    quantities: Mapping[str, Template]
    changes: Mapping[str, Template]
    genes: Template
    course: Template
    lod: Template
    assay: Template


@dataclass(frozen=True)
class TissueSettings:
    """Tissue features: gene sets, and templates."""

    missing_levels: tuple[str, ...]
    gene_sets: Mapping[str, GeneRules]
    state: Template
    genes: Template
    n_variants: Template
    pten_ihc: Template


@dataclass(frozen=True)
class ImagingSettings:
    """Imaging features: reader, methods in order of preference, scales by feature, and templates."""

    missing_levels: tuple[str, ...]
    reader: str
    method_priority: tuple[str, ...]
    feature_method_priority: tuple[str, ...]
    state: Template
    sum: Template
    sum_change: Template
    response: Template
    feature: Template
    feature_change: Template
    scales: Mapping[str, Scale]

    def scale_of(self, feature: str) -> Scale:
        """Return the scale of a feature by its safe name, else the default."""
        return self.scales.get(feature, self.scales["default"])


@dataclass(frozen=True)
class FeatureSettings:
    """All of configs/features.yaml.

    A state lacking throughout an arm of at least `min_arm_patients` stands for the arm where more than
    `min_share_known` of another arm's patients have it.
    """

    min_arm_patients: int
    min_share_known: float
    clinical: ClinicalSettings
    pathology: PathologySettings
    tissue: TissueSettings
    ctdna: CtdnaSettings
    imaging: ImagingSettings


Section = TypeVar("Section")
Reader = Callable[[Any, str], Any]


def parse_feature_settings(document: Any, where: str = "features.yaml") -> FeatureSettings:
    """Read configs/features.yaml, its gene sets filled.

    Parameters
    ----------
    where : str
        The file, as errors name it.

    Raises
    ------
    UserError
        If a key is unknown or missing (the nearest valid one is named), or a scale or change is unknown.
    """
    entry = checked_fields(FeatureSettings, document, where)
    templates = dict.fromkeys(
        ("regimen_received", "biomarker", "biomarker_later", "state", "genes", "course", "lod", "assay",
         "sum", "sum_change", "response", "feature", "feature_change", "n_variants", "pten_ihc"),
        _template,
    )  # fmt: skip
    readers: dict[str, Reader] = templates | {
        "missing_levels": _names, "columns": _lists, "gene_sets": _gene_sets, "assays": _assays,
        "quantities": _templates(QUANTITIES), "changes": _templates(CHANGING), "scales": _scales,
        "method_priority": _names, "feature_method_priority": _names,
    }  # fmt: skip
    kinds: dict[str, type] = {
        "clinical": ClinicalSettings, "pathology": PathologySettings, "tissue": TissueSettings,
        "ctdna": CtdnaSettings, "imaging": ImagingSettings,
    }  # fmt: skip
    sections: dict[str, Any] = {
        name: _section(kind, entry[name], f"{where}, {name}", readers) for name, kind in kinds.items()
    }
    return FeatureSettings(**entry | sections)


def _section(kind: type[Section], document: Any, where: str, readers: Mapping[str, Reader]) -> Section:
    entry = checked_fields(kind, document, where)
    return kind(**{k: readers[k](v, f"{where}, {k}") if k in readers else v for k, v in entry.items()})


def _names(content: Any, where: str) -> tuple[str, ...]:
    if not isinstance(content, list | tuple):
        raise UserError(f"{where}: must be a list")
    return tuple(content)


def _lists(content: Any, where: str) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: must be a mapping of names to lists")
    return {name: _names(values or (), f"{where}, {name}") for name, values in content.items()}


def _gene_sets(content: Any, where: str) -> Mapping[str, GeneRules]:
    """Return gene sets: genes whose every pathogenic variant counts, or each with its rule."""
    if not isinstance(content, Mapping):
        raise UserError(f"{where}: must be a mapping of names to genes")
    return {
        name: parsed(dict[str, GeneRule], genes, f"{where}, {name}")
        if isinstance(genes, Mapping)
        else any_pathogenic(_names(genes or (), f"{where}, {name}"))
        for name, genes in content.items()
    }


def _template(content: Any, where: str) -> Template:
    return _section(Template, content, where, {"levels": _names})


def _templates(names: tuple[str, ...]) -> Reader:
    """Return what reads templates by name, each name one of `names`."""

    def read(content: Any, where: str) -> Mapping[str, Template]:
        refuse_unknown_keys(content, names, where)
        return {name: _template(entry, f"{where}, {name}") for name, entry in content.items()}

    return read


def _assays(content: Any, where: str) -> Mapping[str, Assay]:
    kinds = ("fixed_panel", "tumor_informed", "unknown")
    refuse_unknown_keys(content, kinds, where, required=kinds)
    return {kind: _section(Assay, entry, f"{where}, {kind}", {}) for kind, entry in content.items()}


def _scales(content: Any, where: str) -> Mapping[str, Scale]:
    if not isinstance(content, Mapping) or "default" not in content:
        raise UserError(f"{where}: key default is missing")
    scales = {name: _section(Scale, entry, f"{where}, {name}", {}) for name, entry in content.items()}
    for name, choice in scales.items():
        if choice.scale not in SCALES:
            raise UserError(f"{where}, {name}: scale {unknown_name(choice.scale, SCALES)}")
        if choice.change not in CHANGES:
            raise UserError(f"{where}, {name}: change {unknown_name(choice.change, CHANGES)}")
    return scales
