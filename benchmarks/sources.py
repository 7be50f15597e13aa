"""One million variants (MAF) and 200,000 lesion rows (CSV): read, checked and turned into features."""

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.documents.study import parse_study
from pipeline.project.files import read_yaml
from pipeline.sources.ingest import ingest
from pipeline.sources.mapped import with_standards
from pipeline.sources.prepare import prepare, read_preparation

CONFIGS = Path("configs")
PATIENTS, VARIANTS, LESIONS = 10_000, 1_000_000, 200_000
GENES = [f"GENE{i}" for i in range(300)] + ["PIK3CA", "PTEN", "TP53"]


def write_files(folder: Path) -> None:
    """Write a cohort of 10,000 patients with two samples each, 50 variants a sample, and 20 lesion rows."""
    rng = np.random.default_rng(1)
    ids = np.char.add("P", np.char.zfill(np.arange(PATIENTS).astype(str), 5))
    pd.DataFrame({"ID": ids, "Arm": "ADAPTIVE", "Age": rng.integers(25, 75, PATIENTS)}).to_csv(
        folder / "subjects.csv", index=False
    )
    done = {"ID": ids, "Done": "Y", "ypT": rng.choice(["ypT0", "ypT1"], PATIENTS), "ypN": "ypN0"}
    pd.DataFrame(done).to_csv(folder / "surgery.csv", index=False)
    samples = pd.DataFrame({"ID": np.repeat(ids, 2), "Visit": np.tile(["baseline", "c1"], PATIENTS)})
    samples["Sample"] = samples["ID"] + "-" + samples["Visit"]
    samples = samples.assign(QC="pass", Result="detected", VAF=0.02, LOD=0.001, Kind="fixed_panel")
    samples.to_csv(folder / "samples.csv", index=False)
    per_sample = VARIANTS // len(samples)
    order = np.argsort(rng.random((len(samples), len(GENES))), axis=1)[:, :per_sample]
    alt = rng.integers(1, 500, VARIANTS)
    pd.DataFrame(
        {
            "Tumor_Sample_Barcode": np.repeat(samples["Sample"].to_numpy(), per_sample),
            "Hugo_Symbol": np.array(GENES)[order.ravel()],
            "HGVSp_Short": "p.A1B",
            "Variant_Classification": "Missense_Mutation",
            "t_alt_count": alt,
            "t_depth": alt + rng.integers(1_000, 5_000, VARIANTS),
            "wbc_vaf": rng.choice([0.0, 0.01], VARIANTS),
            "ORIGIN": rng.choice(["tumor", "ch"], VARIANTS),
            "PATHOGENIC": rng.choice(["Y", "VUS"], VARIANTS),
            "IN_TISSUE": "not_tested",
        }
    ).to_csv(folder / "ctdna.maf", sep="\t", index=False)
    keys = pd.MultiIndex.from_product(
        [ids, ["L1", "L2", "L3", "L4", "L5"], ["baseline", "c2"], ["INVESTIGATOR", "INDEPENDENT"]],
        names=["ID", "Lesion", "Visit", "Reader"],
    )
    lesions = keys.to_frame(index=False).assign(
        Method="MRI", Target="target", Site="breast", Axis="longest", Status="done"
    )
    lesions.assign(Diameter=rng.integers(5, 60, len(lesions))).to_csv(folder / "lesions.csv", index=False)


def study() -> dict[str, Any]:
    """Return the study file of these files."""
    base = read_yaml(CONFIGS / "studies" / "nct07239271.yaml")
    own = {
        "subjects": {"arm": "Arm", "age_years": "Age"},
        "surgery": {"performed": "Done", "yp_t": "ypT", "yp_n": "ypN"},
        "samples": {
            "sample_id": "Sample", "visit": "Visit", "qc": "QC", "result": "Result", "mean_vaf": "VAF",
            "lod_vaf": "LOD", "assay_type": "Kind",
        },
        "lesions": {
            "lesion_id": "Lesion", "visit": "Visit", "reader": "Reader", "method": "Method",
            "target": "Target", "site": "Site", "axis": "Axis", "diameter_mm": "Diameter", "status": "Status",
        },
    }  # fmt: skip
    names = {"samples": "ctdna_samples"}
    mapping = {
        "patients": "subjects",
        "files": {name: {"path": f"{name}.csv", "id": {"column": "ID"}} for name in own},
        "tables": {names.get(n, n): [{"file": n, "columns": columns}] for n, columns in own.items()},
    }
    more = {"simulated": False, "simulations": [], "landmarks": ["baseline", "c1", "c2"]}
    return with_standards(base | more | {"standards": ["variants-maf"], "mapping": mapping})


def main() -> None:
    """Time reading, checking and features; memory is the process's peak."""
    content = parse_study(study())
    by = read_preparation(content, CONFIGS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder)
        start, cpu = time.perf_counter(), time.process_time()
        raw = ingest(content, folder, by.contract, by.identifiers, by.rules)
        read, read_cpu = time.perf_counter() - start, time.process_time() - cpu
        prepared = prepare(raw.tables, by)
        for landmark in content.landmark_names:
            prepared.features(landmark)
        whole, whole_cpu = time.perf_counter() - start, time.process_time() - cpu
    rows = {name: len(raw.tables[name]) for name in ("ctdna_variants", "lesions")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sys.stdout.write(
        f"{rows}: read and checked in {read:.1f} s ({read_cpu:.1f} s of processor), with features at three "
        f"landmarks {whole:.1f} s ({whole_cpu:.1f} s); peak {peak:.2f} GB\n"
    )


if __name__ == "__main__":
    main()
