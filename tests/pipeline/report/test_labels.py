"""Labels in place of keys: short, without underscores, no two features alike."""

from pathlib import Path

import pytest

from features.errors import UserError
from pipeline.project.settings import read_settings
from pipeline.report.labels import MAX_LENGTH, Labels, LabelSettings
from pipeline.report.settings import PageSettings

SETTINGS = read_settings(PageSettings, Path("configs/report_pages.yaml"))
LABELS = Labels(SETTINGS.labels, ["baseline", "c1", "t1"])


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("age_years", "Age"),
        ("ctdna_c1_state", "ctDNA, C1"),
        ("imaging_baseline_sum_mm", "Sum of diameters, baseline"),
        ("imaging_longest_diameter_t1_change", "Longest diameter change, T1"),
        ("biomarker_gene_x", "Gene x"),
        ("rna:*", "RNA, all columns"),
        ("slides:*", "Slides, all columns"),
        ("biomarker_mtor_s2448", "mTOR S2448"),
        ("biomarker_mp_index_adj", "MammaPrint index adjusted"),
        ("biomarker_her2_rna", "HER2 RNA"),
        ("something_else", "Something else"),
        (
            "imaging_the_longest_name_of_a_measurement_t1",
            "The longest name of a measureme\N{HORIZONTAL ELLIPSIS}",
        ),
    ],
)
def test_a_feature_is_called_by_its_label_or_template_or_by_its_words(name: str, label: str) -> None:
    assert LABELS.feature(name) == label
    assert len(label) <= MAX_LENGTH


def test_features_of_one_label_are_told_apart() -> None:
    long = [f"biomarker_{'x' * 40}_{i}" for i in range(12)]
    labels = LABELS.features(["age_years", *long])
    assert len(set(labels.values())) == 13
    assert max(map(len, labels.values())) <= MAX_LENGTH


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("CONTROL_TCBHP", "Control (TCbHP)"),
        ("R1>R5", "R1 \N{RIGHTWARDS ARROW} R5"),
        ("r4_ctdna_time: c1", "R4, time of ctDNA: C1"),
        ("Diarrhoea, grade 3 or more", "Diarrhoea, grade 3 or more"),
        ("an_own_arm", "an own arm"),
        ("ctdna_samples", "ctDNA samples"),
        ("foci_differ_in_her2", "foci differ in HER2"),
        ("ADC|ACH", "ADC or AC+H"),
    ],
)
def test_a_key_is_called_by_its_label_or_by_its_words_also_joined(key: str, label: str) -> None:
    assert LABELS.name(key) == label


def test_keys_inside_a_sentence_are_called_by_their_labels() -> None:
    assert LABELS.text("wild_type = none; age_years, ypT0/is_ypN0.") == (
        "no variant, genes covered = none; Age, ypT0/is ypN0."
    )


def test_a_gene_in_a_sentence_is_written_as_genes_are_and_no_part_of_a_word_or_path_is() -> None:
    assert LABELS.text("Variant of pam in plasma") == "Variant of PAM in plasma"
    assert LABELS.text("pamphlet, data/pam/x.csv") == "pamphlet, data/pam/x.csv"


def test_a_visit_in_a_sentence_is_called_by_its_label() -> None:
    assert LABELS.text("State of imaging at c1; after baseline") == "State of imaging at C1; after baseline"


def test_what_is_said_of_a_feature_beside_its_description_stands_behind_it() -> None:
    told = LABELS.described("ctdna_c1_vaf_change_panel", "Change up to c1")
    assert told == "Change up to C1; ratio 1, no change, also where nothing was detected at either visit"
    assert LABELS.described("age_years", "Age") == "Age"


@pytest.mark.parametrize("label", ["x" * 33, "with_underscore"])
def test_a_label_that_is_too_long_or_has_an_underscore_is_refused(label: str) -> None:
    with pytest.raises(UserError, match="at most 32 characters and no underscore"):
        LabelSettings({}, {}, {"key": label})
