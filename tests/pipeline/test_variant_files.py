"""Habits of variant files that decide whether TP53 counts as mutated: read as meant, told, or refused."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.contract.validation import ContractError
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.ingest import Ingested
from tests.pipeline.formats import study_of, taken_in

PANEL = "TP53;PIK3CA;ERBB2;AKT1;MTOR;PTEN"
GENES = PANEL.split(";")
MISSENSE = "Missense_Mutation"
CALLS = {
    "Tumor_Sample_Barcode": "S1", "Hugo_Symbol": "TP53", "HGVSp_Short": "p.R273H",
    "Variant_Classification": "Missense_Mutation", "t_depth": "1000", "t_alt_count": "20",
}  # fmt: skip
VEP = "Format: Allele|Consequence|IMPACT|SYMBOL|Gene|Feature|PICK|HGVSc|HGVSp"
VCF = f"""##fileformat=VCFv4.2
##contig=<ID=chr17>
##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. {VEP}">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="reads">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
"""


def taken(folder: Path, file: dict[str, Any], columns: dict[str, Any], panel: str = PANEL) -> Ingested:
    """Return what the raw stage makes of a patient with one sample, and its variants in a file."""
    (folder / "people.csv").write_text("id,arm\nP1,ADAPTIVE\n")
    (folder / "draws.csv").write_text(
        f'id,sample,visit,qc,result,vaf,lod,panel\nP1,S1,baseline,pass,detected,0.02,0.001,"{panel}"\n'
    )
    by_id = {"id": {"column": "id"}}
    files = {
        "people": {"path": "people.csv", **by_id}, "draws": {"path": "draws.csv", **by_id},
        "calls": file | {"calls": {}},
    }  # fmt: skip
    samples = {
        "sample_id": "sample", "visit": "visit", "qc": "qc", "result": "result", "mean_vaf": "vaf",
        "lod_vaf": "lod", "panel_genes": "panel", "assay_type": {"constant": "fixed_panel"},
    }  # fmt: skip
    tables = {
        "subjects": [{"file": "people", "columns": {"arm": "arm"}}],
        "surgery": [{"file": "people", "columns": {"performed": {"constant": "N"}}}],
        "ctdna_samples": [{"file": "draws", "columns": samples}],
        "ctdna_variants": [{"file": "calls", "columns": columns}],
    }
    return taken_in(study_of([], mapping={"patients": "people", "files": files, "tables": tables}), folder)


def maf(folder: Path, *rows: dict[str, str], panel: str = PANEL, name: str = "calls.maf") -> Ingested:
    frame = pd.DataFrame([CALLS | row for row in rows])
    lines = ["#version 2.4", "\t".join(frame), *("\t".join(row) for row in frame.to_numpy())]
    (folder / name).write_text("\n".join(lines) + "\n")
    columns = {
        "sample_id": "Tumor_Sample_Barcode", "gene": "Hugo_Symbol", "hgvsp": "HGVSp_Short",
        "classification": "Variant_Classification", "vaf": "VAF", "origin": "CALLED_ORIGIN",
    }  # fmt: skip
    separator = {} if name.endswith(".maf") else {"separator": "\t"}
    return taken(folder, {"path": name} | separator, columns, panel)


def vcf(folder: Path, annotation: str, panel: str = PANEL) -> Ingested:
    info = f"CSQ={annotation}" if annotation else "."
    record = ["chr17", "7675000", ".", "C", "T", ".", "PASS", info, "AD", "980,20"]
    (folder / "a.vcf").write_text(VCF + "\t".join(record) + "\n")
    columns = {
        "sample_id": "SAMPLE", "gene": "CSQ/SYMBOL", "hgvsp": "CSQ/HGVSp",
        "classification": "CSQ/Consequence",
        "vaf": "VAF", "origin": "CALLED_ORIGIN",
    }  # fmt: skip
    return taken(folder, {"path": "*.vcf"}, columns, panel)


def test_a_file_of_which_no_record_is_annotated_is_refused_by_its_genes(tmp_path: Path) -> None:
    with pytest.raises(
        ContractError, match=r"ctdna_variants\.gene \[.*CSQ/SYMBOL\]: required_value in 1 rows"
    ):
        vcf(tmp_path, "")


PROTEIN_FORMS = {
    "R273H": "p.R273H", "p.(R273H)": "p.R273H", "ENSP00000269305.4:p.R273H": "p.R273H", "p.R213X": "p.R213*",
    "p.Arg213Ter": "p.R213*", "p.Arg213fs": "p.R213fs",
}  # fmt: skip


def test_protein_changes_in_other_programs_forms_are_one_form_and_counted(tmp_path: Path) -> None:
    classes = {"p.R213*": "Nonsense_Mutation", "p.R213fs": "Frame_Shift_Del"}
    rows = [
        {"HGVSp_Short": written, "Hugo_Symbol": gene, "Variant_Classification": classes.get(meant, MISSENSE)}
        for (written, meant), gene in zip(PROTEIN_FORMS.items(), GENES, strict=True)
    ]
    raw = maf(tmp_path, *rows, panel=";".join(GENES))
    found = raw.tables["ctdna_variants"].set_index("gene")["hgvsp"]
    assert found[GENES].tolist() == list(PROTEIN_FORMS.values())
    assert raw.problems.set_index("rule")["rows"].filter(like="short_hgvs").tolist() == [len(rows)]


def called(raw: Ingested) -> list[tuple[str, str]]:
    variants = raw.tables["ctdna_variants"]
    return list(zip(variants["gene"], variants["hgvsp"], strict=True))


def rules(raw: Ingested) -> list[str]:
    return [str(rule).partition(":")[0] for rule in raw.problems["rule"]]


BESIDE = "T|intron_variant|MODIFIER|TP53-AS1|ENSG4|ENST4||ENST4:n.1G>A|"
WITHIN = "T|missense_variant|MODERATE|TP53|ENSG5|ENST5|1|ENST5:c.818G>A|ENSP5:p.Arg273His"


def test_a_tp53_mutation_is_not_lost_to_the_first_transcript(tmp_path: Path) -> None:
    assert called(vcf(tmp_path, f"{BESIDE},{WITHIN}")) == [("TP53", "p.R273H")]
    assert called(vcf(tmp_path, f"{BESIDE},{WITHIN}".replace("|1|", "||"))) == [("TP53", "p.R273H")]


def test_genes_that_no_annotation_tells_apart_are_refused_unless_the_panel_does(tmp_path: Path) -> None:
    both = f"{WITHIN},{WITHIN.replace('TP53', 'WRAP53')}".replace("|1|", "||")
    with pytest.raises(SourceError, match="record at chr17:7675000 is annotated with several genes"):
        vcf(tmp_path, both, panel="")
    assert called(vcf(tmp_path, both)) == [("TP53", "p.R273H")]


@pytest.mark.parametrize("name", ["calls.maf", "calls.txt", "calls.tsv"])
def test_a_hash_and_a_quotation_mark_inside_a_row_are_text(tmp_path: Path, name: str) -> None:
    rows = [
        {"Note": 'panel #2 "b', "FILTER": "weak_evidence", "n_depth": "800", "n_alt_count": "400"},
        {
            "HGVSp_Short": "p.R175H",
            "Note": "panel #2",
            "FILTER": "PASS",
            "n_depth": "800",
            "n_alt_count": "400",
        },
    ]
    raw = maf(tmp_path, *rows, name=name)
    assert called(raw) == [("TP53", "p.R175H")]
    assert raw.tables["ctdna_variants"]["origin"].tolist() == ["germline"]
    assert raw.dropped["reason"].tolist() == ["FILTER not PASS"]


def test_a_file_of_which_every_row_fails_its_filter_is_refused_with_the_reason(tmp_path: Path) -> None:
    rows = [{"FILTER": "weak_evidence"}, {"FILTER": "strand_bias", "HGVSp_Short": "p.R175H"}]
    with pytest.raises(
        SourceError, match=r"no row is left \(kept: all; left out: FILTER not PASS: 2\); .*`calls`"
    ):
        maf(tmp_path, *rows)


def test_the_white_cells_depth_is_the_sum_of_their_two_counts(tmp_path: Path) -> None:
    rows = [
        {"n_ref_count": "400", "n_alt_count": "400", "n_depth": ""},
        {"Hugo_Symbol": "PIK3CA", "n_ref_count": "790", "n_alt_count": "10", "n_depth": ""},
    ]
    origins = maf(tmp_path, *rows).tables["ctdna_variants"].set_index("gene")["origin"]
    assert origins.to_dict() == {"TP53": "germline", "PIK3CA": "ch"}


@pytest.mark.parametrize(
    ("symbol", "rule"),
    [("tp53", "gene_symbol"), ("p53", "gene_symbol"), ("ENSG00000141510.18", "gene_symbol"), ("TP53", None)],
)
def test_tp53_by_another_name_is_tp53_and_counted(tmp_path: Path, symbol: str, rule: str | None) -> None:
    raw = maf(tmp_path, {"Hugo_Symbol": symbol})
    assert called(raw) == [("TP53", "p.R273H")]
    assert rules(raw) == ([] if rule is None else [rule])


@pytest.mark.parametrize("symbol", ["TP53-AS1", "TP35", "EGFR"])
def test_a_call_in_a_gene_that_the_samples_panel_does_not_list_is_refused(
    tmp_path: Path, symbol: str
) -> None:
    with pytest.raises(
        ContractError, match=r"Hugo_Symbol\]: gene_not_on_panel: of its sample in 1 rows \(S1\)"
    ):
        maf(tmp_path, {"Hugo_Symbol": symbol})


def test_without_a_panel_an_unknown_symbol_is_a_warning(tmp_path: Path) -> None:
    raw = maf(tmp_path, {"Hugo_Symbol": "TP35"}, panel="")
    assert called(raw) == [("TP35", "p.R273H")]
    assert rules(raw) == ["gene_symbol_unknown"]


@pytest.mark.parametrize(
    "panel", ["TP53, PIK3CA, MLL2", "TP53,PIK3CA,KMT2D", "tp53|PIK3CA|KMT2D", "TP53 PIK3CA KMT2D"]
)
def test_a_panels_genes_may_be_separated_by_anything(tmp_path: Path, panel: str) -> None:
    raw = maf(tmp_path, {"Hugo_Symbol": "KMT2D"}, panel=panel)
    assert raw.tables["ctdna_samples"]["panel_genes"].tolist() == ["TP53;PIK3CA;KMT2D"]
    assert "panel_separator" in rules(raw)


def test_a_gene_that_a_spreadsheet_turned_into_a_date_is_repaired_or_refused(tmp_path: Path) -> None:
    raw = maf(tmp_path, {"Hugo_Symbol": "2025-09-02 00:00:00"}, panel="")
    assert called(raw) == [("SEPTIN2", "p.R273H")]
    assert rules(raw) == ["gene_symbol"]
    with pytest.raises(
        SourceError, match=r"'Hugo_Symbol': 1 rows \(S1\) hold a date in place of a gene symbol"
    ):
        maf(tmp_path, {"Hugo_Symbol": "1-Mar"})


def test_calls_between_genes_are_left_out_and_counted(tmp_path: Path) -> None:
    raw = maf(tmp_path, {}, {"Hugo_Symbol": "Unknown", "HGVSp_Short": ""})
    assert called(raw) == [("TP53", "p.R273H")]
    assert raw.dropped[["reason", "rows"]].to_numpy().tolist() == [
        ["between genes: no symbol, or Unknown", 1]
    ]


def test_long_and_short_form_of_one_change_are_one_variant(tmp_path: Path) -> None:
    assert called(maf(tmp_path, {"HGVSp_Short": "ENSP1:p.(Arg273His)"})) == [("TP53", "p.R273H")]
    with pytest.raises(ContractError, match="duplicate_key: sample_id, gene, hgvsp in 2 rows"):
        maf(tmp_path, {}, {"HGVSp_Short": "p.Arg273His"})


def test_a_fraction_that_the_counts_contradict_is_a_warning(tmp_path: Path) -> None:
    raw = maf(tmp_path, {"t_vaf": "0.2"})
    assert raw.tables["ctdna_variants"]["vaf"].tolist() == [0.02]
    assert rules(raw) == ["fraction_contradicts_counts"]
