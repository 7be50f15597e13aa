"""Variant calls of a laboratory: filters, origin by white cells, VEP's annotation, genes a panel covers."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from features.contract.validation import validate
from features.ctdna import gene_status, on_samples
from features.definitions import sample_states
from features.documents.study import parse_study
from features.gene_rules import any_pathogenic
from pipeline.sources.formats.errors import SourceError
from pipeline.sources.formats.variants import read_panel
from pipeline.sources.mapped import read_study
from pipeline.sources.tables import SourceTables
from tests.pipeline.formats import CONTRACT, study_of

HEADER = """##fileformat=VCFv4.2
##contig=<ID=17>
##contig=<ID=3>
##FILTER=<ID=lowq,Description="low quality">
##INFO=<ID=TIER,Number=1,Type=String,Description="tier">
##INFO=<ID=CSQ,Number=.,Type=String,Description="VEP. Format: Allele|Consequence|SYMBOL|HGVSp">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="reads">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="depth">
##FORMAT=<ID=AF,Number=A,Type=Float,Description="fraction">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}
"""
COLUMNS = {
    "sample_id": "SAMPLE", "gene": "CSQ/SYMBOL", "hgvsp": "CSQ/HGVSp", "vaf": "VAF",
    "t_alt_count": "ALT_COUNT", "t_depth": "DEPTH", "wbc_vaf": "NORMAL_VAF", "origin": "CALLED_ORIGIN",
}  # fmt: skip


def record(place: int, gene: str, *cells: str, passed: str = "PASS", tier: str = "I") -> str:
    info = f"TIER={tier};CSQ=T|missense_variant|{gene}|ENSP01:p.R{place}H,T|intron_variant|OTHER|"
    return "\t".join(["17", str(place), ".", "C", "T", ".", passed, info, "AD:DP:AF", *cells])


def put(folder: Path, samples: str, *records: str) -> None:
    (folder / "vcf").mkdir(exist_ok=True)
    text = HEADER.format(samples=samples.replace(" ", "\t")) + "".join(f"{line}\n" for line in records)
    (folder / "vcf" / f"{samples.split(maxsplit=1)[0]}.vcf").write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two plasma samples of two patients: the first with white cells, the second without."""
    (tmp_path / "people.csv").write_text("id,arm\nP1,ADAPTIVE\nP2,ADAPTIVE\n")
    (tmp_path / "draws.csv").write_text(
        "id,sample,visit,assay,qc,result,vaf,lod\n"
        "P1,S1,baseline,panel_a,pass,detected,0.02,0.001\nP2,S2,baseline,panel_b,pass,detected,0.02,0.001\n"
    )
    (tmp_path / "a.bed").write_text("#regions\n17\t1\t9000\tTP53\n3\t1\t900\tPIK3CA\n3\t2000\t2900\tPIK3CA\n")
    (tmp_path / "b.bed").write_text("17\t1\t9000\tTP53\n")
    put(
        tmp_path, "S1 S1-WBC",
        record(175, "TP53", "980,20:1000:.", "1000,0:1000:."),
        record(220, "DNMT3A", "980,20:1000:.", "985,15:1000:."),
        record(248, "BRCA2", "510,490:1000:.", "520,480:1000:."),
        record(273, "TET2", "997,3:1000:.", "1000,0:1000:."),
        record(282, "ERBB2", "950,50:1000:.", "1000,0:1000:.", passed="lowq"),
        record(290, "AKT1", "950,50:1000:.", "1000,0:1000:.", tier="III"),
    )  # fmt: skip
    put(
        tmp_path, "S2",
        record(175, "TP53", ".:.:0.05"), record(180, "PTEN", "1000,0:1000:0"),
    )  # fmt: skip
    return tmp_path


