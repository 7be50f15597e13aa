"""The inputs of the rules: what counts as known on the day of the decision, and why other things do not."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from features.cohort import build_cohort
from features.documents.study import parse_study
from features.errors import UserError
from features.landmarks import visible
from models.rules.ctdna import discordant_calls
from models.rules.document import RuleError, parse_rules
from models.rules.inputs import inputs_from_tables
from models.rules.table import rule_table
from tests.features.tables import CONTRACT, ELIGIBILITY, STUDY, table, trial
from tests.models.rule_tables import (
    CORE,
    DRAWS,
    RULES,
    STARTS,
    cohort,
    cycles,
    response,
    rules,
    sample,
    spec,
    tables,
    variant,
)

FULL = ";".join(row["gene"] for row in RULES["pam_genes"])
PANELS = {"core": CORE, "part": "PIK3CA", "full": FULL, None: None}


Rows = dict[str, list[dict[str, Any]]]


def read(
    raw: dict[str, pd.DataFrame], name: str, reading: str | None = None, node: str = "c2"
) -> tuple[str, str | None]:
    """Return an input of P1 at a node, and the reason if it is not known."""
    inputs = inputs_from_tables(raw, cohort(), rules(reading)).set_index("node").loc[node]
    return inputs[name], reason(inputs["missing_reasons"], name)


def reason(text: str, name: str) -> str | None:
    return dict(part.split(": ") for part in text.split("; ") if part).get(name)


def patients_of(specification: list[dict[str, Any]], build: Callable[[dict[str, Any]], Rows]) -> Any:
    """Make a patient of each row of a specification and return a function that reads her input."""
    ids = [f"P{i:03d}" for i in range(len(specification))]
    every: Rows = {}
    for patient, row in zip(ids, specification, strict=True):
        for name, rows in ({"exposure": cycles(dict.fromkeys(STARTS, "NAB_PHP"))} | build(row)).items():
            own = [r | {"usubjid": patient, "sample_id": f"{patient} {r.get('sample_id')}"} for r in rows]
            every.setdefault(name, []).extend(own)
    raw = tables(**every)
    found = {
        reading: inputs_from_tables(raw, cohort(*ids), rules(reading)).set_index(["usubjid", "node"])
        for reading in {row["reading"] for row in specification}
    }

    def read_row(number: int, name: str, node: str = "c2") -> tuple[str, str | None]:
        inputs = found[specification[number]["reading"]].loc[(ids[number], node)]
        return inputs[name], reason(inputs["missing_reasons"], name)

    return read_row


def test_samples_and_scans_count_within_their_windows() -> None:
    def build(row: dict[str, Any]) -> Rows:
        name, visit = row["input"].split("_")
        if name == "ctdna":
            drawn = sample(visit, draw_date=row["performed"], report_date=row["reported"])
            return {"ctdna_samples": [drawn]}
        scan = response(visit, "PR", assessment_date=row["performed"], report_date=row["reported"])
        return {"response": [scan]}

    specification = spec("rules_windows.txt")
    found = patients_of(specification, build)
    for i, row in enumerate(specification):
        name, node = row["input"].split("_") if "response" in row["input"] else (row["input"], "c2")
        assert found(i, name, node) == (row["value"], row["reason"]), row


def test_the_ctdna_call_is_the_laboratorys_or_derived_from_the_variants() -> None:
    def build(row: dict[str, Any]) -> Rows:
        of_c1 = {k: row[k] for k in ("planned", "qc", "result")} | {"assay_type": row["assay"]}
        listed = [variant("c1", f"G{i}", origin=o) for i, o in enumerate((row["origins"] or "").split())]
        return {"ctdna_samples": [sample("c1", **of_c1)], "ctdna_variants": listed}

    specification = spec("rules_ctdna_call.txt")
    found = patients_of(specification, build)
    for i, row in enumerate(specification):
        assert found(i, "ctdna_c1") == (row["value"], row["reason"]), row


def test_pam_is_read_from_a_plasma_sample_with_evidence_for_either_answer() -> None:
    def build(row: dict[str, Any]) -> Rows:
        of_c1 = {"qc": row["qc"], "result": row["result"], "assay_type": row["assay"]}
        of_c1 |= {"panel_genes": PANELS[row["panel"]], "mean_vaf": float(row["vaf"])}
        of_c1 |= {"tumour_fraction": float(row["fraction"] or "nan")}
        of_variant = {"origin": row["origin"], "pathogenic": row["pathogenic"]}
        listed = [variant("c1", row["gene"], **of_variant)] if row["gene"] else []
        return {"ctdna_samples": [sample("c1", **of_c1)], "ctdna_variants": listed}

    specification = spec("rules_pam.txt")
    found = patients_of(specification, build)
    for i, row in enumerate(specification):
        assert found(i, "pam") == (row["pam"], row["reason"]), row


def test_pam_is_taken_from_the_samples_and_sources_that_the_reading_names() -> None:
    tissues = {"MUT": ("PTEN", CORE), "WT": ("TP53", CORE), "unread": ("TP53", "TP53")}

    def build(row: dict[str, Any]) -> Rows:
        samples = [
            sample(
                visit,
                "not_detected" if row[visit] == "neg" else "detected",
                panel_genes="PIK3CA" if row[visit] == "unread" else CORE,
            )
            for visit in DRAWS
            if row[visit] != "none"
        ]
        listed = [variant(visit, "PIK3CA") for visit in DRAWS if row[visit] == "MUT"]
        gene, panel = tissues.get(row["tissue"], ("", ""))
        cells = {"gene": gene, "hgvsp": "p.X1Y", "pathogenic": "Y", "panel_genes": panel}
        tissue = [cells] if gene else []
        return {"ctdna_samples": samples, "ctdna_variants": listed, "tissue_variants": tissue}

    specification = spec("rules_pam_time.txt")
    found = patients_of(specification, build)
    for i, row in enumerate(specification):
        assert found(i, "pam") == (row["pam"], row["reason"]), row


def test_the_response_is_by_the_reader_and_a_method_of_baseline() -> None:
    def build(row: dict[str, Any]) -> Rows:
        seen = {"MRI": row["mri"], "US": row["us"], "PET": row["pet"]}
        rows = [response("c2", category, method=m) for m, category in seen.items() if category]
        rows += [response("c2", row["independent"], reader="INDEPENDENT")] if row["independent"] else []
        lesions = [
            {"lesion_id": "L1", "visit": "c2" if "@c2" in word else "baseline",
             "method": word.removesuffix("@c2").removesuffix("?"),
             "status": "not_evaluable" if "?" in word else "done"}
            for word in (row["baseline"] or "").split()
        ]  # fmt: skip
        return {"response": [*rows, response("c4", "PD")], "lesions": lesions}

    specification = spec("rules_response.txt")
    found = patients_of(specification, build)
    for i, row in enumerate(specification):
        assert found(i, "response") == (row["response"], row["reason"]), row


def test_the_response_at_c4_is_against_the_sum_that_the_reading_names() -> None:
    def build(row: dict[str, Any]) -> Rows:
        lesions = [{"lesion_id": "L1", "visit": "baseline", "method": "MRI", "status": "done"}]
        for visit, cell in {"c2": row["targets_c2"], "c4": row["targets_c4"]}.items():
            scan = {"visit": visit, "method": "MRI", "reader": "INVESTIGATOR", "target": "target"}
            if cell == "other":
                lesions.append(scan | {"lesion_id": "L9", "target": "nontarget", "status": "done"})
                continue
            for number, size in enumerate(cell.split("+") if cell else []):
                missed = {"status": "not_evaluable", "diameter_mm": None}
                found = missed if size == "?" else {"status": "done", "diameter_mm": float(size)}
                lesions.append(scan | {"lesion_id": f"L{number}"} | found)
        return {"response": [response("c2", "PR"), response("c4", row["recorded"])], "lesions": lesions}

    specification = spec("rules_reference.txt")
    found = patients_of(specification, build)
    for i, row in enumerate(specification):
        assert found(i, "response", "c4") == (row["response"], row["reason"]), row
        assert found(i, "response", "c2")[0] == "PR"


def test_without_lesions_every_method_counts_and_pet_does_not() -> None:
    assert read(tables(response=[response("c2", "SD", method="US")]), "response") == ("SD", None)
    assert read(tables(response=[response("c2", "SD", method="PET")]), "response") == ("NE", "other_method")


def test_imaging_after_c2_is_still_to_come_at_c1() -> None:
    assert read(tables(response=[response("c2", "PR")]), "response", node="c1") == ("NE", None)


@pytest.mark.parametrize(
    ("given", "value", "reason"),
    [
        ({1: "NAB_PHP", 2: "NAB_PHP", 3: "TCBHP", 4: "TCBHP"}, "TCBHP", None),
        ({2: "NAB_PHP", 3: "PYROHT", 4: "TCBHP", 5: "ADC"}, "TCBHP", None),
        ({2: "NAB_PHP", 3: "PYROHT"}, "PYROHT", None),
        ({1: "NAB_PHP", 2: "NAB_PHP"}, "UNKNOWN", "not_given"),
    ],
)
def test_the_regimen_given_is_that_of_the_last_of_cycles_3_and_4(
    given: dict[int, str], value: str, reason: str | None
) -> None:
    assert read(tables(exposure=cycles(given)), "regimen_given", node="c4") == (value, reason)


def test_a_study_without_dates_is_judged_by_the_visit_alone() -> None:
    raw = tables(
        ctdna_samples=[sample("c1", draw_date=None)], response=[response("c2", "PR", assessment_date=None)]
    )
    undated = cohort()[["usubjid", "arm"]]
    inputs = inputs_from_tables(
        raw | {"exposure": raw["exposure"].assign(start_date=pd.NaT)}, undated, rules()
    )
    assert inputs["ctdna_c1"].tolist() == ["POS"] * 3
    assert inputs["response"].tolist() == ["NE", "PR", "NE"]


def test_a_study_without_any_table_has_no_inputs_and_says_so() -> None:
    found = inputs_from_tables({}, cohort("P2", "P1"), rules())
    assert found["usubjid"].tolist() == ["P1"] * 3 + ["P2"] * 3
    assert set(found["pam"]) == {"UNKNOWN"}
    assert found["missing_reasons"].str.contains("ctdna_c1: no_record").all()


def test_inputs_use_only_what_the_gate_for_time_shows() -> None:
    raw = trial(seed=5, n=150)
    frame = build_cohort(raw, parse_study(STUDY), ELIGIBILITY).frame
    whole = inputs_from_tables(raw, frame, rules()).drop(columns=["regimen_given", "missing_reasons"])
    for name, landmark in parse_study(STUDY).landmarks.items():
        seen = visible(raw, landmark, frame.set_index("usubjid")[f"decision_{name}"], CONTRACT).tables
        cut = inputs_from_tables(seen, frame, rules()).drop(columns=["regimen_given", "missing_reasons"])
        pd.testing.assert_frame_equal(cut.loc[cut["node"] == name], whole.loc[whole["node"] == name])


def test_inputs_do_not_depend_on_the_order_of_rows() -> None:
    raw = trial(seed=6, n=80)
    frame = build_cohort(raw, parse_study(STUDY), ELIGIBILITY).frame
    turned = {name: rows.iloc[::-1].reset_index(drop=True) for name, rows in raw.items()}
    found = inputs_from_tables(turned, frame.iloc[::-1], rules())
    pd.testing.assert_frame_equal(found, inputs_from_tables(raw, frame, rules()))


def test_discordant_calls_are_listed_per_sample() -> None:
    rows = [sample("baseline"), sample("c1"), sample("c2", "not_detected", sample_id="S-c2")]
    listed = [variant("baseline", "DNMT3A", origin="ch"), variant("c1", "TP53"), variant("c2", "TP53")]
    found = discordant_calls(table("ctdna_samples", rows), table("ctdna_variants", listed))
    assert found.to_numpy().tolist() == [["P1", "baseline", "POS", "NEG"], ["P1", "c2", "NEG", "POS"]]


def test_mutations_cannot_be_read_without_a_list_of_genes() -> None:
    with pytest.raises(RuleError, match="pam_genes is empty"):
        inputs_from_tables({}, cohort(), rule_table(parse_rules(RULES | {"pam_genes": None})))
    genes = [{"gene": "AKT1", "set": "core", "rule": "hotspt"}]
    with pytest.raises(UserError, match="rule: must be one of any_pathogenic, hotspot"):
        parse_rules(RULES | {"pam_genes": genes})


@pytest.mark.parametrize(
    ("lacking", "reading", "message"),
    [
        ("window_days", "c2_window", r"window_days\.c2 is missing; reading c2_window needs it"),
        (
            "fraction_over_lod",
            "pam_wild_type",
            "fraction_over_lod is missing; reading pam_wild_type needs it",
        ),
    ],
)
def test_a_reading_whose_figures_are_missing_is_refused(lacking: str, reading: str, message: str) -> None:
    figures = {name: value for name, value in RULES["parameters"].items() if name != lacking}
    document = parse_rules(RULES | {"parameters": figures})
    other = rule_table(document, {reading: document.readings[reading].alternatives[0]})
    with pytest.raises(RuleError, match=message):
        inputs_from_tables(
            tables(response=[response("c2", "PR")], ctdna_samples=[sample("baseline")]), cohort(), other
        )


def test_a_table_without_a_reading_that_an_input_needs_is_refused() -> None:
    lacking = {
        key: {name: value for name, value in RULES[key].items() if name != "ctdna_call"}
        for key in ("readings", "settings")
    }
    with pytest.raises(RuleError, match="reading ctdna_call is missing; node c1 needs it"):
        inputs_from_tables(
            tables(ctdna_samples=[sample("baseline")]), cohort(), rule_table(parse_rules(RULES | lacking))
        )
