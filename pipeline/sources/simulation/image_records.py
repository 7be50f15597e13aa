"""Imaging in the trial's database: lesions by RECIST, responses, and quantitative features."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.sources.simulation.course_parameters import ImagingFeature
from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates, only_where
from pipeline.sources.simulation.records import present
from pipeline.sources.simulation.scans import NODES, READERS
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.treatment import Course

LESION_IDS = {"primary": "L1", "node": "L2", "second_node": "L4", "satellite": "L5"}
"""L3 is a new lesion."""
SMALLEST_LOG_RATIO = -1.5
"""Below this, ADC and SUV are those of the tissue around, not of what is left of a tumour."""
MM3_PER_CC = 1000.0
"""mm3 per cubic centimetre."""


def lesions_table(
    course: Course, last_cycle: Array, people: Columns, centres: Columns, planned: Array, settings: Settings
) -> pd.DataFrame:
    """Return the raw table lesions; a scan not done or not evaluable has its rows, without diameters."""
    parts: list[pd.DataFrame] = []
    for visit, taken in course.scans.items():
        here = planned & present(visit, last_cycle, settings)
        for reader, name in enumerate(READERS):
            read = here & _reads(name, people, centres)
            parts.extend(
                _lesion_rows(visit, name, taken, lesion, read & lesion.there, people, settings)
                for lesion in _lesions(taken, course.scans["baseline"], reader)
            )
    return pd.concat(parts, ignore_index=True)


def _reads(reader: str, people: Columns, centres: Columns) -> Array:
    """Return whose scans the reader sees; the independent one only those of centres that send them."""
    everybody = np.ones(len(people["age"]), dtype=bool)
    return everybody if reader == READERS[0] else centres["central_reading"][people["centre"]]


class _Lesion(NamedTuple):
    """A lesion in all patients: its labels, kind by RECIST, who has it, and its diameter in mm."""

    labels: dict[str, str]
    target: Array
    there: Array
    size: Array


def _lesions(taken: Columns, first: Columns, reader: int) -> Iterator[_Lesion]:
    """Yield the lesions of the breast, those of the axilla and a new one as one reader sees them."""
    n = len(taken["scan_day"])
    for name, lesion_id in LESION_IDS.items():
        place = ("axillary", "short") if name in NODES else ("breast", "longest")
        yield _Lesion(
            {"lesion_id": lesion_id, "site": place[0], "axis": place[1]},
            np.where(first[f"{name}_target"], "target", "nontarget").astype(object),
            first[name][:, 0] > 0,
            taken[name][:, reader],
        )
    yield _Lesion(
        {"lesion_id": "L3", "site": "other", "axis": "longest"},
        np.full(n, "new", dtype=object),
        taken["new"] & (taken["status"] == "done"),
        taken["new_mm"].astype(float),
    )


def _lesion_rows(
    visit: str, reader: str, taken: Columns, lesion: _Lesion, keep: Array, people: Columns, settings: Settings
) -> pd.DataFrame:
    status = taken["status"][keep]
    scanned, done = status != "not_done", status == "done"
    first_day = settings.cohort.first_day
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][keep],
            "visit": visit,
            "scan_date": as_dates(first_day, taken["scan_day"][keep], scanned),
            "report_date": as_dates(first_day, taken["report_day"][keep], scanned),
            "method": taken["method"][keep],
            "reader": reader,
            "target": lesion.target[keep],
            "diameter_mm": np.where(done, lesion.size[keep], np.nan),
            "status": status,
            "image_qc": only_where(scanned, taken["qc"][keep]),
            **lesion.labels,
        }
    )


def response_table(
    course: Course, last_cycle: Array, people: Columns, centres: Columns, planned: Array, settings: Settings
) -> pd.DataFrame:
    """Return the raw table response, of every visit after the first and both readers."""
    parts, first_day = [], settings.cohort.first_day
    for visit, taken in course.scans.items():
        for reader, name in enumerate(READERS if "overall" in taken else ()):
            keep = planned & present(visit, last_cycle, settings) & _reads(name, people, centres)
            scanned = taken["status"][keep] != "not_done"
            parts.append(
                pd.DataFrame(
                    {
                        "usubjid": people["usubjid"][keep],
                        "visit": visit,
                        "assessment_date": as_dates(first_day, taken["scan_day"][keep], scanned),
                        "report_date": as_dates(first_day, taken["report_day"][keep], scanned),
                        "method": taken["method"][keep],
                        "reader": name,
                        "overall": taken["overall"][keep, reader],
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def imaging_features_table(
    course: Course,
    last_cycle: Array,
    people: Columns,
    centres: Columns,
    planned: Array,
    settings: Settings,
    streams: Streams,
) -> pd.DataFrame:
    """Return the raw table imaging_features: FTV and ADC by MRI, SUVmax by PET, where measured."""
    parts = []
    for name, entry in settings.imaging.features.items():
        rng, n = streams(f"imaging feature {name}"), len(people["age"])
        own = rng.normal(0.0, entry.between_log_sd, n)
        able = planned & centres[entry.equipment][people["centre"]]
        for visit, taken in course.scans.items():
            noise = rng.normal(0.0, entry.within_log_sd, n)
            measured = rng.random(n) >= entry.not_measured_share
            ratio = taken["log_ratio"]
            seen = np.maximum(ratio, SMALLEST_LOG_RATIO)
            value = np.exp(np.log(entry.median) + own + noise + entry.per_log_ratio * seen)
            if entry.from_diameter:
                primary = people["primary"] * np.exp(ratio)
                shape = np.pi / 6 * entry.volume_share * primary**3 / MM3_PER_CC
                value = np.where(primary < people["visible_from"], 0.0, shape * np.exp(own + noise))
            keep = (
                able
                & present(visit, last_cycle, settings)
                & ((taken["method"] == entry.method) | (entry.method == "PET"))
            )
            usable = measured & (taken["qc"] != "poor")
            parts.append(_feature_rows(visit, name, entry, taken, value, usable, keep, people, settings))
    return pd.concat(parts, ignore_index=True)


def _feature_rows(
    visit: str,
    name: str,
    entry: ImagingFeature,
    taken: Columns,
    value: Array,
    usable: Array,
    keep: Array,
    people: Columns,
    settings: Settings,
) -> pd.DataFrame:
    scan_status = taken["status"]
    status = np.where((scan_status == "done") & ~usable, "not_evaluable", scan_status)[keep]
    scanned, first_day = status != "not_done", settings.cohort.first_day
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][keep],
            "visit": visit,
            "scan_date": as_dates(first_day, taken["scan_day"][keep], scanned),
            "report_date": as_dates(first_day, taken["report_day"][keep], scanned),
            "method": entry.method,
            "feature": name,
            "value": np.where(status == "done", np.round(value[keep], entry.decimals), np.nan),
            "unit": entry.unit,
            "status": status,
        }
    )
