"""Whether analysis datasets keep the rules of ADaM: names, labels, keys, flags, parameters, days and changes.

The rules are those of CDISC's ADaM Conformance Rules that the datasets written here can break, each named by
its content. Messages name dataset, variable and how many records; never a value.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from pipeline.adam.specification import Dataset, Specification

LONGEST = {"name": 8, "label": 40, "text": 200}
"""Characters that a SAS transport file of version 5 has room for."""
SUBJECTS = "ADSL"
ROUNDING = 1e-9

Frames = Mapping[str, pd.DataFrame]


def violations(frames: Frames, specification: Specification) -> list[str]:
    """Return every rule that a dataset breaks, one message each; none if all are kept.

    Parameters
    ----------
    frames : mapping of DataFrames
        By dataset; dates are datetime64.
    """
    found = []
    for name, frame in frames.items():
        dataset = specification.datasets[name]
        for rule in RULES:
            found += [f"{name}: {message}" for message in rule(frame, dataset)]
        found += [f"{name}: {message}" for message in _of_known_subjects(frame, frames[SUBJECTS])]
    return found


def _variables(frame: pd.DataFrame, dataset: Dataset) -> Iterator[str]:
    extra = [str(name) for name in frame.columns if name not in dataset.variables]
    absent = [name for name in dataset.variables if name not in frame]
    if extra or absent:
        yield f"variables must be those specified; not specified {extra}, absent {absent}"
    for name, variable in dataset.variables.items():
        if len(name) > LONGEST["name"] or not name.isalnum() or name != name.upper():
            yield f"{name}: a name has at most {LONGEST['name']} capital letters and digits"
        if len(variable.label) > LONGEST["label"]:
            yield f"{name}: a label has at most {LONGEST['label']} characters"


def _texts(frame: pd.DataFrame, dataset: Dataset) -> Iterator[str]:
    for name, variable in dataset.variables.items():
        if variable.type == "text" and name in frame:
            too_long = sum(len(str(text).encode()) > LONGEST["text"] for text in frame[name].dropna())
            if too_long:
                yield f"{name}: {too_long} records have more than {LONGEST['text']} bytes"


def _required(frame: pd.DataFrame, dataset: Dataset) -> Iterator[str]:
    for name, variable in dataset.variables.items():
        if variable.required and name in frame and frame[name].isna().any():
            yield f"{name}: must not be empty, and is in {int(frame[name].isna().sum())} records"


def _keys(frame: pd.DataFrame, dataset: Dataset) -> Iterator[str]:
    keys = [*dataset.keys, *(("DTYPE",) if "DTYPE" in frame else ())]
    if set(keys) <= set(frame) and (twice := frame.duplicated(keys)).any():
        yield f"{', '.join(dataset.keys)}: {int(twice.sum())} records have the keys of another"


def _flags(frame: pd.DataFrame, dataset: Dataset) -> Iterator[str]:
    for name in (name for name in frame.columns if str(name).endswith("FL")):
        values = set(frame[name].dropna())
        population = bool(dataset.variables[name].required) if name in dataset.variables else False
        if not values <= ({"Y", "N"} if population else {"Y"}):
            yield f"{name}: must be Y{' or N' if population else ' or empty'}"


def _parameters(frame: pd.DataFrame, _: Dataset) -> Iterator[str]:
    if "PARAMCD" not in frame:
        return
    if (frame["PARAMCD"].str.len() > LONGEST["name"]).any():
        yield f"PARAMCD: has more than {LONGEST['name']} characters"
    pairs = frame[["PARAM", "PARAMCD"]].drop_duplicates()
    if pairs["PARAM"].duplicated().any() or pairs["PARAMCD"].duplicated().any():
        yield "PARAM, PARAMCD: each must belong to one of the other"
    if "AVALC" in frame:
        both = frame.loc[frame["AVAL"].notna() & frame["AVALC"].notna(), ["PARAMCD", "AVAL", "AVALC"]]
        both = both.drop_duplicates()
        if both.duplicated(["PARAMCD", "AVAL"]).any() or both.duplicated(["PARAMCD", "AVALC"]).any():
            yield "AVAL, AVALC: within a parameter each must belong to one of the other"


def _changes(frame: pd.DataFrame, _: Dataset) -> Iterator[str]:
    if "CHG" not in frame:
        return
    wrong = (frame["CHG"] - (frame["AVAL"] - frame["BASE"])).abs() > ROUNDING
    if wrong.any():
        yield f"CHG: is not AVAL - BASE in {int(wrong.sum())} records"
    per_cent = (frame["PCHG"] - 100 * frame["CHG"] / frame["BASE"]).abs() > ROUNDING * 100
    if per_cent.any():
        yield f"PCHG: is not 100 * CHG / BASE in {int(per_cent.sum())} records"
    baseline = frame.loc[frame["ABLFL"] == "Y"]
    if (baseline["AVAL"] != baseline["BASE"]).any():
        yield "BASE: is not AVAL of the baseline record"
    if baseline.duplicated(["USUBJID", "PARAMCD", "EVAL", "METHOD"]).any():
        yield "ABLFL: marks more than one record of a subject and parameter"


def _days(frame: pd.DataFrame, _: Dataset) -> Iterator[str]:
    if "ADY" in frame and (frame["ADY"] == 0).any():
        yield "ADY: there is no day 0"
    if "ADY" in frame and (frame["ADY"].notna() & frame["ADT"].isna()).any():
        yield "ADY: is there without ADT"


def _of_known_subjects(frame: pd.DataFrame, subjects: pd.DataFrame) -> Iterator[str]:
    strange = ~frame["USUBJID"].isin(subjects["USUBJID"])
    if strange.any():
        yield f"USUBJID: {int(strange.sum())} records are of subjects that ADSL does not have"
    shared = [str(name) for name in frame.columns.intersection(subjects.columns) if name != "USUBJID"]
    theirs = subjects.drop_duplicates("USUBJID").set_index("USUBJID")[shared].reindex(frame["USUBJID"])
    for name in shared:
        one, other = frame[name].to_numpy("object"), theirs[name].to_numpy("object")
        apart = (one != other) & ~(pd.isna(one) & pd.isna(other))
        if np.any(apart):
            yield f"{name}: is not that of ADSL in {int(np.sum(apart))} records"


RULES: tuple[Callable[[pd.DataFrame, Dataset], Iterator[str]], ...] = (
    _variables,
    _texts,
    _required,
    _keys,
    _flags,
    _parameters,
    _changes,
    _days,
)
