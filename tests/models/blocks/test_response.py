"""Models of blocks as candidates: chosen by the nested procedure, served from plain data, explained."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import expit, logit
from sklearn.base import clone

from features.errors import UserError
from models.blocks.adjustment import AssayColumns
from models.blocks.learning import learn_blocks
from models.blocks.names import FUSED as FUSED_LATE
from models.blocks.names import TOGETHER
from models.blocks.response import BlockResponseModel, response_model
from models.packaging.training_summary import support
from models.procedure.cohort_size.core import procedure_for
from models.procedure.configuration.plan import validation_plan
from models.procedure.configuration.settings import (
    BlocksCandidate,
    BlocksSettings,
    ModelSettings,
    ProcedureSettings,
    ServingSettings,
)
from models.procedure.encoding import read_numeric_rows
from models.procedure.folds import stratified_folds
from models.procedure.response_model import ResponseModel, patient_loss
from models.serving.serving import ModelDocument, PcrModel, assay_name
from tests.patients import FEATURES, LINEAR, SETTINGS, patients

GRID = (1.0, 0.1, 0.01)
BLOCKS = BlocksCandidate("blocks", penalties_per_column=GRID)
FUSED = BlocksCandidate("blocks", fused=True, penalties_per_column=GRID)
CANDIDATES = {"logistic": LINEAR, "blocks": BLOCKS, "late_fusion": FUSED}
PROCEDURE = ProcedureSettings(SETTINGS.encoding, CANDIDATES)
COLUMNS = {"rna": [f"rna:G{k}" for k in range(40)], "dna": ["dna:TMB", "dna:CIN"]}
SERVING = ServingSettings(None, 0.95, 5.0, ())  # type: ignore[arg-type] - no interval is asked for


def rows_with_assays(effect: float = 2.0, seed: int = 3) -> tuple[pd.DataFrame, np.ndarray]:
    """Return 120 patients whose first gene shifts by `effect` with the outcome; some lack an assay."""
    rows, y = patients(120)
    values = np.random.default_rng(seed).normal(size=(len(y), 42)) * 3 + 7
    values[:, 0] += 3 * effect * y
    values[:20, :40] = np.nan
    values[10:30, 40:] = np.nan
    values[50, 3] = np.nan
    wide = pd.DataFrame(values, columns=[*COLUMNS["rna"], *COLUMNS["dna"]])
    return pd.concat([rows, wide], axis=1), y


def fitted_to(rows: pd.DataFrame, y: np.ndarray) -> BlockResponseModel:
    model = response_model(FEATURES, PROCEDURE, COLUMNS, 3, 1).fit(rows, y)
    assert isinstance(model, BlockResponseModel)
    return model


@pytest.fixture(scope="module", name="fitted")
def _fitted() -> BlockResponseModel:
    return fitted_to(*rows_with_assays())


def served(fitted: BlockResponseModel, name: str, **serving: Any) -> PcrModel:
    """Return a candidate as it is read back from model.json."""
    document: ModelDocument = json.loads(json.dumps(fitted.documents_[name]))
    return PcrModel({**document, "serving": serving})  # type: ignore[typeddict-item]


def rescored(document: Mapping[str, Any], columns: Mapping[str, float], assays: Mapping[str, float]) -> float:
    """Return a patient's log-odds from model.json alone, by nothing but sums."""
    blocks = document["blocks"]
    has = {c.split(":")[0] for c, value in assays.items() if not np.isnan(value)}
    (model,) = [one for one in blocks["models"] if set(one["assays"]) == has]
    total = model["intercept"]
    for name, part in model["parts"].items():
        table = blocks["blocks"][name]
        cells = columns.values() if name == blocks["protected"] else [assays[c] for c in table["columns"]]
        slopes = table["coefficients"][part["row"]]
        for cell, mean, weight, slope in zip(cells, table["mean"], table["weight"], slopes, strict=True):
            total += part["factor"] * slope * (0 if np.isnan(cell) else (cell - mean) * weight)
    return float(total)


def test_a_block_that_tells_is_chosen_and_one_that_does_not_is_left_to_the_simpler(
    fitted: BlockResponseModel,
) -> None:
    assert fitted.chosen_ in {"blocks", "late_fusion"}
    noise = [fitted_to(*rows_with_assays(0, seed)).chosen_ for seed in range(4, 9)]
    assert noise.count("logistic") >= 3


