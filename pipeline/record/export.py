"""The record as analysis results data: a row for each statistic, in CSV and in CDISC's Dataset-JSON 1.1."""

from datetime import datetime
from typing import TypedDict

import pandas as pd

TEXTS = {
    "study": ("STUDYID", "Study"), "stage": ("STAGE", "Stage that computed it"), "file": ("SRCFILE", "File"),
    "landmark": ("LANDMARK", "Landmark"), "population": ("ANALPOP", "Analysis population"),
    "model": ("MODEL", "Model"), "group": ("GROUP1", "Group or pair of groups"),
    "part": ("GROUP2", "Part of the group"), "measure": ("PARAM", "Measure"), "method": ("METHOD", "Method"),
}  # fmt: skip
STATISTICS = {
    "value": "estimate",
    "low": "conf.low",
    "high": "conf.high",
    "level": "conf.level",
    "n": "N",
    "events": "n",
}
QUARTILES = "median, quartiles"
SPREAD = {"value": "median", "low": "p25", "high": "p75"}
"""Statistics of a measure that is told by its quartiles and has no interval."""
COLUMNS = {
    **dict(TEXTS.values()), "STATNAME": "Statistic", "STAT": "Value of the statistic",
    "REASON": "Why there is none", "STATEKEY": "Key of the pipeline state",
}  # fmt: skip


class JsonColumn(TypedDict):
    """A column of Dataset-JSON."""

    itemOID: str
    name: str
    label: str
    dataType: str


class DatasetJson(TypedDict):
    """A dataset in CDISC's Dataset-JSON 1.1; `rows` hold texts and numbers in the order of `columns`."""

    datasetJSONCreationDateTime: str
    datasetJSONVersion: str
    itemGroupOID: str
    records: int
    name: str
    label: str
    columns: list[JsonColumn]
    rows: list[list[str | float | None]]


def analysis_results(record: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each statistic of the record, named as pharmaverse's cards names them.

    A measure that could not be computed has one row, its estimate without a value and with the reason.
    """
    texts = record[[*TEXTS]].set_axis([name for name, _ in TEXTS.values()], axis=1)
    texts = texts.assign(REASON=record["error"], STATEKEY=record["state_key"])
    parts = []
    for order, (column, name) in enumerate(STATISTICS.items()):
        rows = record[column].notna() & (record["value"].notna() | (record["error"] != ""))
        if column == "value":
            rows = rows | (record["error"] != "")
        quartiles = record["method"] == QUARTILES
        if column == "level":
            rows = rows & record["low"].notna() & ~quartiles
        names = quartiles.map({True: SPREAD.get(column, name), False: name})
        part = texts.loc[rows].assign(STATNAME=names[rows], STAT=record.loc[rows, column], order=order)
        parts.append(part)
    whole = pd.concat(parts).rename_axis("row").reset_index().sort_values(["row", "order"], kind="stable")
    return whole[[*COLUMNS]].reset_index(drop=True)


def dataset_json(results: pd.DataFrame, created: datetime) -> DatasetJson:
    """Return analysis results as Dataset-JSON; `created` is when, in UTC."""
    columns: list[JsonColumn] = [
        {
            "itemOID": f"IT.ARD.{name}",
            "name": name,
            "label": label,
            "dataType": "double" if name == "STAT" else "string",
        }
        for name, label in COLUMNS.items()
    ]
    rows = results.astype(object).where(results.notna(), None).to_numpy().tolist()
    return {
        "datasetJSONCreationDateTime": created.strftime("%Y-%m-%dT%H:%M:%S"),
        "datasetJSONVersion": "1.1.0",
        "itemGroupOID": "IG.ARD",
        "records": len(results),
        "name": "ARD",
        "label": "Analysis results data",
        "columns": columns,
        "rows": rows,
    }
