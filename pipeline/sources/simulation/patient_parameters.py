"""Sections of configs/simulation.yaml on patients before treatment: enrolment, pathology, genome."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.sources.simulation.section import (
    LATENTS,
    Bounded,
    Correlation,
    Count,
    Days,
    Latent,
    Parent,
    Positive,
    Range,
    Section,
    Share,
    Shares,
    Spread,
    Weights,
    one_of,
)
from pipeline.sources.simulation.table_rows import BloodGene, LaboratoryTest, TumourGene


class Cohort(Section):
    """Who is enrolled, when, and how they are allocated."""

    n: Annotated[int, Field(ge=1)]
    allocation: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(min_length=1)]
    first_day: str
    country: str
    accrual_days: Count
    screening_days: Count
    consent_before_randomisation: Days
    biopsy_before_consent: Days
    first_dose_after_randomisation: Days

    @model_validator(mode="after")
    def _first_day_is_a_date(self) -> Self:
        date.fromisoformat(self.first_day)
        return self


class Centres(Section):
    """The centres: their sizes, how they differ, and what they can do."""

    seed: Count
    count: Annotated[int, Field(ge=1)]
    size_shape: Positive
    activation_days: Count
    shift_sd: dict[
        Annotated[str, one_of("case_mix", "luminal", "outcome", "missing", "scanner", "ki67")], Spread
    ]
    assay: Shares
    method: dict[Annotated[str, one_of("MRI", "US")], Share]
    mri_vendor: Shares
    mri_field: dict[float, Share]
    equipment: dict[
        Annotated[str, one_of("ftv", "adc", "pet", "central_reading", "tissue_panel", "subtyping")], Share
    ]


class Latents(Section):
    """How each latent leans on age and on the latents before it: weights of standard normal variables."""

    leans_on: dict[Latent, dict[Parent, Correlation]]

    @model_validator(mode="after")
    def _parents_come_before(self) -> Self:
        known = {"age"}
        for name in LATENTS:
            parents = self.leans_on.get(name, {})
            later = sorted(set(parents) - known)
            if later:
                raise ValueError(f"leans_on.{name}: {', '.join(later)} comes after it; order: {LATENTS}")
            known.add(name)
        return self


class AssayChange(Section):
    """From `day` of the trial on, laboratories use another assay: the former one -> the new one."""

    day: Count
    replaced_by: dict[str, str]


class Drift(Section):
    """What changes over calendar time, per year, counted from the middle of accrual.

    `case_mix` in SD of log tumour size, `luminal` in SD of the latent, `outcome` in log-odds of pCR, `ki67`
    on the logit of what the laboratories read.
    """

    per_year: dict[Annotated[str, one_of("case_mix", "luminal", "outcome", "ki67")], float]
    assay_change: AssayChange | None


class Clinical(Section):
    """Patients and the extent of their tumours at randomisation."""

    age: Bounded
    menopause_age: Positive
    menopause_age_sd: Spread
    perimenopause_years: Spread
    ecog_1_logit: float
    ecog_1_per_frailty: float
    bmi: Bounded
    bmi_per_decade: float
    size_per_proliferation: Correlation
    size_median_mm: Positive
    size_log_sd: Spread
    size_low_mm: Positive
    size_high_mm: Positive
    t3_above_mm: Positive
    t4_logit: Weights
    inflammatory_share_of_t4: Share
    node_size_correlation: Correlation
    node_shares: dict[Annotated[str, one_of("N0", "N1", "N2", "N3")], Share]
    node_positive_confirmed_by: Shares
    sentinel_node_if_n0: Shares


class Pathology(Section):
    """What the diagnostic biopsy shows, as readings of the latents."""

    report_days: Annotated[int, Field(ge=2)]
    hr_negative_share: Share
    er_logit_at_cut: float
    er_logit_slope: float
    er_logit_sd: Spread
    pr_logit_sd: Spread
    pr_zero_share: Share
    pr_only_share: Share
    ihc_2_share: Share
    ish_group_3_share: Share
    ish_group_4_share: Share
    ihc_correlation: Correlation
    ish_done_if_ihc_3: Share
    ratio_log_median: float
    ratio_log_per_her2: float
    ratio_log_sd: Spread
    ratio_amplified: Positive
    ratio_high: Positive
    cep17: Bounded
    ki67_logit: Weights
    ki67_logit_sd: Spread
    til_log: Weights
    til_log_sd: Spread
    grade_3_logit: Weights
    grade_3_per_ki67_sd: float
    grade_1_share_of_lower: Share
    heterogeneity_logit: Weights
    histology: Shares
    subtype_logit: dict[str, Weights]
    assessed: dict[
        Annotated[str, one_of("til", "heterogeneity", "intrinsic_subtype", "central_review")], Share
    ]


Violation = Annotated[
    str,
    one_of(
        "age",
        "ecog",
        "tumour_size",
        "metastasis",
        "her2_not_amplified",
        "her2_ihc_1",
        "her2_ish_group_2",
        "multifocal",
        "bilateral",
        "ki67_unknown",
    ),
]


class Eligibility(Section):
    """Who is randomised although a criterion is broken."""

    violations: dict[Violation, Share]
    oldest: Annotated[int, Field(ge=71)]
    min_size_mm: Annotated[int, Field(ge=1, le=20)]
    her2_negative_shift: float


class Labs(Section):
    """Laboratory values at baseline; `tests` are the rows of configs/simulation/laboratory.csv, by code."""

    days_before_randomisation: Count
    missing_share: Share
    tests: dict[str, LaboratoryTest]


class PtenStain(Section):
    """PTEN by immunohistochemistry; lost rather where the gene is mutated, and in HR-negative tumours."""

    stained_share: Share
    not_evaluable_share: Share
    lost_share_hr_positive: Share
    lost_share_hr_negative: Share
    lost_share_if_mutated: Share


class Tissue(Section):
    """Sequencing and staining of the biopsy; with matched blood the origin of a variant is told."""

    done_share: Share
    failed_share_of_undone: Share
    matched_blood_share: Share
    pten: PtenStain
    sensitivity: Share
    purity: Bounded
    vaf_log_sd: Spread
    report_days: Count
    report_days_extra: Spread


Quadrant = Annotated[str, one_of("upper_outer", "upper_inner", "lower_outer", "lower_inner", "central")]


class Foci(Section):
    """Multifocal tumours within a quadrant: how many, and how their foci differ."""

    share: Share
    third_share: Share
    relative_size: Range
    receptor_sd: Spread
    her2_discordant_share: Share
    ihc_0_share_of_negative: Share
    quadrants: Annotated[dict[Quadrant, Share], Field(min_length=1)]


class Genome(Section):
    """Variants; genes are the rows of the two tables of genes in configs/simulation/."""

    tumor: Annotated[dict[str, TumourGene], Field(min_length=1)]
    ch: dict[str, BloodGene]
    germline: dict[str, BloodGene]
    ch_vaf_median: Positive
    ch_vaf_log_sd: Spread
    ch_vaf_high: Share
    germline_vaf: Bounded
    clonality_log10_sd: Spread
    tissue: Tissue

    def genes(self) -> Iterator[tuple[str, str, TumourGene | BloodGene]]:
        """Yield origin (tumor, ch, germline), name and gene, in the order of the tables."""
        for origin, genes in (("tumor", self.tumor), ("ch", self.ch), ("germline", self.germline)):
            yield from ((origin, name, gene) for name, gene in genes.items())
