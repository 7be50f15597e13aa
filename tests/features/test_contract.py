from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contract.cells import DTYPES, as_text, as_type
from features.contract.identifiers import find_identifiers, parse_identifiers
from features.contract.validation import (
    ADVICE,
    PROBLEM_COLUMNS,
    ContractError,
    data_dictionary,
    empty_table,
    parse_contract,
    refuse,
    validate,
)
from features.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"
DOCUMENTS = {
    p.name: yaml.safe_load(p.read_text(encoding="utf-8"))
    for p in sorted((CONFIGS / "contract").glob("*.yaml"))
}
IDENTIFIERS = parse_identifiers(yaml.safe_load((CONFIGS / "identifiers.yaml").read_text(encoding="utf-8")))
CONTRACT = parse_contract(DOCUMENTS)
VOCABULARY = {"visits": ["baseline", "c1"], "arms": ["A", "B"], "regimens": ["TCBHP"]}


def good_tables() -> dict[str, pd.DataFrame]:
    ids = ["P3", "P1", "P2"]
    return {
        "subjects": pd.DataFrame(
            {
                "usubjid": ids,
                "arm": ["A", "B", "A"],
                "age_years": [51.5, 40, 62],
                "ecog": [0, 1, 0],
                "consent_date": "2025-01-01",
                "rand_date": "2025-01-09",
            }
        ),
        "surgery": pd.DataFrame(
            {"usubjid": ids, "performed": "Y", "surgery_date": "2025-07-01", "pcr": ["Y", "N", "Y"]}
        ),
        "ctdna_samples": pd.DataFrame(
            {
                "sample_id": ["S3", "S1", "S2"],
                "usubjid": ids,
                "visit": "c1",
                "draw_date": "2025-02-01",
                "qc": "pass",
                "mean_vaf": [0.1, 0.0, None],
            }
        ),
        "ctdna_variants": pd.DataFrame(
            {
                "sample_id": ["S1", "S1"],
                "gene": ["TP53", "PIK3CA"],
                "hgvsp": ["p.R175H", "p.H1047R"],
                "classification": "Missense_Mutation",
                "vaf": [0.01, 0.02],
                "origin": "tumor",
            }
        ),
    }


