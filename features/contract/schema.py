"""One raw table against its specification, as a pandera schema."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import pandera.pandas as pa

from features.contract.specification import ColumnSpec, TableSpec


def table_schema(spec: TableSpec, vocabulary: Mapping[str, Sequence[str]]) -> pa.DataFrameSchema:
    """Return the schema of a table whose columns are in the contract's dtypes; columns may be absent.

    The rules (filled, levels, range, unique) are named as in the problems that `schema_failures` yields.
    """
    columns = {
        column.name: pa.Column(
            checks=_checks(column, vocabulary),
            nullable=not column.required,
            unique=column.unique,
            required=False,
        )
        for column in spec.columns.values()
    }
    return pa.DataFrameSchema(columns, unique=list(spec.key))


def _checks(column: ColumnSpec, vocabulary: Mapping[str, Sequence[str]]) -> list[pa.Check]:
    checks = []
    levels = column.allowed(vocabulary)
    if levels:
        checks.append(pa.Check.isin(levels, error=f"levels: {', '.join(levels)}"))
    if column.low is not None:
        checks.append(pa.Check.ge(column.low, error=f"range: {column.range_text}"))
    if column.high is not None:
        checks.append(pa.Check.le(column.high, error=f"range: {column.range_text}"))
    return checks


def schema_failures(
    frame: pd.DataFrame, spec: TableSpec, vocabulary: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str, pd.Index]]:
    """Yield (column, rule, labels of the rows) for every rule that rows of the table break.

    Parameters
    ----------
    frame : DataFrame
        Columns of the contract in its dtypes, unique index. Rows without a key are no duplicates.
    """
    schema = table_schema(spec, vocabulary)
    if not set(spec.key) <= set(frame.columns):
        schema.unique = None
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases
        for (column, check), found in cases.groupby(["column", "check"], sort=True):
            rows = pd.Index(found["index"].unique())
            if check == "multiple_fields_uniqueness":
                if column == spec.key[0]:
                    rule = f"duplicate_key: {', '.join(spec.key)}"
                    yield column, rule, _filled(frame.loc[rows, list(spec.key)])
            elif check == "field_uniqueness":
                yield column, "unique", rows
            else:
                yield column, "required_value" if check == "not_nullable" else check, rows


def _filled(rows: pd.DataFrame) -> pd.Index:
    return rows.index[rows.notna().all(axis=1)]
