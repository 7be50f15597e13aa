"""The simulated trial NCT07239271: one causal model that gives all raw tables, and apart from them the truth.

No patient of the trial is in here. Every number is a parameter of configs/simulation.yaml with its source.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from models.rules.ctdna import genes_of_set
from models.rules.document import RuleDocument
from models.rules.table import RuleTable, rule_table
from pipeline.project.rule_files import read_rules
from pipeline.sources.simulation import (
    biopsy,
    centres,
    follow_up,
    genome,
    image_records,
    omics,
    outcome,
    patients,
    plasma,
    records,
    safety_records,
    scans,
    screening,
    tissue,
    toxicity,
    treatment,
)
from pipeline.sources.simulation.course import World, follow
from pipeline.sources.simulation.draws import NEVER, Array, Columns, Streams
from pipeline.sources.simulation.settings import Settings
from pipeline.sources.simulation.treatment import Course

RULES = Path(__file__).parents[2] / "configs" / "rules"


@dataclass(frozen=True)
class Simulated:
    """A simulated trial: raw tables by contract name, and the truth, which is in none of them.

    `truth`: usubjid; p_control, p_adaptive = P(pCR | latents, strategy as delivered), death, progression and
    inoperable disease counted as non-pCR; p_<strategy>_given_fate = the same given whether one of these came;
    y_control, y_adaptive = the potential outcomes (1, 0); the latents. `assays`: those of many features, of
    the truth's patients in its order; their signal is part of every log-odds.
    """

    tables: dict[str, pd.DataFrame]
    truth: pd.DataFrame
    assays: dict[str, omics.DrawnAssay] = field(default_factory=dict)


def simulate(
    settings: Settings, n: int | None = None, rules: RuleDocument | None = None, *, safety: bool = True
) -> Simulated:
    """Simulate the trial; the same settings give the same tables, bit for bit.

    Parameters
    ----------
    settings : Settings
        As from ``simulation.settings.read_settings``.
    n : int, optional
        Patients, at least one; default ``cohort.n``.
    rules : mapping, optional
        The decision table that treats the adaptive arm, with its genes (``project.rule_files.read_rules``);
        default the one that ``settings.rules`` names. Its default readings are followed, whatever it is
        set to.
    safety : bool
        Whether doses by drug, measurements on treatment and supportive care are recorded: long tables that
        no model, rule or cohort reads.
    """
    streams = Streams(settings.seed)
    size = settings.cohort.n if n is None else n
    world = before_treatment(size, settings, _as_read_by_default(rules, settings), streams)
    drawn = {
        name: omics.draw_assay(name, entry, world.people, size, streams)
        for name, entry in settings.omics.items()
    }
    # Nothing is added without assays: not even a zero, so that every bit stays as it was.
    if drawn:
        effects = [settings.omics[name].effect * assay.signal for name, assay in drawn.items()]
        world.people["omics"] = np.sum(effects, axis=0)
    twins = {adaptive: Streams(settings.seed) for adaptive in (False, True)}
    control, adaptive = (follow(world, adaptive=a, streams=twin) for a, twin in twins.items())
    ends = [
        outcome.potential_outcome(course, world.people, world.centres, settings, twin)
        for course, twin in zip((control, adaptive), twins.values(), strict=True)
    ]
    in_adaptive = world.people["arm"] == world.rules.arm
    course = records.observed(control, adaptive, in_adaptive, world.variants["person"])
    reached = {name: np.where(in_adaptive, ends[1][name], ends[0][name]) for name in ends[0]}
    tables = _tables(world, course, reached, in_adaptive, streams, safety=safety)
    return Simulated(
        {name: _as_text(table) for name, table in tables.items()},
        outcome.truth_table(world.people, *ends),
        drawn,
    )


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text as str: parts without rows would leave whole columns as objects."""
    return table.astype(dict.fromkeys(table.columns[table.dtypes == "object"], "str"))


def _as_read_by_default(document: RuleDocument | None, settings: Settings) -> RuleTable:
    """Return the rules under their default readings: an analysis under others treats nobody differently."""
    if document is None:
        document = read_rules(RULES / f"{settings.rules}.yaml", RULES / "pam_genes.csv")
    return rule_table(document, document.defaults)


