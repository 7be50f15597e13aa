"""Sections of configs/simulation.yaml on the course: plasma, treatment, imaging, toxicity, fate, surgery."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from features.checks.safety import FATAL
from pipeline.sources.simulation.section import (
    Bounded,
    Count,
    Days,
    Positive,
    Range,
    Section,
    Share,
    Shares,
    Spread,
    Visit,
    VisitDay,
    WholeRange,
    one_of,
)
from pipeline.sources.simulation.table_rows import (
    AdverseEventTerm,
    CourseTest,
    Dose,
    Prophylaxis,
)

NodalCategory = Annotated[str, one_of("N0", "N1", "N2", "N3")]


class Shedding(Section):
    """log10 of the mean VAF before treatment."""

    log10_vaf: float
    per_shedding_sd: float
    per_log_size: float
    if_node_positive: float
    if_hr_negative: float


class Clearance(Section):
    """How far the VAF falls, by cycles given."""

    log10_fall_by_cycle: dict[int, float]
    relative_fall_per_kill: float
    log10_sd: Spread


class Assay(Section):
    """A laboratory's assay; the limit of detection is a VAF."""

    laboratory: str
    type: Literal["fixed_panel", "tumor_informed"]
    lod_vaf: Annotated[float, Field(gt=0, le=1)]
    wbc_share: Share
    report_days: Spread
    first_report_days: Spread
    genes_not_covered: list[str]
    further_genes: list[str]


class CtDNA(Section):
    """Plasma samples: what the tumour sheds and what a laboratory finds of it."""

    visits: list[Visit]
    shedding: Shedding
    clearance: Clearance
    not_done_share: dict[Visit, Share]
    failed_share: dict[Visit, Share]
    missing_per_frailty: float
    draw_day: VisitDay
    assays: dict[str, Assay]
    min_report_days: Count
    cfdna_median_ng_ml: Positive
    cfdna_log_sd: Spread
    plasma_ml: Bounded
    reference_genomes: Positive
    lod_factor_range: Range
    highest_vaf: Share
    depth_lowest: Positive
    depth_limit: Positive
    depth_yield: Share
    steepness: Positive
    vaf_log_sd: Spread
    targets: Count
    targets_needed: Count
    target_hits_at_limit: Spread
    ch_taken_for_tumour: Share


class Treatment(Section):
    """Cycles, and what severe toxicity changes in them."""

    cycles: Annotated[int, Field(ge=1)]
    cycle_days: Annotated[int, Field(ge=1)]
    delay_if_severe: Share
    delay_otherwise: Share
    max_delay_days: Count
    reduce_if_severe: Share
    dose_step: Share
    lowest_dose: Share
    stop_if_severe: Share


class Response(Section):
    """Log-odds of pCR apart from the regimens."""

    typical_kill: float
    intercept: float
    hr_negative: float
    per_cm: float
    by_node: dict[NodalCategory, float]
    if_t4: float
    if_inflammatory: float
    per_shedding_sd: float


class Regimen(Section):
    """What a full course adds to the log-odds of pCR, and how it leans on the latents and the pathway."""

    mean_kill: float
    chemosensitivity: float
    her2_dependence: float
    pam_hr_positive: float
    pam_hr_negative: float


class Control(Section):
    """The control arm."""

    first_regimen: str


class Adaptive(Section):
    """The adaptive arm: when the rules decide, and how far they are followed."""

    first_regimen: str
    node_before_cycle: dict[int, Literal["c2", "c4"]]
    if_indeterminate: Annotated[list[str], Field(min_length=2, max_length=2)]
    switch_set: str
    switch_choice: Shares
    refusal: dict[str, Share]
    instead: dict[str, str]
    reasons: Shares
    reason_indeterminate: str


class ImagingFeature(Section):
    """A quantitative feature: log-normal around a median, or an ellipsoid's volume from the diameter."""

    equipment: Literal["ftv", "adc", "pet"]
    method: Literal["MRI", "PET"]
    unit: str
    decimals: Count
    from_diameter: bool
    volume_share: Share
    median: Positive
    per_log_ratio: float
    between_log_sd: Spread
    within_log_sd: Spread
    not_measured_share: Share


