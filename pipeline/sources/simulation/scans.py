"""Imaging: how lesions shrink, what two readers measure, and the response by RECIST 1.1."""

import numpy as np

from pipeline.sources.simulation.course_parameters import Imaging
from pipeline.sources.simulation.draws import Array, Columns, Streams, pick, shifted_chance
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.treatment import Course

READERS = ("INVESTIGATOR", "INDEPENDENT")
LESIONS = ("primary", "satellite", "node", "second_node")
"""What is measured: in the breast by the longest diameter, in the axilla by the short axis."""
NODES = ("node", "second_node")
VANISHED_LOG_RATIO = -4.0
"""Log size over baseline of a tumour of which imaging shows nothing any more."""
LONGEST_TARGET_MM = 10
"""A lesion of at least this can be a target (RECIST 1.1)."""
SHORT_AXIS_NORMAL_MM = 10
"""A node below this is not pathological (RECIST 1.1)."""
SHORT_AXIS_TARGET_MM = 15
"""A node of at least this can be a target (RECIST 1.1)."""


def lesions_at_baseline(people: Columns, centres: Columns, settings: Settings, streams: Streams) -> Columns:
    """Return true baseline sizes in mm (0 = there is none), and how each tumour shrinks beyond its kill."""
    entry, rng, n = settings.imaging, streams("lesions"), len(people["age"])
    node = np.exp(rng.normal(np.log(entry.node_median_mm), entry.node_log_sd, n))
    node = np.clip(node, entry.node_low_mm, entry.node_high_mm)
    primary = people["size_mm"] * np.exp(rng.normal(0.0, entry.clinical_size_log_sd, n))
    low, high = entry.second_node_relative_size
    shortest, longest = entry.satellite_mm
    second = node * rng.uniform(low, high, n)
    has_second = rng.random(n) < np.array([entry.second_node_share[str(cn)] for cn in people["cn"]])
    satellite, has_satellite = rng.uniform(shortest, longest, n), rng.random(n) < entry.satellite_share
    return {
        "primary": np.maximum(primary, entry.primary_low_mm),
        "satellite": np.where(has_satellite, np.minimum(satellite, 0.8 * people["size_mm"]), 0.0),
        "node": np.where(people["cn"] == "N0", 0.0, node),
        "second_node": np.where(has_second, np.maximum(second, entry.normal_node_mm), 0.0),
        "own_vanishing": rng.logistic(0.0, 1.0, n),
        "own_shrinkage": rng.normal(0.0, entry.own_shrinkage_sd, n),
        "visible_from": rng.uniform(entry.visible_from_mm[0], entry.visible_from_mm[1], n),
        "method": _methods(centres["method"][people["centre"]], rng.random(n), entry),
    }


def _methods(usual: Array, uniform: Array, entry: Imaging) -> Array:
    other = np.where(usual == "MRI", "US", "MRI")
    return np.where(uniform < entry.other_method_share, other, usual).astype(object)


def log_ratio_after(course: Course, people: Columns, settings: Settings, streams: Streams) -> Array:
    """Return log(size / baseline size) after the cycles given so far; growth where disease progressed.

    Some tumours vanish, the sooner the more is killed. The others shrink, by little at least.
    """
    entry = settings.imaging
    done = course.cycles
    excess = course.mean_kill(settings.treatment.cycles) - settings.response.typical_kill
    typical = entry.log_shrinkage_by_cycle[done]
    relative = 1 + entry.relative_shrinkage_per_kill * excess + people["own_shrinkage"]
    noise = streams(f"shrinkage {done}").normal(0.0, entry.shrinkage_log_sd, len(excess))
    log_ratio = noise - typical * np.maximum(relative, entry.least_shrinkage)
    complete = entry.complete_logit_by_cycle[done] + entry.complete_per_kill * excess
    log_ratio = np.where(people["own_vanishing"] < complete, VANISHED_LOG_RATIO, log_ratio)
    progressed = people["progression_cycle"] <= done
    return np.asarray(np.where(progressed, entry.growth_log + np.abs(noise), log_ratio))