def before_treatment(n: int, settings: Settings, rules: RuleTable, streams: Streams) -> World:
    """Return the trial up to the first dose: everything here is the same under both strategies."""
    places = centres.draw_centres(settings)
    people = patients.randomise(n, places, settings, streams)
    people |= patients.draw_latents(people, places, settings, streams)
    people |= patients.stage_patients(people, places, settings, streams)
    people |= biopsy.read_biopsy(people, places, settings, streams)
    people |= screening.violate_eligibility(people, settings, streams)
    variants = genome.draw_genome(people, settings, streams)
    variants |= genome.sequence_tissue(variants, people, places, settings, streams)
    pathway = genes_of_set(rules, rules.settings["pam_genes"])
    variants |= plasma.for_assay(variants, people, pathway, settings, streams)
    people["pam_mutated"] = genome.pam_mutated(variants, n, pathway)
    people["panel_covers_pam"] = plasma.panel_covers(people, pathway, settings)
    people["sensitivity"] = treatment.sensitivity(people, settings)
    people["log10_vaf"] = plasma.shed_at_baseline(people, settings)
    people |= scans.lesions_at_baseline(people, places, settings, streams)
    measured = _measured_at_baseline(people, places, variants, settings, streams)
    return World(people, places, variants, measured, rules, settings)


def _measured_at_baseline(
    people: Columns, places: Columns, variants: Columns, settings: Settings, streams: Streams
) -> tuple[Columns, Columns, Columns]:
    """Return the baseline plasma sample, what was called in it, and the baseline scan."""
    draw_day = people["consent_day"] + streams("draw day baseline").integers(0, 3, size=len(people["age"]))
    scan_day = people["consent_day"] + streams("scan day baseline").integers(0, 4, size=len(people["age"]))
    sample, called = plasma.draw_sample(
        "baseline", people["log10_vaf"], draw_day, people, places, variants, settings, streams
    )
    unchanged = np.zeros(len(people["age"]))
    people = people | {"progression_cycle": np.full(len(unchanged), NEVER)}
    return sample, called, scans.scan("baseline", unchanged, scan_day, people, places, {}, settings, streams)


def _tables(
    world: World, course: Course, reached: Columns, in_adaptive: Array, streams: Streams, *, safety: bool
) -> dict[str, pd.DataFrame]:
    """Return all raw tables, of every patient the course under the own arm, cut off where it ended.

    Without `safety`, those that no model, rule or cohort reads are left out; the others are the same.
    """
    people, places, settings = world.people, world.centres, world.settings
    end = outcome.leave(course, people, places, reached, settings, streams)
    last = end["last_cycle"]
    cycles = records.cycles_given(course, last, in_adaptive, settings)
    plasma_planned = in_adaptive | (settings.control_ctdna == "collected")
    scans_planned = in_adaptive | (settings.control_imaging == "collected")
    scanned = (course, last, people, places, scans_planned, settings)
    drawn = (course, last, people)
    labs = screening.labs_table(people, settings, streams)
    surgery = outcome.operate(course, end, people, reached, settings, streams)
    tables = {
        "sites": centres.sites_table(places, settings),
        "subjects": patients.subjects_table(people, settings),
        "pathology": biopsy.pathology_table(people, settings),
        "labs": labs,
        "tissue_variants": genome.tissue_table(world.variants, people, settings),
        "ctdna_samples": records.samples_table(*drawn, plasma_planned, settings),
        "ctdna_variants": records.variants_table(*drawn, world.variants, plasma_planned, settings),
        "lesions": image_records.lesions_table(*scanned),
        "response": image_records.response_table(*scanned),
        "imaging_features": image_records.imaging_features_table(*scanned, streams),
        "exposure": treatment.exposure_table(people, cycles, settings),
        "adverse_events": toxicity.adverse_events_table(people, cycles, end, settings, streams),
        "disposition": outcome.disposition_table(people, end, settings),
        "deviations": records.deviations_table(course, last, people, in_adaptive, settings),
        "surgery": surgery,
        "tissue_samples": tissue.tissue_samples_table(world.variants, people, places, settings, streams),
        "foci": biopsy.foci_table(people, settings, streams),
        "follow_up": follow_up.follow_up_table(people, surgery, reached, settings, streams),
    }
    if not safety:
        return tables
    of_course = (people, cycles)
    return tables | {
        "drug_exposure": safety_records.drug_exposure_table(*of_course, settings, streams),
        "safety_measurements": safety_records.safety_measurements_table(*of_course, labs, settings, streams),
        "supportive_care": safety_records.supportive_care_table(*of_course, settings, streams),
    }
