"""Variant calls written as VCF 4.2: one file for each plasma sample, its white cells beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cyvcf2
import pandas as pd

from pipeline.sources.formats.source_file import SourceFile

HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##ALT=<ID=CALL,Description="A call whose bases are not given">
##contig=<ID=unplaced>
{info}##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads of each allele">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=AF,Number=1,Type=Float,Description="Allele fraction">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}
"""


def write_vcfs(pattern: Path, frame: pd.DataFrame, file: SourceFile) -> None:
    """Write one VCF for each SAMPLE of `frame`, named by the pattern's * (bgzipped where it ends in .gz).

    The contract has protein changes and no places in the genome: all records stand on a contig `unplaced`.
    """
    assert file.calls is not None  # noqa: S101 - the study file was checked
    fields = sorted(str(c) for c in frame if str(c).startswith("INFO/"))
    info = "".join(f'##INFO=<ID={c[5:]},Number=1,Type=String,Description="{c[5:]}">\n' for c in fields)
    for sample, calls in frame.groupby("SAMPLE", sort=True):
        sequenced = bool(calls["NORMAL_VAF"].notna().any())
        names = [str(sample)] + [file.calls.normal.replace("{sample}", str(sample))] * sequenced
        header = HEADER.format(info=info, samples="\t".join(names))
        path = str(pattern).replace("*", str(sample))
        writer = cyvcf2.Writer.from_string(path, header, mode="wz" if path.endswith(".gz") else "w")
        writer.write_header()
        for position, call in enumerate(calls.to_dict("records"), start=1):
            writer.write_record(writer.variant_from_string(_record(position, call, fields, sequenced)))
        writer.close()


def _record(position: int, call: Mapping[Any, Any], fields: list[str], sequenced: bool) -> str:
    info = ";".join(f"{c[5:]}={call[c]}" for c in fields if not pd.isna(call[c])) or "."
    alt, depth, vaf = call["ALT_COUNT"], call["DEPTH"], call["VAF"]
    reads = "." if pd.isna(alt) or pd.isna(depth) else f"{depth - alt:.0f},{alt:.0f}"
    columns = [f"{reads}:{'.' if pd.isna(depth) else format(depth, '.0f')}:{vaf:.9g}"]
    if sequenced:
        normal = call["NORMAL_VAF"]
        columns.append(f".:.:{'.' if pd.isna(normal) else format(normal, '.9g')}")
    return "\t".join(["unplaced", str(position), ".", "N", "<CALL>", ".", "PASS", info, "AD:DP:AF", *columns])