@pytest.mark.parametrize("name", ["blocks", "late_fusion"])
def test_every_patient_is_rescored_from_the_document_whatever_blocks_the_patient_has(
    fitted: BlockResponseModel, name: str
) -> None:
    rows, _ = rows_with_assays()
    model = served(fitted, name)
    completed = model.complete(model.encode(rows))
    expected = [
        rescored(
            model.document,
            dict(enumerate(completed[k])),  # type: ignore[arg-type]
            rows.loc[k, [*COLUMNS["rna"], *COLUMNS["dna"]]].to_dict(),
        )
        for k in range(len(rows))
    ]
    assert model.log_odds(rows) == pytest.approx(expected, abs=1e-9)
    assert logit(fitted.predictions(rows)[name]) == pytest.approx(expected, abs=1e-9)


def test_what_is_served_is_what_was_learned(fitted: BlockResponseModel) -> None:
    rows, _ = rows_with_assays()
    model = served(fitted, "blocks")
    values = {"clinical": model.complete(model.encode(rows))}
    values |= {name: rows[sorted(columns)].to_numpy() for name, columns in COLUMNS.items()}
    assert fitted.blocks_ is not None
    margins = fitted.blocks_.margins(values)
    for name in ("blocks", "late_fusion"):
        assert served(fitted, name).log_odds(rows) == pytest.approx(margins[name], abs=1e-10)


@pytest.mark.parametrize("name", ["blocks", "late_fusion"])
def test_contributions_of_features_and_assays_add_up(fitted: BlockResponseModel, name: str) -> None:
    rows, _ = rows_with_assays()
    model = served(fitted, name)
    values, base = model.contributions(rows)
    assert model.explained == [*model.features, assay_name("rna"), assay_name("dna")]
    assert base + values.sum(axis=1) == pytest.approx(model.log_odds(rows), abs=1e-12)
    assert not values[:20, model.explained.index(assay_name("rna"))].any()


def test_an_explanation_adds_up_by_column_and_by_block(fitted: BlockResponseModel) -> None:
    rows, _ = rows_with_assays()
    answers = served(fitted, "blocks").predict(rows.iloc[15:60], {"explain": True})
    for p, text in zip(answers["pcr_probability"], answers["explanation"], strict=True):
        told = json.loads(text)
        by_block = told.pop("by_block")
        base = told["base"]
        assert sum(told.values()) == pytest.approx(logit(p), abs=1e-9)
        assert base + sum(by_block.values()) == pytest.approx(logit(p), abs=1e-9)
        assert set(by_block) == {"clinical", "rna", "dna"}


def test_rows_are_scored_by_name_with_a_block_or_some_values_missing(fitted: BlockResponseModel) -> None:
    rows, _ = rows_with_assays()
    model = served(fitted, "blocks")
    rows = rows.drop(columns="usubjid")
    answers = model.predict(rows.sample(frac=1, axis=1, random_state=0))
    assert answers["pcr_probability"].tolist() == pytest.approx(expit(model.log_odds(rows)))
    codes = [{(r["code"], r["input"]) for r in reasons} for reasons in answers["reasons"]]
    assert {("no_assay", "rna"), ("no_assay", "dna")} <= codes[15]
    assert ("assay_incomplete", "rna") in codes[50]
    assert not any(code == "not_used" for row in codes for code, _ in row)
    without = model.predict(rows.drop(columns=COLUMNS["rna"]))
    assert without["pcr_probability"][5] == pytest.approx(answers["pcr_probability"][5])
    assert without["status"].iloc[80] == "missing_inputs"


def test_one_row_is_answered_as_it_is_among_many(fitted: BlockResponseModel) -> None:
    rows, _ = rows_with_assays()
    model = served(fitted, "late_fusion")
    many = model.predict(rows)
    for k in (0, 15, 50, 90):
        one = model.desk.answer(rows.loc[k].to_dict())
        assert one["pcr_probability"] == pytest.approx(many["pcr_probability"][k], abs=1e-12)
        assert one["reasons"] == many["reasons"][k]


def test_a_cell_of_an_assay_that_is_no_finite_number_rejects_its_row_alone(
    fitted: BlockResponseModel,
) -> None:
    rows, _ = rows_with_assays()
    frame = rows.iloc[60:64].reset_index(drop=True).astype({"rna:G1": object})
    frame.loc[0, "rna:G1"], frame.loc[1, "rna:G2"] = "high", np.inf
    answers = served(fitted, "blocks").predict(frame)
    assert answers["status"].tolist()[:2] == ["rejected", "rejected"]
    assert "rejected" not in answers["status"].tolist()[2:]
    faults = [{r["input"] for r in row if r["code"] == "not_a_number"} for row in answers["reasons"]]
    assert faults == [{"rna:G1"}, {"rna:G2"}, set(), set()]
    assert "high" not in json.dumps(answers["reasons"].tolist())


