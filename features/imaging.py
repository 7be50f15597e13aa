"""Imaging features: target diameters, recorded response, and quantitative features such as tumour volume.

One patient is followed by one method, that of the first scan: methods are never mixed in a patient's row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from features.definitions import target_sums, targets_from_the_first
from features.documents.feature import Feature
from features.feature import (
    BuildContext,
    FeatureError,
    NamedSeries,
    choose,
    collect,
    from_template,
    one_per_patient,
    safe_names,
)
from features.settings import ImagingSettings

DOMAIN = "imaging"
NO_RESPONSE = ("NE", "ND")
SCAN = ["usubjid", "visit", "method"]


def build(
    tables: Mapping[str, pd.DataFrame],
    patients: pd.Index,
    settings: ImagingSettings,
    context: BuildContext,
) -> tuple[pd.DataFrame, list[Feature]]:
    """Return the imaging features of `patients`: frame with that index, and what each column is.

    A visit without any visible row gives no columns.

    Parameters
    ----------
    tables : mapping
        Visible tables.
    """
    lesions = _read_by(tables.get("lesions"), settings)
    responses = _read_by(tables.get("response"), settings)
    scans = tables.get("imaging_features")
    method = followed_by(lesions, responses, settings.method_priority, context.visits)
    columns: list[NamedSeries] = []
    if context.seen.of("visits of lesions", lesions["visit"]):
        columns += _diameters(lesions, method, patients, settings, context)
    elif scans is not None:
        columns += _states_of(scans, patients, settings, context)
    if context.seen.of("visits of responses", responses["visit"]):
        columns += _responses(responses, method, patients, settings, context)
    if scans is not None:
        columns += quantitative(scans, patients, settings, context)
    return collect(columns, patients)


def followed_by(
    lesions: pd.DataFrame, responses: pd.DataFrame, priority: Sequence[str], visits: Sequence[str]
) -> pd.Series:
    """Return the method by which each patient is followed, index usubjid.

    It is the method of the earliest scan with a result; of several at that visit, the first in `priority`.
    """
    scanned = lesions.loc[lesions["status"] == "done", SCAN]
    judged = responses.loc[~responses["overall"].isin(NO_RESPONSE), SCAN]
    rows = pd.concat([scanned, judged])
    return _first_method(rows, ["usubjid"], priority, visits)


def _first_method(
    rows: pd.DataFrame, by: list[str], priority: Sequence[str], visits: Sequence[str]
) -> pd.Series:
    """Return the method of the earliest visit, by priority, for each group `by`."""
    ranked = rows.assign(
        visit_rank=rows["visit"].map({v: i for i, v in enumerate(visits)}),
        method_rank=rows["method"].map({m: i for i, m in enumerate(priority)}),
    )
    first = ranked.sort_values([*by, "visit_rank", "method_rank"]).drop_duplicates(by)
    method: pd.Series = first.set_index(by)["method"]
    return method.rename("followed_by")


def _read_by(table: pd.DataFrame | None, settings: ImagingSettings) -> pd.DataFrame:
    """Return the rows of the reader and the methods of the settings; an empty frame if there is no table."""
    if table is None:
        return pd.DataFrame(columns=[*SCAN, "status", "overall"], dtype="str")
    wanted = (table["reader"] == settings.reader) & table["method"].isin(settings.method_priority)
    rows: pd.DataFrame = table.loc[wanted]
    return rows


def sums_of_diameters(lesions: pd.DataFrame, method: pd.Series, first_visit: str) -> pd.DataFrame:
    """Return one row per patient and visit with rows: columns usubjid, visit, state, sum_mm.

    The sum is that of the target lesions by the patient's method, nodes by their short axis (RECIST 1.1).
    It is there only where the state is ``done``: every target measured, and no fewer than at the first visit.
    ``not_done``: every row says so. All else is ``not_evaluable``, among it a scan by another method.
    """
    lesions = lesions[targets_from_the_first(lesions, ["usubjid", "method"], first_visit)]
    same = lesions["method"] == lesions["usubjid"].map(method)
    keys = ["usubjid", "visit"]
    sums = target_sums(lesions.assign(target=lesions["target"].where(same)), keys)
    not_done = (lesions["status"] == "not_done").groupby([lesions[key] for key in keys]).all()
    by_visit = sums.assign(not_done=not_done).reset_index()
    first = by_visit.loc[by_visit["visit"] == first_visit].set_index("usubjid")["measured"]
    expected = by_visit["usubjid"].map(first).astype("float64").fillna(0).clip(lower=1)
    done = (by_visit["missed"] == 0) & (by_visit["measured"] >= expected)
    state = choose(by_visit.index, {"not_done": by_visit["not_done"], "done": done}, "not_evaluable")
    return by_visit[["usubjid", "visit"]].assign(
        state=state, sum_mm=by_visit["sum_mm"].where(state == "done")
    )


def _diameters(
    lesions: pd.DataFrame,
    method: pd.Series,
    patients: pd.Index,
    settings: ImagingSettings,
    context: BuildContext,
) -> list[NamedSeries]:
    """Return state, sum of diameters and its change since the first visit, visit by visit."""
    sums = sums_of_diameters(lesions, method, context.first_visit)
    measured = context.seen.of("visits of sums", sums["visit"])
    before = None
    columns = []
    for visit in (visit for visit in context.visits if visit in measured):
        rows = sums.loc[sums["visit"] == visit]
        state = _states(rows, visit, patients, context)
        now = one_per_patient(rows, "sum_mm", patients)
        columns.append((from_template(settings.state, DOMAIN, visit, visit=visit), state))
        columns.append((from_template(settings.sum, DOMAIN, visit, visit=visit), now))
        if visit == context.first_visit:
            before = now
        elif before is not None:
            feature = from_template(settings.sum_change, DOMAIN, visit, visit=visit)
            columns.append((feature, _relative(now, before)))
    return columns


def _states(rows: pd.DataFrame, visit: str, patients: pd.Index, context: BuildContext) -> pd.Series:
    """Return the state per patient; without a row it is not_done, or not_planned if the arm has it so."""
    planned = ~patients.isin(list(context.not_planned)) | (visit == context.first_visit)
    absent = choose(patients, {"not_done": planned}, "not_planned")
    return one_per_patient(rows, "state", patients).fillna(absent)


def _states_of(
    scans: pd.DataFrame, patients: pd.Index, settings: ImagingSettings, context: BuildContext
) -> list[NamedSeries]:
    """Return the states where imaging is quantitative features only: done if any feature was."""
    columns = []
    rank = {"done": 0, "not_evaluable": 1, "not_done": 2}
    ranked = scans.assign(rank=scans["status"].map(rank)).sort_values(["usubjid", "visit", "rank"])
    ranked = ranked.drop_duplicates(["usubjid", "visit"]).rename(columns={"status": "state"})
    scanned = context.seen.of("visits of scans", ranked["visit"])
    for visit in (visit for visit in context.visits if visit in scanned):
        feature = from_template(settings.state, DOMAIN, visit, visit=visit)
        states = _states(ranked.loc[ranked["visit"] == visit], visit, patients, context)
        columns.append((feature, states))
    return columns


def _responses(
    responses: pd.DataFrame,
    method: pd.Series,
    patients: pd.Index,
    settings: ImagingSettings,
    context: BuildContext,
) -> list[NamedSeries]:
    """Return the response recorded at each visit but the first; NE by another method, ND without a row."""
    same = responses["method"] == responses["usubjid"].map(method)
    judged = responses.assign(overall=responses["overall"].where(same | (responses["overall"] == "ND"), "NE"))
    judged = judged.assign(other=~same).sort_values(["usubjid", "visit", "other", "overall"])
    judged = judged.drop_duplicates(["usubjid", "visit"])
    responded = context.seen.of("visits of judged responses", judged["visit"])
    columns = []
    for visit in (visit for visit in context.visits[1:] if visit in responded):
        feature = from_template(settings.response, DOMAIN, visit, visit=visit)
        overall = one_per_patient(judged.loc[judged["visit"] == visit], "overall", patients)
        columns.append((feature, overall.fillna("ND")))
    return columns


def quantitative(
    scans: pd.DataFrame, patients: pd.Index, settings: ImagingSettings, context: BuildContext
) -> list[NamedSeries]:
    """Return every feature of imaging_features at every visit, and its change since the first visit.

    Per patient and feature one method, that of the earliest visit, by ``feature_method_priority``. ``scales``
    says, by feature, on which scale it stands and whether its change is relative or a difference on that
    scale.

    Raises
    ------
    FeatureError
        If a feature is recorded in two units.
    """
    done = scans.loc[(scans["status"] == "done") & scans["value"].notna()]
    done = done.loc[done["method"].isin(settings.feature_method_priority)]
    by = ["usubjid", "feature"]
    chosen = _first_method(done, by, settings.feature_method_priority, context.visits)
    if len(done):  # pandas cannot join what has no rows
        done = done.join(chosen, on=by)
        done = done.loc[done["method"] == done["followed_by"]]
    columns = []
    for name, safe in safe_names(context.seen.of("measured features", done["feature"])).items():
        rows = done.loc[done["feature"] == name]
        names = {"name": name, "safe": safe, "unit": _unit(rows, name, context)}
        columns += _one_feature(rows, names, patients, settings, context)
    return columns


def _one_feature(
    rows: pd.DataFrame,
    names: Mapping[str, str],
    patients: pd.Index,
    settings: ImagingSettings,
    context: BuildContext,
) -> list[NamedSeries]:
    """Return the levels and changes of one quantitative feature."""
    choice = settings.scale_of(names["safe"])
    unit = names["unit"] if choice.scale == "as_is" else f"{choice.scale} {names['unit']}".strip()
    # The difference of two logarithms is that of a ratio.
    changed = unit if choice.scale == "as_is" else f"{choice.scale} ratio"
    columns: list[NamedSeries] = []
    first = None
    measured = context.seen.of(f"visits of {names['name']}", rows["visit"])
    for visit in (visit for visit in context.visits if visit in measured):
        value = one_per_patient(rows.loc[rows["visit"] == visit], "value", patients)
        scaled = _on_scale(value, choice.scale)
        filled = {"safe": names["safe"], "name": names["name"], "visit": visit}
        feature = from_template(settings.feature, DOMAIN, visit, **filled)
        # log(1 + value) is meant for what cannot be negative, such as a volume.
        low = 0.0 if choice.scale == "log1p" else feature.low
        columns.append((replace(feature, unit=unit, low=low), scaled))
        if visit == context.first_visit:
            first = value, scaled
        elif first is not None:
            relative = choice.change == "relative"
            change = _relative(value, first[0]) if relative else scaled - first[1]
            feature = from_template(settings.feature_change, DOMAIN, visit, **filled)
            columns.append((replace(feature, unit="ratio" if relative else changed), change))
    return columns


def _on_scale(value: pd.Series, scale: str) -> pd.Series:
    """Return the value, log(1 + value) or log10(value); NaN where the logarithm is not defined."""
    if scale == "as_is":
        return value
    logarithm, above = (np.log1p, -1.0) if scale == "log1p" else (np.log10, 0.0)
    return pd.Series(logarithm(value.where(value > above)), index=value.index)


def _unit(rows: pd.DataFrame, name: str, context: BuildContext) -> str:
    units = context.seen.of(f"units of {name}", rows["unit"])
    if len(units) > 1:
        raise FeatureError(f"imaging_features: {name} is recorded in {len(units)} units ({', '.join(units)})")
    return units[0] if units else ""


def _relative(now: pd.Series, before: pd.Series) -> pd.Series:
    """Return (now - before) / before, NaN where before is not positive."""
    return (now - before) / before.where(before > 0)
