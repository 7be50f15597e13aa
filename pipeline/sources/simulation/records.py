"""What the trial's database holds: each patient's course in the own arm, cut off where it ended."""

from collections.abc import Iterable
from dataclasses import fields

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import Array, Columns, as_dates, only_where
from pipeline.sources.simulation.genome import all_genes
from pipeline.sources.simulation.plasma import GENOMES_PER_NG, panels
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.treatment import Course


def observed(control: Course, adaptive: Course, in_adaptive: Array, person: Array) -> Course:
    """Return one course: every patient's under the allocated arm. `person` is the patient of each variant."""
    merged = Course([], [], control.going, control.kill)
    for part in fields(Course):
        ours, theirs = getattr(control, part.name), getattr(adaptive, part.name)
        rows = in_adaptive[person] if part.name == "variants" else in_adaptive
        setattr(
            merged, part.name, adaptive.decisions if part.name == "decisions" else _merge(rows, ours, theirs)
        )
    return merged


def _merge(in_adaptive: Array, control: object, adaptive: object) -> object:
    """Merge arrays, and lists and dictionaries of arrays, along their first axis."""
    if isinstance(control, list) and isinstance(adaptive, list):
        return [_merge(in_adaptive, a, b) for a, b in zip(control, adaptive, strict=True)]
    if isinstance(control, dict) and isinstance(adaptive, dict):
        return {name: _merge(in_adaptive, control[name], adaptive[name]) for name in control}
    ours, theirs = np.asarray(control), np.asarray(adaptive)
    return np.where(in_adaptive.reshape(-1, *([1] * (ours.ndim - 1))), theirs, ours)


def cycles_given(course: Course, last_cycle: Array, in_adaptive: Array, settings: Settings) -> Columns:
    """Return arrays n x cycles: regimen, start, dose, delay, severity, kept (before leaving), reason."""
    cycles = course.cycles
    kept = np.stack(course.given, axis=1) & (np.arange(1, cycles + 1) <= last_cycle[:, None])
    reason = np.full(kept.shape, None, dtype=object)
    for cycle, node in settings.adaptive.node_before_cycle.items():
        reason[:, cycle - 1 : cycle + 1] = course.decisions[node]["reason"][:, None]
    return {
        "regimen": np.stack(course.regimen, axis=1),
        "start": np.stack(course.start[:cycles], axis=1),
        "dose": np.stack(course.dose[:cycles], axis=1),
        "delay": np.stack(course.delay[:cycles], axis=1),
        "severity": np.stack(course.severity, axis=1),
        "kept": kept,
        "reason": only_where(in_adaptive[:, None] & kept, reason),
    }


def present(visit: str, last_cycle: Array, settings: Settings) -> Array:
    """Return who had not left before the visit."""
    return np.asarray(last_cycle >= settings.visits_after_cycle[visit])


def samples_table(
    course: Course, last_cycle: Array, people: Columns, planned: Array, settings: Settings
) -> pd.DataFrame:
    """Return the raw table ctdna_samples; `planned` (n) is false where the arm has no ctDNA by protocol."""
    parts = [
        _samples_of_visit(visit, sample, course, people["assay"], people, planned, settings)
        for visit, sample in course.samples.items()
    ]
    rows = [present(visit, last_cycle, settings) for visit in course.samples]
    return pd.concat([part[keep] for part, keep in zip(parts, rows, strict=True)], ignore_index=True)


