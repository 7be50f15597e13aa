"""Decision tables: what they answer, when they do not, and what they refuse to read."""

import itertools
from copy import deepcopy
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import UserError
from models.rules.document import RuleError, parse_rules
from models.rules.table import decide, rule_table
from tests.features.tables import ROOT
from tests.models.rule_tables import ISPY2, RULES, rules, spec

LEVELS = {name: [*i["levels"], i["unknown"]] for name, i in RULES["inputs"].items()}
READINGS = [
    (name, value)
    for name, reading in RULES["readings"].items()
    for value in (reading["default"], *reading["alternatives"])
    if value not in reading.get("refused", {})
]


def answer(row: dict[str, str | None], node: str) -> dict[str, str | None]:
    """Answer one row of a specification, empty cells as None."""
    inputs = pd.DataFrame([{k: v for k, v in row.items() if k in RULES["inputs"]}], index=["P1"], dtype="str")
    found = decide(inputs, rules(row.get("reading")), node).iloc[0]
    return {k: None if pd.isna(v) or v == "" else str(v) for k, v in found.items()}


@pytest.mark.parametrize(
    ("file", "node"),
    [("rules_c1", "c1"), ("rules_c2", "c2"), ("rules_c2_readings", "c2"), ("rules_c4", "c4")],
)
def test_the_table_answers_as_the_specification_says(file: str, node: str) -> None:
    columns = {"rule": "rule", "regimen": "regimen", "status": "status"}
    columns |= {"missing": "missing_inputs", "conflicts": "conflicts"}
    for row in spec(f"{file}.txt"):
        found = answer(row, node)
        asked = {k: v for k, v in row.items() if k in columns}
        assert {k: found[columns[k]] for k in asked} == asked, row


def test_the_default_settings_are_the_default_readings() -> None:
    assert {name: r["default"] for name, r in RULES["readings"].items()} == RULES["settings"]
    assert {r["number"] for r in RULES["readings"].values()} == set(range(1, 22))


def test_the_81_combinations_after_c2_are_answered_as_the_record_reads() -> None:
    """R1 to R4 written down once more, from the record's sentences and not from the table."""
    open_ = {"NE": ("POS", "NEG"), "UNKNOWN": ("MUT", "WT"), "?": ("PR", "SD")}

    def regimen(baseline: str, c1: str, pam: str, seen: str) -> str | None:
        if pam == "MUT" and "POS" in (baseline, c1):
            return "EVEROHT"
        if c1 == "POS":
            return "PYROHT"
        return "NAB_PHP" if seen == "PR" else "TCBHP"

    for row in itertools.product(
        ("POS", "NEG", "NE"), ("POS", "NEG", "NE"), ("MUT", "WT", "UNKNOWN"), ("PR", "SD", "?")
    ):
        complete = itertools.product(*(open_.get(value, (value,)) for value in row))
        possible = {regimen(*values) for values in complete}
        inputs = dict(zip(("ctdna_baseline", "ctdna_c1", "pam", "response"), row, strict=True))
        found = answer({**inputs, "response": inputs["response"].replace("?", "NE")}, "c2")
        assert found["regimen"] == (possible.pop() if len(possible) == 1 else None), row


def test_progression_and_complete_response_at_c2_are_flagged() -> None:
    row = {"ctdna_baseline": "NEG", "ctdna_c1": "NEG", "pam": "UNKNOWN"}
    assert answer(row | {"response": "PD"}, "c2")["flags"] == "PD"
    assert answer(row | {"response": "CR"}, "c2")["flags"] == "CR"
    assert answer(row | {"response": "NE"}, "c2")["flags"] is None


def test_a_flag_may_ask_for_every_input_of_its_node() -> None:
    row = {"ctdna_baseline": "NEG", "ctdna_c1": "NEG", "pam": "WT", "response": "PD"}
    changed = _changed("nodes.c2.flags.PD", {name: [value] for name, value in row.items()})
    frame = pd.DataFrame([row, row | {"pam": "MUT"}])
    assert decide(frame, rule_table(parse_rules(changed)), "c2")["flags"].fillna("").tolist() == ["PD", ""]


def test_an_indeterminate_answer_names_the_regimens_that_are_still_possible() -> None:
    row = {"ctdna_baseline": "NEG", "ctdna_c1": "NEG", "pam": "WT", "response": None}
    assert answer(row, "c2")["possible"] == "NAB_PHP; TCBHP"