class Imaging(Section):
    """Scans: lesions, how they shrink, and how they are measured."""

    visits: list[Visit]
    primary_low_mm: Positive
    primary_high_mm: Positive
    clinical_size_log_sd: Spread
    node_median_mm: Positive
    node_log_sd: Spread
    node_low_mm: Positive
    node_high_mm: Positive
    normal_node_mm: Positive
    node_relative_shrinkage: float
    second_node_share: dict[NodalCategory, Share]
    second_node_relative_size: Range
    satellite_share: Share
    satellite_mm: Range
    other_method_share: Share
    method_switch_share: Share
    visible_from_mm: Range
    log_shrinkage_by_cycle: dict[int, float]
    relative_shrinkage_per_kill: float
    own_shrinkage_sd: Spread
    shrinkage_log_sd: Spread
    least_shrinkage: Share
    complete_logit_by_cycle: dict[int, float]
    complete_per_kill: float
    growth_log: float
    new_lesion_share: Share
    new_lesion_mm: WholeRange
    scan_log_sd: Spread
    reader_log_sd: Spread
    poor_noise_factor: Spread
    not_done_share: dict[Visit, Share]
    unreadable_share: Share
    poor_share: Share
    other_quality: Shares
    missing_per_frailty: float
    report_days: Spread
    scan_day: VisitDay
    features: dict[str, ImagingFeature]


class Toxicity(Section):
    """Adverse events; `terms` are the rows of toxicity_terms.csv and toxicity.csv, by term."""

    ctcae_version: str
    course_cycles: Annotated[int, Field(ge=1)]
    frailty_sd: Spread
    fatal_term: str
    grade_4_share: Share
    grade_2_share: Share
    serious_share_of_severe: Share
    recovered_share: Share
    related_share: Share
    duration_days: Annotated[int, Field(ge=2)]
    terms: Annotated[dict[str, AdverseEventTerm], Field(min_length=1)]

    @model_validator(mode="after")
    def _the_fatal_term_can_be_fatal(self) -> Self:
        if self.fatal_term not in self.terms or self.terms[self.fatal_term].highest_grade < FATAL:
            raise ValueError(f"fatal_term: {self.fatal_term} is no term of grade {FATAL}")
        return self


class Safety(Section):
    """Drugs, tests and care on treatment: the rows of doses.csv, course_tests.csv and supportive_care.csv."""

    doses: Annotated[list[Dose], Field(min_length=1)]
    tests: dict[str, CourseTest]
    care: list[Prophylaxis]
    ejection_fraction_term: str
    ejection_fraction_fall: Range


class Event(Section):
    """What ends a course early: its share, and log-odds per unit of kill below the typical."""

    share: Annotated[float, Field(gt=0, lt=1)]
    per_resistance: float


class Fate(Section):
    """Who leaves before surgery, and why."""

    progression: Event
    death: Event
    inoperable: Event
    progression_after_cycle: dict[int, Share]
    consent_withdrawn: Annotated[float, Field(gt=0, lt=1)]
    lost: Annotated[float, Field(gt=0, lt=1)]
    leaving_per_frailty: float
    leaving_if_residual: float
    event_days: Days


class Surgery(Section):
    """Surgery, and where residual disease is."""

    days_after_last_cycle: WholeRange
    pathology_not_evaluable_share: Share
    rcb_scored_share: Share
    in_situ_share: Share
    residual_in_if_cn_positive: Annotated[list[Share], Field(min_length=3, max_length=3)]
    residual_in_if_cn0: Annotated[list[Share], Field(min_length=3, max_length=3)]
    bed_median_share: Positive
    bed_log_sd: Spread
    bed_highest_share: Positive
    cellularity_beta: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    minimal_logit: float
    minimal_per_kill: float
    minimal_bed_share: Positive
    minimal_cellularity_beta: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    isolated_cells_share: Share
    micrometastasis_share: Share
    residual_log_per_kill: float
    residual_reference_kill: float
    node_number_stop: Annotated[float, Field(gt=0, le=1)]
    node_number_high: Annotated[int, Field(ge=1)]
    met_median_mm: Positive
    met_log_sd: Spread
    met_high_mm: Positive


FirstEvent = Annotated[
    str, one_of("local_recurrence", "contralateral", "distant_recurrence", "second_primary", "death")
]


class FollowUp(Section):
    """Treatment after surgery, and events a year of a patient (`events_...`, `deaths_...`)."""

    cut_off: str
    days_since_contact: Days
    start_after_surgery: Days
    antibodies: str
    conjugate: str
    conjugate_share_of_residual: Share
    radiotherapy_share_if_advanced: Share
    radiotherapy_share_otherwise: Share
    endocrine_share_of_hr_positive: Share
    events_after_pcr: Positive
    events_after_residual: Positive
    events_after_conjugate: Positive
    first_event: Annotated[dict[FirstEvent, Share], Field(min_length=1)]
    deaths_after_distant: Positive

    @model_validator(mode="after")
    def _cut_off_is_a_date(self) -> Self:
        date.fromisoformat(self.cut_off)
        return self
