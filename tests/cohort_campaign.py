"""Odd cohorts at random: each is run to its end, or refused before anything is computed.

`python -m tests.cohort_campaign 40` (`make cohort-campaign`) draws cohorts of 30 to 400 patients in 1 to 4
arms with 5 to 50 % events: with and without dates, centres, receptors and clinical features, some with
biomarkers alone, with columns that are constant or empty, levels seen once, and a number that nearly is the
outcome. A run must end well, or be refused with exit code 1 by the check; only what a model finds that no
feature tells alone may sound the leakage alarm later. Never may it end with 70.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from pipeline.console import FAULT
from tests.in_process import CHECKED, told_here, write_study

LATE_ALARM, EARLY_ALARM = "AUC above", "by a single feature"
KINDS = ("full", "no clinical", "only biomarkers", "clinical alone")
SETTINGS: dict[str, Any] = {
    "configs/validation.yaml": {"resampling": {"bootstrap": 3, "leave_centres_out": False}},
    "configs/models.yaml": {"candidates": {"logistic": {"penalties_per_patient": [2.0, 0.1, 0.01, 0.0003]}}},
}


@dataclass(frozen=True)
class Odd:
    """What is odd of a cohort."""

    n: int
    arms: int
    events: float
    kind: str
    has_dates: bool
    has_centres: bool
    has_receptors: bool
    oddity: str
    is_randomised: bool
    sensitivity: bool

    def __str__(self) -> str:
        absent = [name for name in ("dates", "centres", "receptors") if not getattr(self, f"has_{name}")]
        without = f", no {', no '.join(absent)}" if absent else ""
        return f"n {self.n}, {self.arms} arms, {self.events:.0%} events, {self.kind}{without}, {self.oddity}"


ODDITIES = (
    "nothing odd", "constant columns", "empty columns", "levels seen once", "half missing", "near copy",
    "all constant",
)  # fmt: skip


def drawn(rng: np.random.Generator) -> Odd:
    """Draw a cohort's oddities."""
    return Odd(
        n=int(rng.choice([30, 35, 40, 50, 60, 80, 120, 200, 400])),
        arms=int(rng.integers(1, 5)),
        events=float(rng.choice([0.05, 0.1, 0.2, 0.3, 0.5])),
        kind=str(rng.choice(KINDS)),
        has_dates=bool(rng.random() < 0.5),
        has_centres=bool(rng.random() < 0.5),
        has_receptors=bool(rng.random() < 0.6),
        oddity=str(rng.choice(ODDITIES)),
        is_randomised=bool(rng.random() < 0.5),
        sensitivity=bool(rng.random() < 0.4),
    )


def patients(odd: Odd, rng: np.random.Generator) -> pd.DataFrame:
    """Return a row per patient with all columns that the study file may map."""
    n = odd.n
    er = rng.integers(0, 101, n)
    risk = 0.03 * (er - 50) + rng.normal(size=n)
    y = np.zeros(n, dtype=int)
    y[np.argsort(-risk)[: max(1, round(odd.events * n))]] = 1
    frame = pd.DataFrame(
        {
            "id": [f"P{i:04d}" for i in range(n)],
            "arm": rng.choice([f"ARM{k}" for k in range(odd.arms)], n),
            "site": rng.choice(["S1", "S2", "S3"], n, p=[0.7, 0.25, 0.05]),
            "date": (pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, n), "D")).strftime(
                "%Y-%m-%d"
            ),
            "age": rng.integers(25, 80, n),
            "ct": rng.choice(["T1", "T2", "T3"], n),
            "size": rng.integers(5, 80, n),
            "hr": np.where(er > 9, "pos", "neg"),
            "er": er,
            "ki67": rng.integers(1, 95, n),
            "pcr": y,
            "ypt": np.where(rng.random(n) < 0.05, "ypT0", "ypT1"),
            "score": np.round(rng.normal(size=n) + 0.7 * y, 3),
            "other": np.round(rng.lognormal(size=n), 3),
        }
    ).astype("object")
    if odd.oddity == "constant columns":
        frame[["size", "ki67", "other"]] = 20
    elif odd.oddity == "all constant":
        frame = frame.assign(arm="ARM0", age=50, ct="T2", size=20, hr="pos", er=60, ki67=20, score=1, other=1)
    elif odd.oddity == "empty columns":
        frame[["size", "ki67"]] = ""
    elif odd.oddity == "levels seen once":
        frame.loc[0, "ct"] = "T4"
        frame.loc[1, "site"] = "S9"
    elif odd.oddity == "half missing":
        for column in ("age", "size", "er", "ki67", "score"):
            frame.loc[rng.random(n) < 0.5, column] = ""
    elif odd.oddity == "near copy":
        frame["score"] = np.where(rng.random(n) < 0.01, 1 - y, y) + np.round(rng.normal(0, 0.01, n), 3)
    return frame