def read(folder: Path, **calls: Any) -> SourceTables:
    """Read the folder with the settings of `calls`."""
    by_id = {"id": {"column": "id"}}
    files = {
        "people": {"path": "people.csv", **by_id},
        "draws": {"path": "draws.csv", **by_id},
        "vcf": {"path": "vcf/*.vcf", "calls": calls},
    }
    samples = {
        "sample_id": "sample", "visit": "visit", "assay_id": "assay", "qc": "qc", "result": "result",
        "mean_vaf": "vaf", "lod_vaf": "lod",
        "panel_genes": {"from": "assay", "panels": {"panel_a": "a.bed", "panel_b": "b.bed"}},
        "assay_type": {"constant": "fixed_panel"},
    }  # fmt: skip
    tables = {
        "subjects": [{"file": "people", "columns": {"arm": "arm"}}],
        "surgery": [{"file": "people", "columns": {"performed": {"constant": "N"}}}],
        "ctdna_samples": [{"file": "draws", "columns": samples}],
        "ctdna_variants": [{"file": "vcf", "columns": COLUMNS}],
    }
    study = study_of([], mapping={"patients": "people", "files": files, "tables": tables})
    return read_study(study, folder, CONTRACT)


def genes(source: SourceTables) -> list[str]:
    return list(source.tables["ctdna_variants"]["gene"])


def left_out(source: SourceTables) -> dict[str, int]:
    return dict(zip(source.dropped["reason"], source.dropped["rows"], strict=True))


def test_white_cells_decide_where_a_variant_comes_from(folder: Path) -> None:
    rows = read(folder, passing=False).tables["ctdna_variants"].set_index(["sample_id", "gene"])["origin"]
    assert rows["S1"].to_dict() == {
        "TP53": "tumor", "DNMT3A": "ch", "BRCA2": "germline", "TET2": "tumor", "ERBB2": "tumor",
        "AKT1": "tumor",
    }  # fmt: skip
    assert rows["S2"].to_dict() == {"TP53": "unknown"}, "white cells were not sequenced"


def test_thresholds_of_the_origin_are_settings(folder: Path) -> None:
    strict = read(folder, origin={"germline_from": 0.6, "blood_from": 0.02}).tables["ctdna_variants"]
    origin = strict.set_index(["sample_id", "gene"])["origin"]["S1"]
    assert (origin["BRCA2"], origin["DNMT3A"]) == ("ch", "tumor")
    far = read(folder, origin={"blood_ratio": 1.2}).tables["ctdna_variants"]
    assert far.set_index(["sample_id", "gene"])["origin"]["S1", "DNMT3A"] == "tumor", (
        "1.33 times that in blood"
    )


def test_every_filter_leaves_out_its_rows_and_counts_them(folder: Path) -> None:
    everything = read(folder, passing=False)
    assert genes(everything) == ["TP53", "DNMT3A", "BRCA2", "TET2", "ERBB2", "AKT1", "TP53"]
    absent = {"no reads of the variant in the sample": 1}
    assert left_out(everything) == absent, "PTEN stands in the file of S2, which does not have it"
    usual = read(folder)
    assert "ERBB2" not in genes(usual)
    assert left_out(usual) == absent | {"FILTER not PASS": 1}
    few = read(folder, min_alt_count=4)
    assert "TET2" not in genes(few)
    assert left_out(few)["fewer than 4 reads"] == 1
    assert genes(few)[-1] == "TP53", "an unknown count is not a small one"
    low = read(folder, min_vaf=0.03, passing=False)
    assert genes(low) == ["BRCA2", "ERBB2", "AKT1", "TP53"]
    assert left_out(low)["allele fraction below 0.03"] == 3
    tiers = read(folder, tier_column="INFO/TIER", tiers=["I", "II"])
    assert "AKT1" not in genes(tiers)
    assert left_out(tiers)["INFO/TIER not I or II"] == 1


def test_counts_stand_before_the_callers_fraction(folder: Path) -> None:
    rows = read(folder).tables["ctdna_variants"].set_index(["sample_id", "gene"])
    first, second = rows.loc[("S1", "TP53")], rows.loc[("S2", "TP53")]
    assert [float(first[name]) for name in ("vaf", "t_alt_count", "t_depth", "wbc_vaf")] == [
        0.02,
        20,
        1000,
        0,
    ]
    assert float(second["vaf"]) == 0.05
    assert second[["t_alt_count", "t_depth", "wbc_vaf"]].isna().all()
    assert first["hgvsp"] == "p.R175H"


