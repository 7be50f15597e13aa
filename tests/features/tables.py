"""Small raw tables in the contract's types, and the spec tables of tests/spec, for the tests of features."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from features.contract.cells import DTYPES
from features.contract.validation import parse_contract
from features.eligibility import parse_eligibility
from features.feature import BuildContext
from features.settings import parse_feature_settings

ROOT = Path(__file__).parents[2]


def _read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


CONTRACT = parse_contract(
    {p.name: _read(f"configs/contract/{p.name}") for p in sorted(ROOT.glob("configs/contract/*.yaml"))}
)
STUDY: dict[str, Any] = _read("configs/studies/nct07239271.yaml")
ELIGIBILITY = parse_eligibility(_read("configs/eligibility/nct07239271.yaml"))
SETTINGS_DOCUMENT: dict[str, Any] = _read("configs/features.yaml")
for _domain in ("ctdna", "tissue"):
    SETTINGS_DOCUMENT[_domain]["gene_sets"]["pam"] = ["PIK3CA", "PTEN"]
SETTINGS = parse_feature_settings(SETTINGS_DOCUMENT)
PANEL = "PIK3CA;PTEN;TP53;ERBB2"


def table(name: str, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a table of the contract with every column in its type; what the rows do not give is empty."""
    raw = pd.DataFrame(list(rows))
    columns = {}
    for column in CONTRACT[name].columns.values():
        given = raw.get(column.name, pd.Series(None, index=raw.index, dtype="object"))
        given = pd.to_datetime(given) if column.type == "date" else given
        columns[column.name] = given.astype(DTYPES[column.type])
    return pd.DataFrame(columns, index=raw.index)


def spec_rows(name: str) -> list[dict[str, str | None]]:
    """Read a table of tests/spec: columns apart by |, `-` for an empty cell, lines with # are comments."""
    text = (ROOT / "tests/spec" / name).read_text(encoding="utf-8")
    header, *lines = [[c.strip() for c in line.split("|")] for line in text.splitlines() if "|" in line]
    return [{k: None if v == "-" else v for k, v in zip(header, line, strict=True)} for line in lines]


def domain_settings(domain: str, landmark: str = "c2", **more: Any) -> tuple[Any, BuildContext]:
    """Return a domain's settings and context as `assemble` gives them at a landmark of the trial."""
    schedule = STUDY["schedule"][landmark]
    changes = {name: value for name, value in more.items() if name not in {"columns", "not_planned"}}
    context = BuildContext(
        tuple(schedule["visits"]), schedule["cycles"], more.get("columns", ()), tuple(STUDY["regimens"]),
        more.get("not_planned", ()),
    )  # fmt: skip
    return replace(getattr(SETTINGS, domain), **changes), context