def study_of(odd: Odd, frame: pd.DataFrame) -> dict[str, Any]:
    """Return the study file of a cohort."""
    subjects: dict[str, Any] = {"arm": "arm"}
    pathology: dict[str, Any] = {}
    domains = {"full": ["clinical", "pathology"], "clinical alone": ["clinical"]}.get(odd.kind, ["pathology"])
    if odd.kind != "only biomarkers":
        subjects |= {"age_years": "age", "ct": "ct", "tumour_size_mm": "size"}
    if odd.has_dates:
        subjects["rand_date"] = "date"
    if odd.has_centres:
        subjects["siteid"] = "site"
    if odd.has_receptors:
        pathology["hr"] = "hr"
    if odd.kind in {"full", "no clinical"}:
        pathology |= {"er_pct": "er", "ki67_pct": "ki67"}
    surgery = {"performed": {"constant": "Y"}, "pcr": {"from": "pcr", "recode": {"Y": "1", "N": "0"}}}
    surgery |= {"yp_t": "ypt", "yp_n": {"constant": "ypN0"}}
    tables: dict[str, Any] = {"subjects": [{"file": "pat", "columns": subjects}]}
    tables["surgery"] = [{"file": "pat", "columns": surgery}]
    if pathology:
        tables["pathology"] = [{"file": "pat", "columns": pathology}]
    if odd.kind in {"full", "only biomarkers"}:
        tables["biomarkers"] = [
            {"file": "pat", "drop_empty": ["value"], "columns": {
                "visit": {"constant": "baseline"}, "assay": {"constant": "x"},
                "biomarker": {"constant": name}, "value": name,
            }} for name in ("score", "other")
        ]  # fmt: skip
    arms = sorted(frame["arm"].unique())
    randomised = odd.is_randomised and len(arms) == 2
    return {
        "study": "odd", "title": "made up", "simulated": False, "source": "data/odd", "simulations": [],
        "response_counts": "recorded", "waivers": [], "standards": [], "arms": arms, "adaptive_arm": None,
        "strategies": arms[1:] if randomised else [],
        "randomised": randomised, "allocation": dict.fromkeys(arms, 0.5) if randomised else None,
        "regimens": ["NAC"], "visits": ["baseline"], "landmarks": ["baseline"],
        "schedule": {"baseline": {
            "visits": ["baseline"], "cycles": None, "planned_day": None, "window_days": None,
        }},
        "outcome": {
            "definition": "recorded", "counted_as_failure": [],
            "sensitivity": ["ypT0_ypN0"] if odd.sensitivity else [],
        },
        "rules": "none", "de_escalated_branches": [],
        "features": {"domains": domains, "state_indicators": {}},
        "primary": {
            "landmark": "baseline", "arm": None, "metric": "log_loss", "model": "chosen", "against": "rules",
        },
        "leakage_acknowledged": "",
        "mapping": {
            "patients": "pat", "files": {"pat": {"path": "pat.csv", "id": {"column": "id"}}},
            "tables": tables,
        },
    }  # fmt: skip


def outcome_of(folder: Path, odd: Odd, seed: int) -> tuple[str, str]:
    """Run a cohort; return what became of it, and what was said."""
    rng = np.random.default_rng(seed)
    files = folder / "files"
    files.mkdir(parents=True)
    frame = patients(odd, rng)
    frame.to_csv(files / "pat.csv", index=False)
    project = folder / "project"
    project.mkdir()
    write_study(project, study_of(odd, frame), files, SETTINGS)
    code, printed, said = told_here(project)
    if code == 0:
        learned = yaml.safe_load((project / "artifacts/odd/results/learning-baseline.json").read_text())
        return f"ran: {learned.get('chosen', 'no model')}", said
    if code == 1 and CHECKED not in printed:
        return "refused by the check", said
    if code == 1 and LATE_ALARM in said and EARLY_ALARM not in said:
        return "alarm of a model", said
    return "FAULT" if code == FAULT else "REFUSED LATE", said


def main() -> None:
    """Run the campaign; exit 1 if a cohort was neither run nor refused in time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("cohorts", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first cohort, which is its seed")
    chosen = parser.parse_args()
    counts: dict[str, int] = {}
    begun = time.monotonic()
    for number in range(chosen.first, chosen.first + chosen.cohorts):
        odd = drawn(np.random.default_rng(number))
        with tempfile.TemporaryDirectory() as scratch:
            became, said = outcome_of(Path(scratch), odd, number)
        counts[became] = counts.get(became, 0) + 1
        print(f"{number}: {odd}: {became}", flush=True)
        if became in {"FAULT", "REFUSED LATE"} or became.startswith("refused"):
            print(said, flush=True)
    print(f"{chosen.cohorts} cohorts in {time.monotonic() - begun:.0f} s: {dict(sorted(counts.items()))}")
    sys.exit(bool(counts.keys() & {"FAULT", "REFUSED LATE"}))


if __name__ == "__main__":
    main()
