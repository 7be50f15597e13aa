"""What is recorded of safety beside adverse events: doses by drug, measurements over time, prophylaxis."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates, only_where
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.table_rows import CourseTest, Dose


def drug_exposure_table(
    people: Columns, cycles: Columns, settings: Settings, streams: Streams
) -> pd.DataFrame:
    """Return the raw table drug_exposure: every drug of every cycle given, on each of its days.

    `cycles` as from ``records.cycles_given``. Toxicity lowers the doses of chemotherapy, kinase inhibitors
    and conjugates; antibodies are given in full.
    """
    parts = []
    for regimen, slot, doses in _slots(settings):
        uniform = streams(f"drug {regimen} {slot}").random(len(people["age"]))
        edges = np.cumsum([dose.share for dose in doses])
        chosen = np.minimum(np.searchsorted(edges / edges[-1], uniform, side="right"), len(doses) - 1)
        code = list(settings.regimens).index(regimen)
        for number, dose in enumerate(doses):
            given = cycles["kept"] & (cycles["regimen"] == code) & (chosen == number)[:, None]
            parts.append(_administrations(dose, given, people, cycles, settings))
    whole = pd.concat(parts, ignore_index=True)
    return whole.sort_values(["usubjid", "cycle", "drug", "start_date"], ignore_index=True)


def _slots(settings: Settings) -> Iterator[tuple[str, str, list[Dose]]]:
    """Yield regimen, slot and the drugs of which a patient gets one, in the order of the table."""
    slots: dict[tuple[str, str], list[Dose]] = {}
    for dose in settings.safety.doses:
        slots.setdefault((dose.regimen, dose.slot), []).append(dose)
    for (regimen, slot), doses in slots.items():
        yield regimen, slot, doses


def _administrations(
    dose: Dose, given: Array, people: Columns, cycles: Columns, settings: Settings
) -> pd.DataFrame:
    """Return the rows of a drug in the cycles `given` (n x cycles)."""
    person, cycle = np.nonzero(given)
    person, cycle = np.repeat(person, len(dose.days)), np.repeat(cycle, len(dose.days))
    day = np.tile(np.array(dose.days), len(person) // len(dose.days))
    planned = np.where(cycle == 0, dose.loading, dose.dose)
    share = cycles["dose"][person, cycle] if dose.reducible == "Y" else np.ones(len(person))
    amount, delay = np.round(planned * share, 2), cycles["delay"][person, cycle]
    reduced, delayed = amount < planned, delay > 0
    start = as_dates(settings.cohort.first_day, cycles["start"][person, cycle] + day - 1)
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][person],
            "cycle": cycle + 1,
            "drug": dose.drug,
            "start_date": start,
            "end_date": start,
            "dose_planned": planned,
            "dose_given": amount,
            "dose_unit": dose.unit,
            "modification": np.select([reduced, delayed], ["reduced", "delayed"], "none").astype(object),
            "modification_reason": only_where(reduced, "toxicity"),
            "delay_days": delay,
        }
    )


def safety_measurements_table(
    people: Columns, cycles: Columns, labs: pd.DataFrame, settings: Settings, streams: Streams
) -> pd.DataFrame:
    """Return the raw table safety_measurements: tests on treatment around each patient's value at entry.

    The ejection fraction falls where an event says so, and nowhere else as far as an event.
    """
    entry = labs.pivot_table(index="usubjid", columns="testcd", values="value", aggfunc="first")
    entry = entry.reindex(people["usubjid"])
    parts = [
        _measured(test, entry, people, cycles, settings, streams) for test in settings.safety.tests.values()
    ]
    return pd.concat(parts, ignore_index=True)


def _measured(
    test: CourseTest,
    entry: pd.DataFrame,
    people: Columns,
    cycles: Columns,
    settings: Settings,
    streams: Streams,
) -> pd.DataFrame:
    rng, shape = streams(f"on treatment {test.code}"), cycles["kept"].shape
    usual = settings.labs.tests[test.code]
    before = entry[test.code].fillna(usual.mean).to_numpy()
    number = np.arange(1, shape[1] + 1)
    value = before[:, None] + test.trend_per_cycle * number + rng.normal(0.0, test.within_sd, shape)
    value = np.clip(value, test.low, test.high)
    if test.code == "LVEF":
        value = _ejection_fractions(value, before, cycles, settings, rng)
    person, cycle = np.nonzero(cycles["kept"] & (number % test.every == 0))
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][person],
            "testcd": test.code,
            "measured_date": as_dates(
                settings.cohort.first_day, cycles["start"][person, cycle] + test.day - 1
            ),
            "cycle": cycle + 1,
            "method": test.method,
            "value": np.round(value[person, cycle], test.decimals),
            "unit": test.unit,
            "uln": float(usual.uln) if usual.uln is not None else np.nan,
        }
    )


def _ejection_fractions(
    value: Array, before: Array, cycles: Columns, settings: Settings, rng: np.random.Generator
) -> Array:
    """Return ejection fractions (n x cycles): low from the cycle of an event on, else above any fall."""
    low, high = settings.safety.ejection_fraction_fall
    term = list(settings.toxicity.terms).index(settings.safety.ejection_fraction_term)
    event = np.maximum.accumulate(cycles["severity"][:, :, term] > 0, axis=1)
    fallen = np.minimum(rng.uniform(low, high, value.shape), (before - 10.0)[:, None])
    steady = np.maximum(value, np.minimum(50.0, before)[:, None])
    return np.where(event, fallen, steady)


def supportive_care_table(
    people: Columns, cycles: Columns, settings: Settings, streams: Streams
) -> pd.DataFrame:
    """Return the raw table supportive_care: prophylaxis with the first cycle of a regimen."""
    parts, names = [], list(settings.regimens)
    for care in settings.safety.care:
        has = streams(f"care {care.regimen} {care.category}").random(len(people["age"])) < care.share
        given = cycles["kept"] & (cycles["regimen"] == names.index(care.regimen)) & has[:, None]
        first = given & (np.cumsum(given, axis=1) == 1)
        person, cycle = np.nonzero(first)
        start = as_dates(settings.cohort.first_day, cycles["start"][person, cycle])
        parts.append(
            pd.DataFrame(
                {
                    "person": person, "usubjid": people["usubjid"][person], "category": care.category,
                    "drug": care.drug, "purpose": "prophylaxis", "cycle": cycle + 1, "start_date": start,
                }
            )
        )  # fmt: skip
    whole = pd.concat(parts, ignore_index=True)
    whole = whole.sort_values(["person", "cycle"], kind="stable", ignore_index=True)
    number = whole.groupby("person").cumcount() + 1
    return whole.assign(care_id="CM" + number.astype(str).str.zfill(2)).drop(columns="person")