def test_values_on_another_scale_are_unlike_the_training_patients_by_the_name_of_the_block(
    fitted: BlockResponseModel,
) -> None:
    rows, y = rows_with_assays()
    limits = support(fitted.models_["blocks"], rows, y, SERVING, min_level_patients=1, folds=3, seed=0)
    model = served(fitted, "blocks", support=limits)
    inside = model.predict(rows)["status"] == "out_of_support"
    assert inside.mean() < 0.25
    rescaled = rows.assign(**{name: 2 ** rows[name] for name in COLUMNS["rna"]}).iloc[40:]
    answers = model.predict(rescaled)
    assert (answers["status"] == "out_of_support").all()
    rules = [r["rule"] for row in answers["reasons"] for r in row if r["code"] == "unlike_training"]
    assert all(rule.startswith("rna") for rule in rules)
    one = rows.iloc[[80]].assign(**{"dna:TMB": 1000.0})
    assert model.predict(one)["status"].tolist() == ["out_of_support"]


def test_the_order_of_columns_changes_no_bit() -> None:
    rows, y = rows_with_assays()
    reversed_ = {name: columns[::-1] for name, columns in COLUMNS.items()}
    other = BlockResponseModel(FEATURES, PROCEDURE, 3, 1, reversed_).fit(rows[rows.columns[::-1]], y)
    first = fitted_to(rows, y)
    assert other.documents_["blocks"] == first.documents_["blocks"]
    assert other.documents_["late_fusion"] == first.documents_["late_fusion"]


def test_copies_of_a_patient_stay_in_one_inner_fold() -> None:
    rows, y = rows_with_assays(0)
    drawn = np.random.default_rng(1).integers(0, len(y), len(y))
    model = BlockResponseModel(FEATURES, PROCEDURE, 3, 1, COLUMNS)
    together = model.fit(rows.iloc[drawn], y[drawn], groups=drawn).tuned_["blocks"].loss.mean()
    apart = clone(model).fit(rows.iloc[drawn], y[drawn]).tuned_["blocks"].loss.mean()
    assert apart < together


@pytest.mark.parametrize("batches", [None, {"rna": "batch@rna"}])
def test_a_patient_who_counts_several_times_teaches_what_as_many_rows_teach(
    batches: dict[str, str] | None,
) -> None:
    rows, y = batched()
    drawn = np.sort(np.random.default_rng(1).integers(0, len(y), len(y)))
    rows, y = rows.iloc[drawn], np.asarray(y, dtype=float)[drawn]
    cuts = {name: replace(one, cuts=(4.0,)) for name, one in (("blocks", BLOCKS), ("late_fusion", FUSED))}
    settings = ProcedureSettings(SETTINGS.encoding, cuts)
    model = BlockResponseModel(FEATURES, settings, 3, 1, COLUMNS, batches).fit(rows, y, groups=drawn)
    assert model.blocks_ is not None
    wide = AssayColumns.of(COLUMNS, batches, 5).by_part(rows)

    def matrices(train: np.ndarray) -> dict[str, np.ndarray]:
        _, part = model._learned_coder(read_numeric_rows(rows.iloc[train], FEATURES))
        return {"clinical": part.complete(part.encode(rows)), **wide(train)}

    folds = list(stratified_folds(y, 3, 1, drawn))
    as_rows = learn_blocks(matrices, y, folds, GRID, "clinical", cuts=(4.0,), leave_out=False)
    assert {name: each.penalties for name, each in as_rows.tuned.items()} == {
        name: each.penalties for name, each in model.blocks_.tuned.items()
    }
    for key, score in as_rows.patterns.items():
        found = model.blocks_.patterns[key]
        assert found.intercept == pytest.approx(score.intercept, abs=1e-8)
        for name, coefficients in score.coefficients.items():
            assert found.coefficients[name] == pytest.approx(coefficients, abs=1e-8)
    for name, candidate in ((TOGETHER, "blocks"), (FUSED_LATE, "late_fusion")):
        losses = patient_loss(as_rows.unseen[name], y)
        assert model.tuned_[candidate].loss == pytest.approx(losses, abs=1e-3)