@settings(deadline=None, max_examples=100)
@given(st.data(), st.sampled_from(READINGS), st.sampled_from(["c2", "c4"]))
def test_an_answer_despite_missing_stays_whatever_the_missing_inputs_turn_out_to_be(
    data: st.DataObject, reading: tuple[str, str], node: str
) -> None:
    table = rules("=".join(reading))
    names = table.nodes[node].inputs
    row = {name: data.draw(st.sampled_from(LEVELS[name]), label=name) for name in names}
    found = decide(pd.DataFrame([row]), table, node).iloc[0]
    unknown = [name for name in names if row[name] == LEVELS[name][-1]]
    # Under this reading a response that is not known counts as it stands: nothing is completed.
    stands = {"response"} if reading == ("not_evaluable_response", "not_PR") else set()
    choices = itertools.product(
        *(LEVELS[name][-1:] if name in stands else LEVELS[name][:-1] for name in unknown)
    )
    complete = pd.DataFrame([row | dict(zip(unknown, each, strict=True)) for each in choices])
    regimens = set(decide(complete, table, node)["regimen"].fillna("none"))
    assert found["missing_inputs"] == "; ".join(unknown)
    if len(regimens) == 1 and regimens != {"none"}:
        assert {found["regimen"]} == regimens
        assert found["status"] == ("determined_despite_missing" if unknown else "determined")
    else:
        assert (found["status"], pd.isna(found["regimen"])) == ("indeterminate", True)


def test_a_missing_cell_is_the_same_as_the_word_for_not_known() -> None:
    words = pd.DataFrame(
        {name: [LEVELS[name][-1]] for name in ("ctdna_baseline", "ctdna_c1", "pam", "response")}
    )
    empty = pd.DataFrame([dict.fromkeys(words)])
    pd.testing.assert_frame_equal(decide(words, rules(), "c2"), decide(empty, rules(), "c2"))


def test_answers_keep_the_index_and_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({n: rng.choice(levels, 300) for n, levels in LEVELS.items()}).add_suffix("")
    found = decide(frame, rules(), "c2")
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(decide(shuffled, rules(), "c2").sort_index(), found)


def test_a_hundred_thousand_patients_are_decided_in_less_than_two_seconds() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({n: rng.choice(levels, 100_000) for n, levels in LEVELS.items()}).astype("str")
    began = process_time()
    decide(frame, rules(), "c2")
    assert process_time() - began < 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r9": "c1"}, "reading r9 is unknown; must be one of r4_ctdna_time"),
        ({"pam_genes": "all"}, "reading pam_genes: all is unknown; must be one of core, extended"),
    ],
)
def test_a_reading_that_cannot_be_followed_is_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        rule_table(parse_rules(RULES), change)
    with pytest.raises(RuleError, match=message):
        rule_table(parse_rules(RULES | {"settings": RULES["settings"] | change}))


def test_an_implied_setting_follows_the_one_that_implies_it() -> None:
    assert rules("r3_ctdna_time=ever").settings["r1r2_negative"] == "both"


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ({"ctdna_c9": "POS"}, "node c2, rule R1: input ctdna_c9 is unknown, did you mean ctdna_c1"),
        (
            {"ctdna_c1": "DETECTED"},
            "rule R1: level of ctdna_c1 DETECTED is unknown; must be one of POS, NEG",
        ),
        ("ctdna_positive", "node c2, rule R1: term ctdna_positive is unknown"),
    ],
)
def test_a_rule_that_speaks_of_what_is_not_there_is_refused(when: object, message: str) -> None:
    document = deepcopy(RULES)
    document["nodes"]["c2"]["rules"] = [{"rule": "R1", "when": when, "regimen": "NAB_PHP"}]
    with pytest.raises(RuleError, match=message):
        rule_table(parse_rules(document))