def test_several_plasma_samples_may_stand_in_one_file(folder: Path) -> None:
    for path in (folder / "vcf").iterdir():
        path.unlink()
    put(folder, "S1 S1-WBC S2", record(175, "TP53", "90,10:100:.", "100,0:100:.", "100,0:100:."))
    source = read(folder)
    assert source.tables["ctdna_variants"]["sample_id"].tolist() == ["S1"]
    assert left_out(source) == {"no reads of the variant in the sample": 1}
    put(folder, "S1-WBC", record(175, "TP53", "90,10:100:."))
    with pytest.raises(SourceError, match="1 white-cell columns without a plasma sample"):
        read(folder)


def test_a_gene_that_the_panel_does_not_cover_is_unknown_and_not_wild_type(folder: Path) -> None:
    study = study_of([])
    tables = validate(read(folder).tables, CONTRACT, parse_study(study).vocabulary)[0]
    samples = tables["ctdna_samples"].sort_values("sample_id", ignore_index=True)
    assert samples["panel_genes"].tolist() == ["PIK3CA;TP53", "TP53"]
    samples["state"] = sample_states(samples)
    sets = {"tp53": any_pathogenic(["TP53"]), "pik3ca": any_pathogenic(["PIK3CA"])}
    variants = on_samples(tables["ctdna_variants"].assign(pathogenic="Y"), samples)
    status = gene_status(samples, variants, sets)
    assert status["pik3ca"].tolist() == ["wild_type", "unknown"]
    assert status["tp53"].tolist() == ["mutated", "unknown"], "S2: mutated, of unknown origin"


def test_a_panel_without_genes_or_a_panel_that_is_not_listed_is_refused(folder: Path) -> None:
    (folder / "b.bed").write_text("17\t1\t9000\n")
    with pytest.raises(SourceError, match=r"b\.bed: 1 of 1 regions have no gene in the fourth column"):
        read_panel(folder / "b.bed", "b.bed")
    (folder / "draws.csv").write_text((folder / "draws.csv").read_text().replace("panel_b", "panel_c"))
    with pytest.raises(SourceError, match="1 rows name a panel that `panels` does not list"):
        read(folder)
    with pytest.raises(SourceError, match="there is no such file"):
        read_panel(folder / "c.bed", "c.bed")


def test_the_read_counts_of_a_maf_give_its_fractions_and_origins(folder: Path) -> None:
    columns = ["Tumor_Sample_Barcode", "Hugo_Symbol", "t_alt_count", "t_ref_count", "n_alt_count", "n_depth"]
    rows = [
        ("S1", "TP53", 20, 980, 0, 1000),
        ("S1", "DNMT3A", 20, 980, 15, 1000),
        ("S2", "TP53", 5, 95, "", ""),
    ]
    frame = pd.DataFrame(rows, columns=columns)
    frame.to_csv(folder / "calls.maf", sep="\t", index=False)
    source = {"sample_id": columns[0], "gene": columns[1], "vaf": "VAF", "origin": "CALLED_ORIGIN"}
    files = {
        "people": {"path": "people.csv", "id": {"column": "id"}},
        "maf": {"path": "calls.maf", "calls": {"min_vaf": 0.01}},
    }
    tables = {
        "subjects": [{"file": "people", "columns": {"arm": "arm"}}],
        "surgery": [{"file": "people", "columns": {"performed": {"constant": "N"}}}],
        "ctdna_variants": [{"file": "maf", "columns": source}],
    }
    study = study_of([], mapping={"patients": "people", "files": files, "tables": tables})
    found = read_study(study, folder, CONTRACT).tables["ctdna_variants"]
    assert found["origin"].tolist() == ["tumor", "ch", "unknown"]
    assert found["vaf"].astype(float).tolist() == [0.02, 0.02, 0.05]
