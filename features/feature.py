"""How a feature's description is read from the contract or from configs/features.yaml, and columns bound."""

import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.contract.validation import Contract
from features.documents.feature import STATE_SUFFIX, Feature
from features.errors import UserError
from features.settings import Template


class FeatureError(UserError):
    """Settings or tables from which a feature cannot be built."""


NamedSeries = tuple[Feature, pd.Series]
"""A feature and its values, index usubjid."""


@dataclass(frozen=True)
class Column:
    """A feature that is a contract column as it stands: where it is, and what it becomes."""

    table: str
    column: str
    feature: Feature


Answers = dict[str, frozenset[str]]
"""What patients have, by question."""


def together(parts: Iterable[Answers]) -> Answers:
    """Return what the parts of a cohort have between them."""
    everywhere: Answers = {}
    for answers in parts:
        for question, values in answers.items():
            everywhere[question] = everywhere.get(question, frozenset()) | values
    return everywhere


@dataclass(frozen=True)
class Seen:
    """What any patient has, and so decides which columns all patients have.

    Where only a part of the cohort is at hand, `elsewhere` is what the other parts have. `answers` fills with
    what was asked for and found here or there: values by question.
    """

    elsewhere: Mapping[str, frozenset[str]] = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)

    def of(self, question: str, values: pd.Series) -> list[str]:
        """Return the distinct values of all parts, sorted."""
        here = frozenset(values.dropna().unique())
        self.answers[question] = here | self.elsewhere.get(question, frozenset())
        return sorted(self.answers[question])

    def any(self, question: str, values: pd.Series) -> bool:
        """Tell whether any patient of all parts has a value."""
        return bool(self.of(question, pd.Series(["any"] if values.notna().any() else [], dtype="str")))


@dataclass(frozen=True)
class BuildContext:
    """What the study and the landmark add to a domain's settings.

    `visits`, `cycles`: those of the landmark. `columns`: features that are contract columns as they stand.
    `regimens`: those of the study. `not_planned`: the patients for whom the domain is not planned after the
    first visit; empty where it is planned for all. Which columns there are goes by `seen` alone.
    """

    visits: tuple[str, ...]
    cycles: int | None = None
    columns: Sequence[Column] = ()
    regimens: tuple[str, ...] = ()
    not_planned: Collection[str] = ()
    seen: Seen = field(default_factory=Seen)

    @property
    def first_visit(self) -> str:
        """The visit that changes are measured from."""
        return self.visits[0]


def contract_columns(
    contract: Contract,
    wanted: Mapping[str, Sequence[str]],
    domain: str,
    known_at: str,
    vocabulary: Mapping[str, Sequence[str]],
) -> list[Column]:
    """Describe the columns `wanted` (table -> columns) by what the contract says of them.

    Parameters
    ----------
    known_at : str
        The study's first visit: only baseline tables are used column by column.
    vocabulary : mapping
        The levels that the study decides: visits, arms, regimens.

    Raises
    ------
    FeatureError
        If the contract has no such column, it is not known at baseline, or it is text without levels.
    """
    found = []
    for table, names in wanted.items():
        for name in names:
            if table not in contract or name not in contract[table].columns:
                raise FeatureError(f"features settings, {domain}: the contract has no column {table}.{name}")
            if contract[table].timing.known_at != "baseline":
                raise FeatureError(f"features settings, {domain}: {table}.{name} is not known at baseline")
            column = contract[table].columns[name]
            levels = column.allowed(vocabulary)
            kind = "numeric" if column.type in {"float", "integer"} else "categorical"
            if kind == "categorical" and not levels:
                raise FeatureError(f"features settings, {domain}: {table}.{name} is text without levels")
            unit, limits = column.unit or "", (column.low, column.high)
            feature = Feature(name, domain, kind, unit, known_at, levels, *limits, column.description)
            found.append(Column(table, name, feature))
    return found


