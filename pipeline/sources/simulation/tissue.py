"""What is recorded of the tissue that was to be sequenced or stained, also of tumours without any variant."""

import numpy as np
import pandas as pd

from pipeline.sources.simulation.draws import Array, Columns, Streams, as_dates, only_where
from pipeline.sources.simulation.genome import all_genes
from pipeline.sources.simulation.patient_parameters import PtenStain
from pipeline.sources.simulation.settings import Settings

PANEL = "tissue-1"
PTEN = "PTEN"


def tissue_samples_table(
    variants: Columns, people: Columns, centres: Columns, settings: Settings, streams: Streams
) -> pd.DataFrame:
    """Return the raw table tissue_samples: one biopsy a patient, sequenced or not, stained for PTEN or not.

    `variants` as from ``genome.draw_genome`` and ``genome.sequence_tissue``: who was sequenced is theirs.
    """
    entry, rng, n = settings.genome.tissue, streams("tissue samples"), len(people["age"])
    tested, equipped = variants["tissue_tested"], centres["tissue_panel"][people["centre"]]
    failed = ~tested & equipped & (rng.random(n) < entry.failed_share_of_undone)
    sequenced = tested | failed
    stain = _stain(variants, people, entry.pten, streams("PTEN stain"))
    first_day, reported = settings.cohort.first_day, sequenced | (stain != "not_done")
    return pd.DataFrame(
        {
            "usubjid": people["usubjid"],
            "sample_id": people["usubjid"] + "-T",
            "sample_date": as_dates(first_day, people["biopsy_day"]),
            "report_date": as_dates(first_day, variants["tissue_day"], reported),
            "status": np.select([tested, failed], ["done", "failed"], "not_done").astype(object),
            "qc": only_where(sequenced, np.where(tested, "pass", "fail")),
            "tumour_content_pct": np.where(sequenced, np.round(100 * variants["tissue_purity"]), np.nan),
            "panel_id": only_where(sequenced, PANEL),
            "panel_genes": only_where(sequenced, ";".join(all_genes(settings))),
            "pten_ihc": stain,
        }
    )


def _stain(variants: Columns, people: Columns, entry: PtenStain, rng: np.random.Generator) -> Array:
    """Return PTEN by immunohistochemistry; what it says has no effect of its own on the outcome."""
    n = len(people["age"])
    stained, evaluable = rng.random(n) < entry.stained_share, rng.random(n) >= entry.not_evaluable_share
    mutations = (variants["origin"] == "tumor") & (variants["gene"] == PTEN) & (variants["pathogenic"] == "Y")
    chance = np.where(people["hr_negative"], entry.lost_share_hr_negative, entry.lost_share_hr_positive)
    chance[variants["person"][mutations]] = entry.lost_share_if_mutated
    lost = rng.random(n) < chance
    read = np.where(evaluable, np.where(lost, "lost", "retained"), "not_evaluable")
    return np.where(stained, read, "not_done").astype(object)