def check(tables: dict[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    return validate(tables, CONTRACT, VOCABULARY, IDENTIFIERS)


def problems_with(table: str, column: str, values: object) -> pd.DataFrame:
    tables = good_tables()
    tables[table] = tables[table].assign(**{column: values})
    return check(tables)[1]


def identifiers_in(column: str, cells: list[object]) -> int:
    return len(list(find_identifiers(pd.DataFrame({column: cells}), IDENTIFIERS, (), (), ())))


def rows_of(frame: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return list(frame[list(columns)].itertuples(index=False, name=None))


def test_a_sound_study_has_no_problems_and_comes_back_in_contract_order_and_dtype() -> None:
    clean, problems = check(good_tables())
    assert problems.empty
    assert list(problems.columns) == PROBLEM_COLUMNS
    assert list(clean) == ["ctdna_samples", "ctdna_variants", "subjects", "surgery"]
    for name, frame in clean.items():
        columns = CONTRACT[name].columns
        assert list(frame.columns) == list(columns)
        assert {c: str(frame[c].dtype) for c in frame} == {c: DTYPES[columns[c].type] for c in frame}
    assert clean["subjects"]["usubjid"].tolist() == ["P1", "P2", "P3"]
    assert clean["subjects"].index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("table", "column", "values", "rule", "rows", "ids"),
    [
        ("subjects", "arm", ["A", None, " "], "required_value", 2, "P1; P2"),
        ("subjects", "age_years", ["51", "forty", "6,2"], "type: float", 2, "P1; P2"),
        ("subjects", "age_years", [51.0, np.inf, 62], "type: float", 1, "P1"),
        ("subjects", "ecog", [0, 0.5, 1], "type: integer", 1, "P1"),
        ("subjects", "rand_date", ["2025-01-09", "09/01/2025", "2025-01"], "type: date", 2, "P1; P2"),
        ("subjects", "rand_date", [20250109, 45666, 2025], "type: date", 3, "P1; P2; P3"),
        ("subjects", "menopause", ["pre", "premenopausal", None], "levels: pre, peri, post", 1, "P1"),
        ("subjects", "arm", ["A", "C", "B"], "levels: A, B", 1, "P1"),
        ("ctdna_samples", "visit", ["c1", "c9", "c1"], "levels: baseline, c1", 1, "P1"),
        ("subjects", "age_years", [51, 17.9, 101], "range: 18 to 100 years", 2, "P1; P2"),
        ("subjects", "usubjid", ["P3", "P1", "P1"], "duplicate_key: usubjid", 2, "P1"),
        ("ctdna_samples", "sample_id", ["S3", "S1", "S1"], "unique", 2, "P1; P2"),
        ("ctdna_samples", "usubjid", ["P3", "P1", "P9"], "unknown_subject: not in subjects", 1, "P9"),
        (
            "ctdna_variants",
            "sample_id",
            ["S1", "S9"],
            "unknown_reference: not in ctdna_samples.sample_id",
            1,
            "S9",
        ),
        ("ctdna_samples", "draw_date", "2024-12-31", "not_before: subjects.consent_date", 3, "P1; P2; P3"),
        ("ctdna_samples", "draw_date", "2025-07-02", "not_after: surgery.surgery_date", 3, "P1; P2; P3"),
        ("subjects", "consent_date", "2025-01-10", "not_before: subjects.consent_date", 3, "P1; P2; P3"),
    ],
)
def test_each_kind_of_bad_cell_is_one_error_with_its_rows_and_patients(
    table, column, values, rule, rows, ids
) -> None:
    problems = problems_with(table, column, values)
    found = problems[problems["rule"] == rule]
    assert len(found) == 1
    assert found[["table", "severity", "rows", "ids"]].iloc[0].tolist() == [table, "error", rows, ids]


def test_at_most_three_ids_are_named_and_all_rows_are_counted() -> None:
    tables = good_tables()
    tables["subjects"] = pd.DataFrame({"usubjid": [f"P{i}" for i in range(9)], "arm": "X"})
    found = check(tables)[1].set_index("column").loc["arm"]
    assert (found["rows"], found["ids"]) == (9, "P0; P1; P2")


def test_every_violation_is_reported_at_once_in_contract_order() -> None:
    tables = good_tables()
    tables["subjects"] = tables["subjects"].assign(arm="X", age_years=5, ecog="?")
    tables["ctdna_samples"] = tables["ctdna_samples"].assign(qc=None)
    found = check(tables)[1]
    assert rows_of(found, "table", "column") == [
        ("ctdna_samples", "qc"),
        ("subjects", "arm"),
        ("subjects", "age_years"),
        ("subjects", "ecog"),
    ]


def test_a_required_cell_that_cannot_be_read_is_not_also_called_empty() -> None:
    problems = problems_with("ctdna_variants", "vaf", ["low", 0.1])
    assert problems["rule"].tolist() == ["type: float"]


@pytest.mark.parametrize("surgery", [None, empty_table(CONTRACT["surgery"])])
def test_a_required_table_that_is_missing_or_empty_is_an_error(surgery) -> None:
    tables = good_tables()
    del tables["surgery"]
    if surgery is not None:
        tables["surgery"] = surgery
    assert rows_of(check(tables)[1], "table", "rule", "severity") == [("surgery", "required_table", "error")]


def test_a_missing_required_column_is_an_error_and_any_other_column_may_be_absent() -> None:
    tables = good_tables()
    tables["subjects"] = tables["subjects"].drop(columns=["arm", "age_years"])
    assert rows_of(check(tables)[1], "column", "rule") == [("arm", "required_column")]


def test_unknown_columns_and_tables_are_warned_of_and_left_out() -> None:
    tables = good_tables() | {"notes": pd.DataFrame({"text": ["fine"]})}
    tables["subjects"]["shoe_size"] = 38
    clean, problems = check(tables)
    assert rows_of(problems, "table", "column", "rule", "severity") == [
        ("subjects", "shoe_size", "unknown_column", "warning"),
        ("notes", "", "unknown_table", "warning"),
    ]
    assert "notes" not in clean
    assert "shoe_size" not in clean["subjects"]


def test_a_column_that_stands_twice_is_an_error() -> None:
    tables = good_tables()
    tables["subjects"].insert(0, "arm", "A", allow_duplicates=True)
    assert check(tables)[1]["rule"].tolist() == ["duplicate_column"]


def test_rows_without_a_key_are_empty_but_no_duplicates_of_each_other() -> None:
    tables = good_tables()
    tables["ctdna_samples"] = tables["ctdna_samples"].assign(usubjid="P1", visit=[None, None, "c1"])
    assert rows_of(check(tables)[1], "column", "rule", "rows") == [("visit", "required_value", 2)]


def test_without_a_key_column_no_row_is_called_a_duplicate() -> None:
    tables = good_tables()
    tables["ctdna_samples"] = tables["ctdna_samples"].assign(usubjid="P1").drop(columns="visit")
    assert rows_of(check(tables)[1], "column", "rule") == [("visit", "required_column")]


def test_a_missing_or_unreadable_date_breaks_no_order() -> None:
    assert problems_with("ctdna_samples", "draw_date", None).empty
    assert problems_with("ctdna_samples", "draw_date", "soon")["rule"].tolist() == ["type: date"]


def test_a_variant_table_without_a_sample_table_refers_to_nothing() -> None:
    tables = good_tables()
    del tables["ctdna_samples"]
    assert rows_of(check(tables)[1], "table", "rows") == [("ctdna_variants", 2)]


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "PatientName",
        "first_name",
        "Surname",
        "initials",
        "Phone",
        "home phone 2",
        "mobile_no",
        "Tel",
        "E-Mail",
        "email_address",
        "SSN",
        "passport_no",
        "IDCard",
        "MRN",
        "Medical Record Number",
        "inpatient_no",
        "DOB",
        "BirthDate",
        "date_of_birth",
        "BRTHDTC",
        "Home Address",
        "zip",
        "姓名",
        "身份证号",
        "手机号码",
        "住院号",
        "出生日期",
        "家庭住址地址",
    ],
)
def test_a_column_named_like_a_direct_identifier_is_refused(name) -> None:
    assert identifiers_in(name, ["x"]) == 1


