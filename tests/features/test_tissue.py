"""Tissue as a domain of its own: state, gene status, number of variants and PTEN, as far as known."""

import pandas as pd

from features.assemble import assemble
from features.cohort import build_cohort
from features.documents.study import parse_study
from features.tissue import build
from tests.features.tables import CONTRACT, ELIGIBILITY, PANEL, SETTINGS, STUDY, domain_settings, table, trial

PATIENTS = pd.Index(["P1", "P2", "P3", "P4"], name="usubjid")
TESTED = [
    {
        "usubjid": "P1",
        "sample_id": "B1",
        "status": "done",
        "qc": "pass",
        "panel_genes": PANEL,
        "pten_ihc": "lost",
    },
    {"usubjid": "P2", "sample_id": "B2", "status": "done", "qc": "pass", "panel_genes": PANEL},
    {"usubjid": "P3", "sample_id": "B3", "status": "failed"},
]
CALLS = [
    {"usubjid": "P2", "gene": "PIK3CA", "hgvsp": "p.H1047R", "pathogenic": "Y", "origin": "tumor"},
    {"usubjid": "P2", "gene": "BRCA2", "hgvsp": "p.K3326*", "pathogenic": "N", "origin": "germline"},
]


def built(tested: list[dict[str, object]], calls: list[dict[str, object]]) -> pd.DataFrame:
    tables = {
        "tissue_samples": table("tissue_samples", tested),
        "tissue_variants": table("tissue_variants", calls),
    }
    return build(tables, PATIENTS, *domain_settings("tissue", "baseline"))[0]


def test_tissue_says_what_was_tested_what_was_found_and_what_is_not_known() -> None:
    frame = built(TESTED, CALLS)
    assert frame["tissue_state"].tolist() == ["done", "done", "not_evaluable", "not_done"]
    assert frame["tissue_pam"].tolist() == ["mutated", "mutated", "unknown", "unknown"]
    assert frame["tissue_tp53"].tolist()[:2] == ["wild_type", "wild_type"]
    assert frame["tissue_n_variants"].fillna(-1).tolist() == [0, 1, -1, -1]
    assert frame["tissue_pten_ihc"].fillna("-").tolist() == ["lost", "-", "-", "-"]


def test_a_study_names_the_domain_and_tissue_reported_after_the_decision_is_not_seen() -> None:
    tables = trial(5, 60)
    start = tables["subjects"].set_index("usubjid")["rand_date"]
    rows = [
        {"usubjid": p, "gene": "PIK3CA", "hgvsp": "p.H1047R", "pathogenic": "Y", "panel_genes": PANEL,
         "report_date": start[p] + pd.Timedelta(days=-3 if i % 2 else 40)}
        for i, p in enumerate(start.index)
    ]  # fmt: skip
    tables["tissue_variants"] = table("tissue_variants", rows)
    document = STUDY | {"features": STUDY["features"] | {"domains": ["clinical", "tissue"]}}
    study = parse_study(document)
    cohort = build_cohort(tables, study, ELIGIBILITY).frame
    seen = {
        name: assemble(tables, cohort, study.landmark(name), study, SETTINGS, CONTRACT).frame.set_index(
            "usubjid"
        )
        for name in ("baseline", "c2")
    }
    early = start.index[[bool(i % 2) for i in range(len(start))]]
    known = seen["baseline"]["tissue_pam"] == "mutated"
    assert set(known.index[known]) == set(early) & set(seen["baseline"].index)
    assert (seen["c2"]["tissue_state"] == "done").sum() > known.sum()
    own = parse_study(STUDY)
    assert "tissue_pam" not in assemble(tables, cohort, own.landmark("c2"), own, SETTINGS, CONTRACT).frame