def _samples_of_visit(
    visit: str,
    sample: Columns,
    course: Course,
    assay: Array,
    people: Columns,
    planned: Array,
    settings: Settings,
) -> pd.DataFrame:
    """Return one row per patient; a sample not taken has its row, and nothing in it but that."""
    entry, first_day = settings.ctdna, settings.cohort.first_day
    taken = planned & (sample["qc"] != "not_done")
    passed = taken & (sample["qc"] == "pass")
    cycle = max(settings.visits_after_cycle[visit], 1)
    panel = panels(settings, all_genes(settings))
    kinds = {name: a.type for name, a in entry.assays.items()}
    mean_vaf = np.where(passed, sample["mean_vaf"], np.nan)
    of_assay = {
        "assay_id": assay,
        "assay_type": np.array([kinds[name] for name in kinds], dtype=object)[_code(assay, kinds)],
        "panel_genes": np.array([panel[name] for name in kinds], dtype=object)[_code(assay, kinds)],
    }
    whole = pd.DataFrame(
        {
            "sample_id": people["usubjid"] + f"-P-{visit}",
            "usubjid": people["usubjid"],
            "visit": visit,
            "planned": np.where(planned, "Y", "N"),
            "draw_date": as_dates(first_day, sample["draw_day"], taken),
            "report_date": as_dates(first_day, sample["report_day"], taken),
            "cycle_day": pd.array(sample["draw_day"] - course.start[cycle - 1] + 1, dtype="Int64"),
            **of_assay,
            "plasma_ml": np.where(taken, sample["plasma_ml"], np.nan),
            "cfdna_ng_ml": np.where(taken, sample["cfdna"], np.nan),
            "lod_vaf": np.where(passed, sample["lod"], np.nan),
            "qc": np.where(taken, sample["qc"], "not_done"),
            "result": np.where(taken, sample["result"], "not_evaluable"),
            "mean_vaf": mean_vaf,
            "mtm_per_ml": np.round(mean_vaf * sample["cfdna"] * GENOMES_PER_NG, 3),
            "n_targets": pd.array(np.where(sample["informed"], entry.targets, 0), dtype="Int64"),
            "n_detected": pd.array(sample["n_detected"].astype(int), dtype="Int64"),
            "tumour_fraction": np.round(np.minimum(2 * mean_vaf, 1.0), 8),
            "wbc_sequenced": np.where(sample["wbc"], "Y", "N").astype(object),
        }
    )
    whole.loc[~taken, ["cycle_day", *of_assay, "wbc_sequenced"]] = None
    whole.loc[~(passed & sample["informed"]), "n_targets"] = pd.NA
    whole.loc[~passed, "n_detected"] = pd.NA
    return whole


def _code(values: Array, known: Iterable[str]) -> Array:
    """Return the position of each value in `known`."""
    order = {name: i for i, name in enumerate(known)}
    return np.array([order[value] for value in values])


def variants_table(
    course: Course, last_cycle: Array, people: Columns, variants: Columns, planned: Array, settings: Settings
) -> pd.DataFrame:
    """Return the raw table ctdna_variants: what the fixed panels called, visit after visit."""
    parts, person = [], variants["person"]
    for visit, called in course.variants.items():
        keep = called["seen"] & (planned & present(visit, last_cycle, settings))[person]
        of_variant = {name: variants[name][keep] for name in ("gene", "hgvsp", "classification")}
        of_call = {
            name: called[name][keep] for name in ("vaf", "t_alt_count", "t_depth", "wbc_vaf", "origin")
        }
        parts.append(
            pd.DataFrame(
                {
                    "sample_id": people["usubjid"][person[keep]] + f"-P-{visit}",
                    **of_variant,
                    **of_call,
                    "pathogenic": variants["pathogenic"][keep],
                    "in_tissue": variants["in_tissue"][keep],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def deviations_table(
    course: Course, last_cycle: Array, people: Columns, in_adaptive: Array, settings: Settings
) -> pd.DataFrame:
    """Return the raw table deviations: eligibility, regimens, visits and samples."""
    violated = people["violations"]
    kinds = np.array(list(settings.eligibility.violations), dtype=object)
    first = kinds[np.argmax(violated, axis=1)]
    parts = [_deviation(people, np.any(violated, axis=1), people["rand_day"], "eligibility", first, settings)]
    for cycle, node in settings.adaptive.node_before_cycle.items():
        decided = course.decisions[node]
        treated = course.given[cycle - 1] & (last_cycle >= cycle)
        who = np.asarray(in_adaptive & decided["differs"] & treated)
        parts.append(_deviation(people, who, course.start[cycle - 1], "regimen", decided["reason"], settings))
    for category, taken, key in (("sample", course.samples, "draw_day"), ("visit", course.scans, "scan_day")):
        for visit, columns in taken.items():
            after = settings.visits_after_cycle[visit]
            missed = columns["qc" if category == "sample" else "status"] == "not_done"
            late = columns[key] >= course.start[after] if after else np.zeros_like(missed)
            due: Array = present(visit, last_cycle, settings) & _planned(category, in_adaptive, settings)
            who = due & (missed | late)
            reason = np.where(missed, f"{visit}: not done", f"{visit}: after the next dose").astype(object)
            parts.append(_deviation(people, who, course.start[after], category, reason, settings))
    return pd.concat(parts, ignore_index=True)


def _planned(category: str, in_adaptive: Array, settings: Settings) -> Array:
    control = settings.control_ctdna if category == "sample" else settings.control_imaging
    return np.asarray(in_adaptive | (control == "collected"))


def _deviation(
    people: Columns, who: Array, day: Array, category: str, reason: Array, settings: Settings
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"][who],
            "deviation_date": as_dates(settings.cohort.first_day, day[who]),
            "category": category,
            "reason": reason[who],
        }
    )