@pytest.mark.parametrize(
    "name",
    [
        "gene_name",
        "biomarker_name",
        "drug_name",
        "site",
        "tumour_site",
        "hist",
        "birth_year",
        "phenotype",
        "telomere",
        "cell_line",
        "mobile_element",
        "microphone_test",
        "hospital_id",
        "addressed",
        "mailing",
        "zipper",
        "unit_name",
    ],
)
def test_a_harmless_column_name_is_only_unknown(name) -> None:
    assert identifiers_in(name, ["x"]) == 0


@pytest.mark.parametrize(
    "cell",
    [
        "ask li.wei@hospital.org",
        "110101199003078515",
        "id 11010119900307851X.",
        110101199003078515,
        "13912345678",
        13912345678,
        "tel +86 139-1234-5678",
        "电话13912345678",
    ],
)
def test_cells_that_look_like_direct_identifiers_are_refused_in_any_unknown_column(cell) -> None:
    assert identifiers_in("note", ["", cell, ""] if isinstance(cell, str) else [cell]) == 1


@pytest.mark.parametrize(
    "cell",
    [
        "chr17:7675088",
        "0.13912345678",
        0.13912345678,
        "a13912345678b",
        "2025-01-01",
        110101199913078515,
        "@home",
    ],
)
def test_cells_that_only_resemble_identifiers_are_left_alone(cell) -> None:
    assert identifiers_in("note", [cell]) == 0


def test_free_text_of_the_contract_is_searched_for_identifiers() -> None:
    tables = good_tables()
    tables["deviations"] = pd.DataFrame(
        {
            "usubjid": ["P1"],
            "deviation_date": ["2025-03-01"],
            "category": ["visit"],
            "reason": ["call 13912345678"],
        }
    )
    assert rows_of(check(tables)[1], "column", "rule", "ids") == [
        ("reason", "direct_identifier: telephone number", "P1")
    ]


def test_the_names_of_contract_columns_are_not_suspected() -> None:
    frame = pd.DataFrame({"name": ["TP53"]})
    assert list(find_identifiers(frame, IDENTIFIERS, known={"name"}, searched={"name"}, keys=())) == []


def test_trial_ids_of_eleven_digits_are_not_taken_for_telephone_numbers() -> None:
    eleven_digits = {name: frame.replace("P1", "13912345678") for name, frame in good_tables().items()}
    assert check(eleven_digits)[1].empty


def test_ids_that_are_identifiers_themselves_are_withheld_from_every_problem() -> None:
    tables = {name: frame.replace("P1", "li.wei@hospital.org") for name, frame in good_tables().items()}
    tables["subjects"]["age_years"] = 5
    problems = check(tables)[1]
    assert set(problems["rule"].str.partition(":")[0]) == {"direct_identifier", "range"}
    with pytest.raises(ContractError) as refused:
        refuse(problems)
    assert "li.wei" not in str(refused.value) + problems.to_csv()


def test_identifiers_in_unknown_tables_are_refused_too() -> None:
    problems = check(good_tables() | {"contacts": pd.DataFrame({"e_mail": ["x"]})})[1]
    assert problems.set_index("table").loc["contacts", "rule"].tolist() == [
        "unknown_table",
        "direct_identifier: e-mail address",
    ]