def trial(seed: int, n: int) -> dict[str, pd.DataFrame]:
    """Return raw tables of n random patients of the trial, as untidy as real ones, in no order."""
    rng = np.random.default_rng(seed)
    ids = [f"P{i:05d}" for i in range(n)]
    start = np.datetime64("2026-01-05") + rng.integers(0, 300, n).astype("timedelta64[D]")
    day = {"baseline": -14, "c1": 12, "c2": 33, "c4": 75, "presurgery": 130}
    visits = [(i, v) for i in range(n) for v in STUDY["visits"]]

    def some(values: Iterable[Any], size: int) -> np.ndarray:
        return rng.choice(np.array(list(values), dtype=object), size)

    def dates(rows: list[tuple[int, str]], delay: int) -> list[np.datetime64]:
        lag = rng.integers(0, delay + 1, len(rows))
        return [start[i] + np.timedelta64(day[v] + int(d), "D") for (i, v), d in zip(rows, lag, strict=True)]

    def per_visit(rows: list[tuple[int, str]], **columns: Any) -> dict[str, Any]:
        return {"usubjid": [ids[i] for i, _ in rows], "visit": [v for _, v in rows], **columns}

    m = len(visits)
    drawn = dates(visits, 5)
    vaf = 10 ** rng.uniform(-4, -1, m)
    samples = per_visit(
        visits,
        sample_id=[f"S{k}" for k in rng.permutation(m)],
        planned=some(["Y", "Y", "Y", "N"], m),
        draw_date=drawn,
        report_date=[
            d + np.timedelta64(int(k), "D") for d, k in zip(drawn, rng.integers(2, 20, m), strict=True)
        ],
        assay_type=some(["fixed_panel"] * 4 + ["tumor_informed"], m),
        panel_genes=some([PANEL, "TP53"], m),
        lod_vaf=0.001,
        qc=some(["pass"] * 6 + ["fail", "not_done"], m),
        result=some(["detected", "not_detected", "not_evaluable"], m),
        mean_vaf=vaf,
        mtm_per_ml=vaf * 1000,
    )
    v = 3 * m
    variants = {
        "sample_id": some(samples["sample_id"], v),
        "gene": some(["PIK3CA", "PTEN", "TP53", "DNMT3A"], v),
        "hgvsp": [f"p.X{k}Y" for k in range(v)],
        "classification": "Missense_Mutation",
        "vaf": 10 ** rng.uniform(-4, -1, v),
        "origin": some(["tumor", "tumor", "ch", "germline", "unknown"], v),
        "pathogenic": some(["Y", "Y", "N", "VUS", None], v),
    }
    lesions = [(i, v) for i, v in visits for _ in range(2)]
    scanned = per_visit(
        lesions,
        lesion_id=["L1", "L2"] * m,
        scan_date=dates(lesions, 3),
        report_date=dates(lesions, 20),
        method=some(["MRI"] * 5 + ["US"], len(lesions)),
        reader="INVESTIGATOR",
        target="target",
        site=["breast", "axillary"] * m,
        axis=["longest", "short"] * m,
        diameter_mm=rng.uniform(1, 80, len(lesions)).round(1),
        status=some(["done"] * 8 + ["not_done", "not_evaluable"], len(lesions)),
    )
    responses = per_visit(
        visits,
        assessment_date=dates(visits, 3),
        report_date=some([None], m),
        method=some(["MRI"] * 4 + ["US"], m),
        reader="INVESTIGATOR",
        overall=some(["CR", "PR", "SD", "PD", "NE", "ND"], m),
    )
    scans = per_visit(
        visits,
        scan_date=dates(visits, 3),
        report_date=dates(visits, 20),
        method="MRI",
        feature="FTV",
        value=rng.uniform(0, 60, m),
        unit="cc",
        status=some(["done"] * 6 + ["not_done"], m),
    )
    cycles = [(i, c) for i in range(n) for c in range(1, int(rng.integers(2, 8)))]
    exposure = {
        "usubjid": [ids[i] for i, _ in cycles],
        "cycle": [c for _, c in cycles],
        "regimen": some(STUDY["regimens"], len(cycles)),
        "start_date": [start[i] + np.timedelta64(21 * (c - 1) + 3, "D") for i, c in cycles],
    }
    left = rng.choice(n, n // 6, replace=False)
    raw = {
        "subjects": {
            "usubjid": ids,
            "siteid": some(["A", "B", "C"], n),
            "rand_date": start,
            "arm": some(["CONTROL_TCBHP"] + ["ADAPTIVE"] * 3, n),
            "age_years": rng.uniform(20, 70, n),
            "menopause": some(["pre", "post", None], n),
            "ecog": some([0, 1, None], n),
            "ct": some(["T2", "T3", "T4"], n),
            "pre_nat_slnb": "none",
        },
        "pathology": {
            "usubjid": ids,
            "report_date": start + rng.integers(-20, 10, n).astype("timedelta64[D]"),
            "grade": some([2, 3, None], n),
            "er_pct": rng.uniform(0, 3, n),
            "pr_pct": some([0.0, 0.5, 40.0, None], n),
            "her2_ihc": some(["2+", "3+"], n),
            "ish": some(["amplified", "not_done"], n),
        },
        "ctdna_samples": samples,
        "ctdna_variants": variants,
        "lesions": scanned,
        "response": responses,
        "imaging_features": scans,
        "exposure": exposure,
        "surgery": {
            "usubjid": ids,
            "performed": "Y",
            "surgery_date": start + np.timedelta64(150, "D"),
            "yp_t": some(["ypT0", "ypTis", "ypT1"], n),
            "yp_n": some(["ypN0", "ypN0", "ypN1"], n),
        },
        "disposition": {
            "usubjid": [ids[i] for i in left],
            "event_date": start[left] + rng.integers(0, 140, len(left)).astype("timedelta64[D]"),
            "reason": some(["death", "progression", "lost", "toxicity"], len(left)),
        },
        "adverse_events": {
            "usubjid": ids,
            "ae_id": [f"E{i}" for i in range(n)],
            "term": "diarrhoea",
            "grade": some([1, 2, 3], n),
            "start_date": start + rng.integers(0, 140, n).astype("timedelta64[D]"),
        },
    }
    return {name: shuffled(table(name, _records(columns)), rng) for name, columns in raw.items()}


def _records(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    frame = pd.DataFrame({k: v if np.isscalar(v) else list(v) for k, v in columns.items()})
    return frame.to_dict("records")


def shuffled(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the rows in random order, with a fresh index."""
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