def test_a_block_that_hardly_anybody_has_is_passed_over_with_its_reason() -> None:
    rows, y = rows_with_assays()
    rows.loc[3:, COLUMNS["dna"]] = np.nan
    model = fitted_to(rows, y)
    assert set(model.models_) == {"logistic"}
    assert "block dna" in model.passed_over_["blocks"]


def test_blocks_are_candidates_only_where_there_are_assays() -> None:
    _, y = rows_with_assays()
    plan = validation_plan(yaml.safe_load(Path("configs/validation.yaml").read_text()))
    unset = {"blocks": BlocksCandidate("blocks"), "logistic": LINEAR}
    settings = ModelSettings(SETTINGS.encoding, unset, BlocksSettings(GRID))  # type: ignore[arg-type]
    assert list(procedure_for(settings, ["arm"], y, plan).candidates) == ["logistic"]
    assert procedure_for(settings, ["arm"], y, plan, assays=True).candidates["blocks"] == BLOCKS
    assert type(response_model(FEATURES, PROCEDURE, {}, 3, 1)) is ResponseModel
    with pytest.raises(UserError, match="penalties_per_column is missing"):
        procedure_for(ModelSettings(SETTINGS.encoding, unset), ["arm"], y, plan, assays=True)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="candidate blocks is unknown"):
        settings.alone("blocks")


def batched(seed: int = 5) -> tuple[pd.DataFrame, np.ndarray]:
    """Return patients whose batches move all genes by much more than the signal in the first."""
    rows, y = rows_with_assays(2.0)
    batch = np.random.default_rng(seed).integers(1, 4, len(y))
    rows[COLUMNS["rna"]] += 40.0 * batch[:, None]
    names = pd.Series(batch, dtype="str").mask(batch == 3, "late")
    return rows.assign(**{"batch@rna": names}), y


def adjusted_to(rows: pd.DataFrame, y: np.ndarray) -> BlockResponseModel:
    model = response_model(FEATURES, PROCEDURE, COLUMNS, 3, 1, {"rna": "batch@rna"}).fit(rows, y)
    assert isinstance(model, BlockResponseModel)
    return model


def test_candidates_are_adjusted_for_batch_as_they_are_served_and_a_new_batch_is_told() -> None:
    rows, y = batched()
    fitted = adjusted_to(rows, y)
    model = served(fitted, "blocks")
    assert fitted.chosen_ in {"blocks", "late_fusion"}
    assert list(model.document["blocks"]["batches"]["rna"]["shifts"]) == ["1", "2", "late"]
    p = fitted.predictions(rows)["blocks"]
    assert model.probability(rows) == pytest.approx(p, abs=1e-12)
    answers = model.predict(rows)
    assert answers["pcr_probability"].astype(float).to_numpy() == pytest.approx(p, abs=1e-12)
    told = {r["code"]: r["rule"] for reasons in answers["reasons"] for r in reasons}
    assert "batch_not_learned" not in told
    without = model.predict(rows.drop(columns="batch@rna"))["reasons"]
    assert told["not_used"] == without[0][-1]["rule"]
    as_numbers = rows.assign(**{"batch@rna": rows["batch@rna"].replace({"1": 1.0, "2": 2.0})})
    assert model.probability(as_numbers) == pytest.approx(p, abs=1e-12)
    for other in (rows.drop(columns="batch@rna"), rows.assign(**{"batch@rna": "new"})):
        codes = [{r["code"] for r in reasons} for reasons in model.predict(other)["reasons"]]
        assert all("batch_not_learned" in each for each in codes[20:])
        assert not any("batch_not_learned" in each for each in codes[:20])
    values, base = model.contributions(rows)
    assert base + values.sum(axis=1) == pytest.approx(model.log_odds(rows), abs=1e-10)


def test_batches_are_learned_from_the_training_part_of_each_inner_fold_alone() -> None:
    rows, y = batched()
    plain, adjusted = fitted_to(rows, y), adjusted_to(rows, y)
    assert adjusted.tuned_["blocks"].loss.mean() < plain.tuned_["blocks"].loss.mean()
    assays = AssayColumns.of(COLUMNS, {"rna": "batch@rna"}, 5)
    train = np.arange(30, 100)
    others = rows.copy()
    others.loc[100:, COLUMNS["rna"]] += 1000.0
    one, two = (assays.by_part(each)(train)["rna"][train] for each in (rows, others))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, assays.by_part(rows)(np.arange(len(y)))["rna"][train])