def test_per_cents_in_a_fraction_column_are_out_of_range_and_the_unit_is_suspected() -> None:
    problems = problems_with("ctdna_samples", "mean_vaf", [0.1, 12.5, 300])
    assert rows_of(problems, "rule", "rows", "severity") == [
        ("range: 0 to 1 fraction", 2, "error"),
        ("wrong_unit: per cent, not fraction", 1, "error"),
    ]


@pytest.mark.parametrize(
    ("column", "values", "suspected"),
    [
        ("diameter_mm", np.linspace(0, 8, 20), True),
        ("diameter_mm", np.linspace(0, 80, 20), False),
        ("diameter_mm", np.zeros(20), False),
        ("diameter_mm", np.linspace(1, 8, 9), False),
    ],
)
def test_lesions_that_are_all_small_in_mm_are_suspected_to_be_in_cm(column, values, suspected) -> None:
    lesions = pd.DataFrame(
        {
            "usubjid": "P1",
            "lesion_id": [f"L{i}" for i in range(len(values))],
            "visit": "c1",
            "method": "MRI",
            "reader": "INVESTIGATOR",
            "target": "target",
            "status": "done",
            column: values,
        }
    )
    problems = check(good_tables() | {"lesions": lesions})[1]
    expected = [("lesions", column, "wrong_unit: cm, not mm", "warning")] if suspected else []
    assert rows_of(problems, "table", "column", "rule", "severity") == expected


@pytest.mark.parametrize(("values", "suspected"), [(np.linspace(0, 1, 10), True), (np.ones(10), False)])
def test_per_cents_that_are_all_at_most_one_are_suspected_to_be_fractions(values, suspected) -> None:
    ids = [f"Q{i}" for i in range(10)]
    tables = {
        "subjects": pd.DataFrame({"usubjid": ids, "arm": "A"}),
        "surgery": pd.DataFrame({"usubjid": ids, "performed": "Y"}),
        "pathology": pd.DataFrame({"usubjid": ids, "er_pct": values}),
    }
    rules = rows_of(check(tables)[1], "rule", "severity")
    assert rules == ([("wrong_unit: fraction, not per cent", "warning")] if suspected else [])


def test_refusing_names_every_error_what_to_do_and_no_value() -> None:
    tables = good_tables()
    tables["subjects"] = tables["subjects"].assign(age_years=[777, 40, 62], menopause="secret", shoe_size=38)
    problems = check(tables)[1]
    with pytest.raises(ContractError) as refused:
        refuse(problems)
    assert str(refused.value).splitlines() == [
        "the raw tables are refused, 2 problems:",
        f"- subjects.age_years: range: 18 to 100 years in 1 rows (P3) -> {ADVICE['range']}",
        f"- subjects.menopause: levels: pre, peri, post in 3 rows (P1; P2; P3) -> {ADVICE['levels']}",
    ]
    pd.testing.assert_frame_equal(refused.value.problems, problems)


def test_warnings_alone_are_not_refused() -> None:
    refuse(problems_with("subjects", "shoe_size", 38))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_validation_changes_no_input_and_does_not_depend_on_the_order_of_rows(seed) -> None:
    tables = good_tables()
    tables["subjects"] = pd.concat([tables["subjects"]] * 2).assign(age_years=range(15, 21), zip="1", shoe=2)
    tables["surgery"]["pcr"] = ["?", "Y", None]
    rng = np.random.default_rng(seed)
    shuffled = {k: t.iloc[rng.permutation(len(t)), rng.permutation(t.shape[1])] for k, t in tables.items()}
    before = {k: t.copy(deep=True) for k, t in shuffled.items()}
    clean, problems = check(shuffled)
    expected, expected_problems = check(tables)
    pd.testing.assert_frame_equal(problems, expected_problems)
    for name in tables:
        pd.testing.assert_frame_equal(clean[name], expected[name])
        pd.testing.assert_frame_equal(shuffled[name], before[name])


def test_validating_validated_tables_changes_nothing() -> None:
    clean, _ = check(good_tables())
    again, problems = check(clean)
    assert problems.empty
    for name, frame in clean.items():
        pd.testing.assert_frame_equal(again[name], frame)


def test_ids_read_the_same_from_numbers_and_from_text() -> None:
    expected = ["756412", "1.5", None]
    for cells in (
        pd.Series([756412.0, 1.5, None]),
        pd.Series([756412, 1.5, None], dtype="object"),
        pd.Series([" 756412", "1.5", ""]),
    ):
        assert as_text(cells).astype("object").where(cells.notna() & (cells != ""), None).tolist() == expected
    assert as_text(pd.Series([7, 8])).tolist() == ["7", "8"]


