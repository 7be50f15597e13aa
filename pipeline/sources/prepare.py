"""The one way from raw tables to cohort, the rules' inputs and rows at a landmark.

The stages keep the steps apart on disk; `pcr score`, `pcr validate` and simulated populations take them at
once. Each step is the same function for all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from features.assemble import assemble
from features.cohort import Cohort, build_cohort
from features.contract.identifiers import IdentifierPatterns
from features.contract.validation import Contract, refuse, validate
from features.documents.study import Study
from features.eligibility import Criterion
from features.exposure import Regimens
from features.settings import FeatureSettings
from models.rules.decisions import decisions, rule_rows
from models.rules.document import RuleDocument
from models.rules.table import RuleTable, rule_table
from pipeline.project.configs import (
    chosen_file,
    read_contract,
    read_eligibility,
    read_feature_settings,
    read_identifiers,
    read_regimens,
)
from pipeline.project.rule_files import read_rules
from pipeline.sources.ingest import with_exposure


@dataclass(frozen=True)
class Preparation:
    """What decides how a study's raw tables become rows; `rules` is the decision table's document."""

    study: Study
    contract: Contract
    identifiers: IdentifierPatterns
    eligibility: tuple[Criterion, ...]
    features: FeatureSettings
    rules: RuleDocument
    regimens: Regimens

    def checked(self, raw: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        """Return raw tables in the contract's types.

        Raises
        ------
        ContractError
            If a rule of severity error is violated.
        """
        study = self.study
        tables, problems = validate(raw, self.contract, study.vocabulary, self.identifiers, study.ranges)
        refuse(problems)
        return with_exposure(tables, self.regimens, study)


def read_preparation(study: Study, configs: Path) -> Preparation:
    """Read what prepares a study from the folder of configurations.

    Raises
    ------
    UserError
        If a configuration file is not valid.
    """
    genes = configs / "rules" / "pam_genes.csv"
    return Preparation(
        study,
        read_contract(configs / "contract"),
        read_identifiers(configs / "identifiers.yaml"),
        read_eligibility(chosen_file(configs / "eligibility", study.eligibility, "eligibility")),
        read_feature_settings(configs / "features.yaml", genes),
        read_rules(chosen_file(configs / "rules", study.rules, "rules"), genes),
        read_regimens(configs / "regimens.yaml"),
    )


@dataclass(frozen=True)
class PreparedTables:
    """Checked tables of a study with what follows from them."""

    tables: Mapping[str, pd.DataFrame]
    cohort: Cohort
    by: Preparation

    @cached_property
    def rules(self) -> RuleTable:
        """The decision table under the readings in force."""
        return rule_table(self.by.rules)

    @cached_property
    def decided(self) -> pd.DataFrame:
        """What the rules answer for every patient at every node (`models.rules.decisions.decisions`)."""
        return decisions(self.tables, self.cohort.frame, self.rules)

    def features(self, landmark: str) -> pd.DataFrame:
        """Return usubjid (sorted) and the features of the patients at risk at a landmark.

        Raises
        ------
        LandmarkError
            If the study has no such landmark.
        FeatureError
            If nobody is at risk.
        """
        at, by = self.by.study.landmark(landmark), self.by
        return assemble(self.tables, self.cohort.frame, at, by.study, by.features, by.contract).frame

    def rule_rows(self, landmark: str) -> pd.DataFrame:
        """Return usubjid, branch and rule inputs of every patient as known at a landmark."""
        return rule_rows(self.decided, self.rules, self.by.study.landmarks_up_to(landmark))

    def rows(self, landmark: str) -> pd.DataFrame:
        """Return `features` with `rule_rows` beside them."""
        return self.features(landmark).merge(self.rule_rows(landmark), on="usubjid")


def prepare(
    tables: Mapping[str, pd.DataFrame], by: Preparation, *, outcome_needed: bool = True
) -> PreparedTables:
    """Build the cohort of checked tables; features and decisions follow when they are asked for.

    Raises
    ------
    CohortError
        If there are no patients, or no outcome with two classes where one is needed.
    """
    cohort = build_cohort(tables, by.study, by.eligibility, outcome_needed=outcome_needed)
    return PreparedTables(tables, cohort, by)