def from_template(
    template: Template, domain: str, known_at: str, levels: Sequence[str] = (), **names: str
) -> Feature:
    """Describe a derived feature by its entry in configs/features.yaml, its placeholders filled with `names`.

    With levels (given, or in the entry) it is categorical, else numeric.
    """
    levels = tuple(levels or template.levels)
    return Feature(
        name=template.name.format(**names),
        domain=domain,
        kind="categorical" if levels else "numeric",
        unit=template.unit,
        known_at=known_at,
        levels=levels,
        low=template.low,
        high=template.high,
        description=template.description.format(**names),
    )


def safe_names(values: Sequence[str]) -> dict[str, str]:
    """Map each text to a name of lower-case letters, digits and underscores, in alphabetical order.

    Raises
    ------
    FeatureError
        If two texts become the same name.
    """
    safe = {value: re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_") for value in sorted(set(values))}
    if len(set(safe.values())) < len(safe):
        twice = sorted({name for name in safe.values() if list(safe.values()).count(name) > 1})
        raise FeatureError(f"names that differ only in punctuation or case: {', '.join(twice[:3])}")
    return safe


def choose(index: pd.Index, cases: Mapping[str, pd.Series | np.ndarray], otherwise: str | None) -> pd.Series:
    """Return the first case that holds for each row, a str series; `otherwise` where none holds."""
    chosen = np.select([np.asarray(c, dtype=bool) for c in cases.values()], list(range(len(cases))), -1)
    names = np.array([*cases, otherwise], dtype=object)
    return pd.Series(names[chosen], index=index, dtype="str")


def positions(ids: pd.Series, among: pd.Index) -> npt.NDArray[np.int64]:
    """Return where each id stands in `among` (unique), -1 where it does not: as `Index.get_indexer`.

    Arrow looks up its own texts; pandas would make Python's of all of them first.
    """
    if ids.dtype != "str" or among.dtype != "str":
        return among.get_indexer(pd.Index(ids)).astype("int64")
    found = pc.index_in(pa.array(ids.array), value_set=pa.array(among.array))
    return np.asarray(pc.fill_null(found, -1), dtype="int64")


def one_per_patient(rows: pd.DataFrame, column: Hashable, patients: pd.Index) -> pd.Series:
    """Return `column` of the patients' rows (at most one each), NaN for patients without a row."""
    return rows.set_index("usubjid")[column].reindex(patients)


def as_they_stand(
    columns: Sequence[Column], tables: Mapping[str, pd.DataFrame], patients: pd.Index
) -> list[NamedSeries]:
    """Return contract columns per patient; a table the study has not gives none."""
    present = [c for c in columns if c.table in tables]
    return [(c.feature, one_per_patient(tables[c.table], c.column, patients)) for c in present]


def collect(columns: Sequence[NamedSeries], patients: pd.Index) -> tuple[pd.DataFrame, list[Feature]]:
    """Bind features to one frame, index `patients`: numeric columns float64, categorical ones str."""
    data = {
        feature.name: series.astype("float64" if feature.kind == "numeric" else "str")
        for feature, series in columns
    }
    return pd.DataFrame(data, index=patients), [feature for feature, _ in columns]


def without_missing_levels(
    frame: pd.DataFrame, features: Sequence[Feature], missing_levels: Sequence[str]
) -> tuple[pd.DataFrame, list[Feature]]:
    """Take away every trace of why a value is missing: no state columns, and NaN for `missing_levels`."""
    kept = [feature for feature in features if not feature.name.endswith(STATE_SUFFIX)]
    cleaned = frame[[feature.name for feature in kept]].copy()
    for i, feature in enumerate(kept):
        if feature.kind == "categorical":
            cleaned[feature.name] = cleaned[feature.name].mask(cleaned[feature.name].isin(missing_levels))
            kept[i] = replace(feature, levels=tuple(v for v in feature.levels if v not in missing_levels))
    return cleaned, kept