def test_a_day_is_text_without_its_midnight() -> None:
    moments = pd.Series(["2026-03-04T00:00", "2026-03-04T15:30", None], dtype="datetime64[us]")
    assert as_text(moments).fillna("").tolist() == ["2026-03-04", "2026-03-04 15:30:00", ""]


def test_a_number_becomes_the_text_that_python_writes_at_every_size() -> None:
    rng = np.random.default_rng(7)
    sizes = 10.0 ** rng.uniform(-12, 20, 20_000)
    numbers = [*sizes, *-sizes[:99], *np.round(sizes, 2), 2.0**53 + 2, 1e9, 1e-4, -0.0, 1e22]
    expected = [str(int(x)) if x.is_integer() else repr(x) for x in map(float, numbers)]
    assert as_text(pd.Series(numbers)).tolist() == expected


@pytest.mark.parametrize(
    "cells",
    [
        ["2025-03-04"],
        ["2025-03-04 23:59:00"],
        ["2025-03-04T10:00+08:00"],
        [pd.Timestamp("2025-03-04 10:00", tz="Asia/Shanghai")],
        [pd.Timestamp("2025-03-04").date()],
    ],
)
def test_dates_are_read_as_the_day_written_whatever_the_time_of_day(cells) -> None:
    read, unreadable = as_type(pd.Series(cells), "date")
    assert read.tolist() == [pd.Timestamp("2025-03-04")]
    assert not unreadable.any()


@pytest.mark.parametrize(
    "cells", [[True], [pd.Timestamp("2025-01-01")], ["NA"], ["1_000"], ["0x10"], ["12 mm"]]
)
def test_what_is_no_number_is_never_read_as_one(cells) -> None:
    read, unreadable = as_type(pd.Series(cells), "float")
    assert read.isna().tolist() == [True]
    assert unreadable.tolist() == [True]


def test_an_empty_table_has_every_column_in_its_dtype() -> None:
    frame = empty_table(CONTRACT["exposure"])
    assert len(frame) == 0
    assert {c: str(frame[c].dtype) for c in ["cycle", "dose_pct", "start_date", "regimen"]} == {
        "cycle": "Int64",
        "dose_pct": "float64",
        "start_date": "datetime64[us]",
        "regimen": "str",
    }


def test_the_data_dictionary_has_one_row_for_each_column_of_the_contract() -> None:
    dictionary = data_dictionary(CONTRACT).set_index(["table", "column"])
    assert len(dictionary) == sum(len(d["columns"]) for d in DOCUMENTS.values())
    assert dictionary.loc[("subjects", "arm"), ["levels", "required", "known_at"]].tolist() == [
        "arms of the study",
        "always",
        "baseline",
    ]
    assert dictionary.loc[("lesions", "diameter_mm"), ["unit", "range"]].tolist() == ["mm", "0 to 300 mm"]
    assert dictionary.loc[("ctdna_variants", "origin"), "levels"] == "tumor; ch; germline; unknown"
    assert (dictionary["description"] != "").all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": ["usubjid"]}, "key keys is unknown, did you mean key?"),
        ({"key": ["patient"]}, "no column patient"),
        ({"timing": {"known_at": "later"}}, "timing.known_at: must be one of baseline"),
        ({"timing": {"known_at": "baseline", "reported": "x_date"}}, "no column x_date"),
        ({"columns": {"usubjid": {"type": "text", "description": "id"}}}, "type text"),
        ({"columns": {"usubjid": {"type": "string"}}}, "columns.usubjid: key description is missing"),
        (
            {"columns": {"usubjid": {"type": "string", "description": "id", "references": "x.y"}}},
            "refers to x.y",
        ),
        (
            {
                "checks": [
                    {
                        "rule": "not_before",
                        "column": "usubjid",
                        "other_table": "labs",
                        "other": "x",
                        "severity": "error",
                    }
                ]
            },
            "labs.x does not exist",
        ),
    ],
)
def test_a_contract_that_contradicts_itself_is_an_error(change, message) -> None:
    document = {
        "table": "toy",
        "description": "toy",
        "key": ["usubjid"],
        "timing": {"known_at": "baseline"},
        "columns": {"usubjid": {"type": "string", "description": "id"}},
    }
    assert list(parse_contract({"toy.yaml": document})) == ["toy"]
    with pytest.raises(UserError, match=rf"toy\.yaml.*{message}"):
        parse_contract({"toy.yaml": document | change})


def test_a_table_defined_twice_is_an_error() -> None:
    with pytest.raises(UserError, match=r"again\.yaml: table sites is defined twice"):
        parse_contract({"sites.yaml": DOCUMENTS["sites.yaml"], "again.yaml": DOCUMENTS["sites.yaml"]})