def scan(
    visit: str,
    log_ratio: Array,
    scan_day: Array,
    people: Columns,
    centres: Columns,
    earlier: dict[str, Columns],
    settings: Settings,
    streams: Streams,
) -> Columns:
    """Return one scan per patient as two readers see it: arrays (n) or (n x readers).

    `earlier` holds the scans so far, baseline first; it is empty for the baseline scan itself.
    """
    entry, rng, n = settings.imaging, streams(f"scan {visit}"), len(log_ratio)
    centre = people["centre"]
    shift = centres["missing"][centre] + entry.missing_per_frailty * people["frailty"]
    done = rng.random(n) >= shifted_chance(entry.not_done_share[visit], shift)
    readable = rng.random(n) >= shifted_chance(entry.unreadable_share, centres["missing"][centre])
    poor = rng.random(n) < entry.poor_share
    switched = np.where(people["method"] == "MRI", "US", "MRI").astype(object)
    change = (rng.random(n) < entry.method_switch_share) & bool(earlier)
    sizes = _read(log_ratio, poor, people, centres, entry, rng)
    new = (people["progression_cycle"] <= settings.visits_after_cycle[visit]) & (
        rng.random(n) < entry.new_lesion_share
    )
    taken = {
        "scan_day": scan_day,
        "report_day": scan_day + rng.poisson(entry.report_days, n),
        "status": np.where(done, np.where(readable, "done", "not_evaluable"), "not_done").astype(object),
        "qc": np.where(poor, "poor", pick(rng.random(n), entry.other_quality)).astype(object),
        "method": np.where(change, switched, people["method"]).astype(object),
        "log_ratio": log_ratio,
        "new": new,
        "new_mm": rng.integers(entry.new_lesion_mm[0], entry.new_lesion_mm[1] + 1, size=n),
    }
    taken |= sizes
    if not earlier:
        return taken | {f"{name}_target": _is_target(name, sizes[name][:, 0]) for name in LESIONS}
    return taken | {"overall": overall_response(taken, earlier)}


def _is_target(name: str, investigator: Array) -> Array:
    """Return where a lesion is a target by RECIST; the primary always is one here."""
    smallest = SHORT_AXIS_TARGET_MM if name in NODES else LONGEST_TARGET_MM
    return np.asarray((name == "primary") | (investigator >= smallest))


def _read(
    log_ratio: Array,
    poor: Array,
    people: Columns,
    centres: Columns,
    entry: Imaging,
    rng: np.random.Generator,
) -> Columns:
    """Return the diameters in whole mm that each reader measures (n x readers); 0 = no longer visible."""
    n, blur = len(log_ratio), np.where(poor, entry.poor_noise_factor, 1.0)
    scanner = centres["scanner"][people["centre"]] + rng.normal(0.0, entry.scan_log_sd, n) * blur
    reader = rng.normal(0.0, entry.reader_log_sd, (n, len(READERS))) * blur[:, None]
    error = np.exp(scanner[:, None] + reader)
    sizes = {}
    for name in LESIONS:
        if name in NODES:
            size = people[name] * np.exp(entry.node_relative_shrinkage * log_ratio)
            read = np.round(np.maximum(size, entry.normal_node_mm)[:, None] * error)
        else:
            read = np.round((people[name] * np.exp(log_ratio))[:, None] * error)
            read = np.minimum(read, entry.primary_high_mm)
            read = np.where(read < people["visible_from"][:, None], 0.0, read)
        sizes[name] = np.where((people[name] > 0)[:, None], read, 0.0)
    return sizes


def overall_response(now: Columns, earlier: dict[str, Columns]) -> Array:
    """Return the overall response (n x readers) of a scan, by RECIST 1.1.

    ND not done. NE if this scan or the first is not evaluable, or another method was used. PD: a new
    lesion, or a sum at least 20 % and 5 mm above the smallest so far. CR: nothing left in the breast and
    nodes below 10 mm. PR: a sum at least 30 % below the first. Sums are of whole mm, so that the comparisons
    are exact.
    """
    first = next(iter(earlier.values()))
    base, total = (_sum_of_targets(scanned, first) for scanned in (first, now))
    nadir = base
    for scanned in earlier.values():
        usable = _comparable(scanned, first)[:, None]
        nadir = np.where(usable, np.minimum(nadir, _sum_of_targets(scanned, first)), nadir)
    left = [now[name] >= SHORT_AXIS_NORMAL_MM if name in NODES else now[name] > 0 for name in LESIONS]
    gone = ~np.any(left, axis=0)
    progressed = now["new"][:, None] | ((5 * total >= 6 * nadir) & (total - nadir >= 5))
    judged = np.where(progressed, "PD", np.where(gone, "CR", np.where(10 * total <= 7 * base, "PR", "SD")))
    judged = np.where(_comparable(now, first)[:, None], judged, "NE")
    return np.where((now["status"] == "not_done")[:, None], "ND", judged).astype(object)


def _sum_of_targets(scanned: Columns, first: Columns) -> Array:
    return np.asarray(sum(scanned[name] * first[f"{name}_target"][:, None] for name in LESIONS))


def _comparable(scanned: Columns, first: Columns) -> Array:
    """Return where a scan can be compared with the first: both evaluable, by the same method."""
    both = (scanned["status"] == "done") & (first["status"] == "done")
    return np.asarray(both & (scanned["method"] == first["method"]))
