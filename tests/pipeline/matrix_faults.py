"""Faults of matrix files of assays, with what must be answered: for their tests and docs/wrong-inputs.md."""

# ruff: noqa: E501 - one fault a line

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GENES = "gene,S-P2-T,S-P1-T,S-P9-T\nESR1,2,1,9\nPGR,5.5,NA,9\nERBB2,7,8,9\n"
GCT = (
    "#1.3\n3\t3\t1\t1\nid\tchr\tS-P2-T\tS-P1-T\tS-P9-T\nage\tna\t50\t60\t70\n"
    "ESR1\t6\t2\t1\t9\nPGR\t11\t5.5\t\t9\nERBB2\t17\t7\t8\t9\n"
)
TABS = GENES.replace(",", "\t")
BY_PATIENT: dict[str, Any] = {"rows": "patients", "id": {"column": "ID"}}
OF_GCT: dict[str, Any] = {"id": {"column": "id"}}
ANY_ID: dict[str, Any] = {"id": {"column": "gene", "pattern": "S-(.+)-T"}}
SIZES = "3\t3\t1\t1"


@dataclass(frozen=True)
class MatrixFault:
    """A file of patients P1 and P2, what is wrong with it, and words of the answer."""

    what: str
    content: str | bytes
    words: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    name: str = "rna.csv"


REFUSED = [
    MatrixFault("a last line that is cut off", GENES[:-3], ("no line end",)),
    MatrixFault("a row with fewer cells", GENES.replace("PGR,5.5,NA,9", "PGR,5.5,NA"), ("line 3 has 3, the header 4", "the file is whole")),
    MatrixFault("a header with one name fewer, as of R's write.table", GENES.replace("gene,", "", 1), ("line 2 has 4, the header 3", "col.names = NA")),
    MatrixFault("0 bytes", "", ("0 bytes",)),
    MatrixFault("a gzipped file named .csv", gzip.compress(GENES.encode()), ("gzipped",)),
    MatrixFault("a web page in place of the matrix", "<!DOCTYPE html><html>404</html>\n", ("web page",)),
    MatrixFault("a zero byte", GENES.replace("PGR", "P\x00R"), ("line 3", "zero byte")),
    MatrixFault("another encoding", GENES.replace("PGR", "PGµ").encode("cp1252"), ("cannot be read as utf-8",)),
    MatrixFault("an encoding that there is not", GENES, ("cannot be read as klingon",), {"encoding": "klingon"}),
    MatrixFault("a limit in place of a number", GENES.replace("NA", "<LOD"), ("column 3", "the first in row 2", "`missing`")),
    MatrixFault("decimal commas", GENES.replace(",", ";").replace("5.5", "5,5"), ("column 2", "`decimal`"), {"separator": ";"}),
    MatrixFault("a number that no measurement can be", GENES.replace("5.5", "1e300"), ("1 cells are beyond 1e+100",)),
    MatrixFault("another separator", GENES.replace(",", ";"), ("the header has one cell only", "`separator`")),
    MatrixFault("an index without a name", GENES.replace("gene", ""), ("the first of its 4 columns is ''",)),
    MatrixFault("an identifier's column among the samples", GENES.replace("S-P9-T", "Entrez"), ("1 of its 3 columns (Entrez)", "`annotation`")),
    MatrixFault("several files by a pattern", GENES, ("one file is read",), {"path": "rna-?.csv"}),
    MatrixFault("a GCT that is cut off", GCT.rpartition("ERBB2")[0], ("says 3 rows and 3 samples", "there are 2 and 3"), OF_GCT, "rna.gct"),
    MatrixFault("a GCT with a row of metadata that it does not count", GCT.replace(SIZES, "3\t3\t1\t0"), ("there are 4 and 3",), OF_GCT, "rna.gct"),
    MatrixFault("a GCT that counts a sample as metadata", GCT.replace(SIZES, "3\t3\t2\t1"), ("there are 3 and 2",), OF_GCT, "rna.gct"),
    MatrixFault("names that begin with a quotation mark", TABS.replace("PGR", '"PGR').replace("ERBB2", '"ERBB2'), ("quotation mark",), {}, "rna.tsv"),
    MatrixFault("a feature called as the patients' ids are", "ID,usubjid,PGR\nP1,1,2\nP2,3,4\n", ("no feature can be called usubjid",), BY_PATIENT),
    MatrixFault("one patient in common", "ID,PGR\nP1,1\nP9,2\n", ("no feature varies among its 1 patients",), BY_PATIENT),
    MatrixFault("ids in another case, all of them", "ID,ESR1\np1,1\nP-02,2\nX,3\n", ("none of its 3 samples", "2 differ in case, zeros or marks"), BY_PATIENT),
]  # fmt: skip

TOLD = [
    MatrixFault("names and patterns that no feature has", GENES, ("not_found", "(ERRB2, KRT*)"), {"features": ["ESR1", "ERRB2", "KRT*", "ERBB?"]}),
    MatrixFault("a date in place of a gene", GENES.replace("ESR1", "1-Mar"), ("spreadsheet_names", "(1-Mar)")),
    MatrixFault("a rounded number in place of a gene", GENES.replace("ESR1", "2.31E+13"), ("spreadsheet_names", "(2.31E+13)")),
    MatrixFault("an aligner's counts among the genes", GENES.replace("ESR1", "__no_feature"), ("no_measurement", "(__no_feature)")),
    MatrixFault("a row of totals among the genes", GENES + "PR,1,3,9\nTotal,15.5,12,36\n", ("no_measurement", "(Total)")),
    MatrixFault("counts, and no scale", GENES.replace("5.5", "5500"), ("scale", "no `scale` is said")),
    MatrixFault("counts said to be logarithms", GENES.replace("5.5", "5500"), ("scale", "said to be logarithms"), {"scale": "log"}),
    MatrixFault("logarithms said to be linear", GENES, ("scale", "said to be linear"), {"scale": "linear"}),
    MatrixFault("negative counts", GENES.replace("5.5", "-5.5"), ("scale", "values are negative"), {"scale": "linear"}),
    MatrixFault("methylation in per cent", GENES, ("scale", "neither shares"), {"type": "methylation"}),
    MatrixFault("intensities of 0", GENES.replace("5.5", "0"), ("zeros",), {"type": "protein", "scale": "linear"}),
    MatrixFault("an id in another case and with marks", GENES.replace("S-P9", "S-p-03"), ("ids_apart",), ANY_ID),
]  # fmt: skip
