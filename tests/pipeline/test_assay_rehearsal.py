"""What `pcr check` says of assays before a run: what tells the outcome, and should not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.assemble import LeakageError
from features.cohort import build_cohort
from features.contract.validation import PROBLEM_COLUMNS
from pipeline.intake.assay_rehearsal import assay_remarks
from pipeline.intake.pages import advice_on
from pipeline.sources.omics.tables import OmicsTable
from tests.pipeline.test_rehearsal import BY, N, tables

RAW = tables()
COHORT = build_cohort(RAW, BY.study, []).frame
IDS = RAW["subjects"]["usubjid"].to_numpy()
PCR = (RAW["surgery"]["pcr"] == "Y").to_numpy().astype(float)
RNG = np.random.default_rng(3)


def assay(columns: dict[str, Any] | None = None, rows: Any = slice(None), **samples: Any) -> OmicsTable:
    """Return an assay of 200 features of noise, and of others that are given, of some patients."""
    noise = {f"G{k}": column for k, column in enumerate(RNG.normal(size=(200, N)))}
    frame = pd.DataFrame({"usubjid": IDS, **noise, **(columns or {})}).iloc[rows].reset_index(drop=True)
    about = pd.DataFrame({"usubjid": IDS, "batch": np.nan, "platform": np.nan} | samples).iloc[rows]
    nothing = pd.DataFrame(columns=PROBLEM_COLUMNS)
    return OmicsTable(frame, about.reset_index(drop=True), nothing, [])


def said(made: OmicsTable, acknowledged: str = "") -> list[str]:
    """Return the rules of what is remarked; each has an advice."""
    document: Any = BY.study.document | {"leakage_acknowledged": acknowledged}
    study = replace(BY.study, document=document)
    rules = [remark.rule for remark in assay_remarks({"rna": made}, COHORT, BY._replace(study=study))]
    assert all(advice_on(rule) for rule in rules)
    return rules


def test_noise_has_no_remark() -> None:
    assert not said(assay(batch=["a", "b", "b"] * (N // 3)))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (assay({"response": PCR}), r"response \(AUC 1\.000\).*`leave_out`"),
        (assay({"response": 1 - PCR}), r"response \(AUC 1\.000\)"),
        (
            assay({"gap": np.where(PCR == 1, np.nan, 1.0), "r": np.where(RNG.random(N) < 0.1, np.nan, PCR)}),
            "r ",
        ),
        (assay(rows=PCR == 1), r"who has it \(AUC 1\.000\).*`omics`"),
        (assay(batch=np.where(PCR == 1, "x", "y")), r"its batch \(AUC 1\.000\).*`samples`"),
        (assay(platform=np.where(PCR == 1, "x", "y")), r"its platform \(AUC 1\.000\)"),
    ],
)
def test_what_alone_separates_the_outcome_is_refused_unless_it_is_acknowledged(
    made: OmicsTable, told: str
) -> None:
    with pytest.raises(LeakageError, match=f"assay rna: alone, {told}"):
        said(made)
    assert any(rule.startswith("separates_outcome: ") for rule in said(made, "looked at"))


def test_what_nearly_separates_is_named_and_names_of_later_things_are_too() -> None:
    nearly = PCR + RNG.normal(0, 0.5, N)
    rules = said(assay({"nearly": nearly, "rfs_months": RNG.normal(size=N)}))
    assert [rule.partition(":")[0] for rule in rules] == ["named_as_later", "separates_outcome"]
    assert "rfs_months" in rules[0]
    assert "nearly (AUC 0.9" in rules[1]


def test_of_many_features_in_few_patients_those_that_separate_by_chance_are_not_suspect() -> None:
    few = np.concatenate([np.flatnonzero(PCR == 1)[:5], np.flatnonzero(PCR == 0)[:5]])
    values = RNG.normal(size=(20_000, N))
    frame = pd.DataFrame(values.T, columns=[f"G{k}" for k in range(len(values))])
    frame.insert(0, "usubjid", IDS)
    of_few = OmicsTable(frame.iloc[few], assay(rows=few).samples, pd.DataFrame(columns=PROBLEM_COLUMNS), [])
    ranks = frame.iloc[few, 1:].rank().to_numpy()[:5].sum(axis=0)
    assert ((ranks == 15) | (ranks == 40)).any()  # some separate them wholly
    assert not [rule for rule in said(of_few) if "G" in rule]