def _changed(path: str, value: object) -> dict[str, Any]:
    """Return the trial's table with one key set, by its path."""
    document = deepcopy(RULES)
    *parents, last = path.split(".")
    at = document
    for parent in parents:
        at = at[parent]
    at[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("titel", "x", r"nct\.yaml: key titel is unknown, did you mean title\?"),
        ("inputs.pam.levls", [], r"nct\.yaml, inputs\.pam: key levls is unknown, did you mean levels\?"),
        ("inputs.ctdna_c1.source.vists", [], r"inputs\.ctdna_c1\.source: key vists .* mean visits\?"),
        ("inputs.ctdna_c1.source.kind", "ctdnas", r"source\.kind: must be one of ctdna, mutation"),
        ("inputs.ctdna_c1.source.cycle", 0, r"source\.cycle: must be at least 1; got 0"),
        ("inputs.pam.source.samples", ["pam"], "input pam, samples: pam is unknown"),
        ("readings.pam_time.defalt", "c1", r"readings\.pam_time: key defalt .* mean default\?"),
        ("nodes.c2.windw", "c2_window", r"nodes\.c2: key windw is unknown, did you mean window\?"),
        ("nodes.c2.window", "c2_windo", r"nct\.yaml: node c2, window: c2_windo .* mean c2_window\?"),
        ("nodes.c1.rules_of", "c9", "node c1, rules_of: c9 is unknown"),
        ("nodes.c4.follows", "c4", "node c4, follows: c4 is unknown"),
        ("parameters.window_day", {}, r"parameters: key window_day .* mean window_days\?"),
        ("parameters.window_days.c1", [15], r"window_days\.c1: must be a list of 2"),
        ("parameters.method_priority", [], "method_priority is missing; input response needs it"),
        ("indeterminate_is_branch", "no", "must be true or false"),
    ],
)
def test_a_misspelt_part_is_refused_by_file_and_key(path: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_rules(_changed(path, value), "nct.yaml")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("nodes.c4.reference.readin", "x", "reference, by response_reference_c4: readin is unknown"),
        ("nodes.c4.reference.pr_share", -1, "reference, pr_share: must be above 0; got -1"),
        ("nodes.c2.earlier_start.C2.rule", [], "earlier_start, C2: key rule is unknown, did you mean rules"),
        ("nodes.c2.earlier_start.C2.node", "c9", "earlier_start: node c9 is unknown"),
        ("nodes.c2.flags.PD", {"respons": "PD"}, "flag PD: input respons is unknown, did you mean response"),
        ("terms.negative", {"any": ["negative"]}, "term negative leads to itself"),
        ("terms.response_is_pr.by", "cr_counts", "reading cr_counts is unknown, did you mean cr_counts_as"),
        ("terms.response_is_pr.own_branc", {}, "own_branc is unknown, did you mean own_branch"),
    ],
)
def test_a_misspelt_part_that_depends_on_a_reading_is_refused(path: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        rule_table(parse_rules(_changed(path, value)))


def test_every_configured_table_is_valid() -> None:
    files = sorted((ROOT / "configs/rules").glob("*.yaml"))
    names = [parse_rules(yaml.safe_load(file.read_text(encoding="utf-8")), file.name).table for file in files]
    assert names == [file.stem for file in files]


def test_inputs_that_are_not_levels_are_refused_with_their_number_and_three_ids_but_not_their_values() -> (
    None
):
    frame = pd.DataFrame({n: [LEVELS[n][0]] * 5 for n in LEVELS}, index=[f"P{i}" for i in range(5)])
    frame["pam"] = "H1047R"
    with pytest.raises(RuleError, match=r"input pam: 5 rows are not valid \(P0; P1; P2\); must be") as caught:
        decide(frame, rules(), "c2")
    assert "H1047R" not in str(caught.value)


def test_a_missing_input_column_and_an_unknown_node_are_refused() -> None:
    with pytest.raises(RuleError, match="node c2: inputs have no column pam, response"):
        decide(pd.DataFrame({"ctdna_baseline": [], "ctdna_c1": []}), rules(), "c2")
    with pytest.raises(RuleError, match="node c3 is unknown; must be one of c1, c2, c4"):
        decide(pd.DataFrame(), rules(), "c3")


def test_ispy2_has_response_classes_and_treats_no_arm() -> None:
    table = rule_table(parse_rules(ISPY2))
    found = decide(pd.DataFrame({"ftv_change": ["RESPONDER", "NON_RESPONDER", "NE"]}), table, "t1")
    assert found["regimen"].fillna("").tolist() == ["RESPONDER", "NON_RESPONDER", ""]
    assert (table.arm, table.deciding) == (None, ["t1", "t2"])


def test_every_alternative_that_can_be_followed_is_specified_in_a_table() -> None:
    files = [file.name for file in (ROOT / "tests/spec").glob("rules_*.txt")]
    specified = {row.get("reading") for name in files for row in spec(name)}
    alternatives = {
        f"{name}={value}" for name, value in READINGS if value != RULES["readings"][name]["default"]
    }
    assert alternatives <= specified
