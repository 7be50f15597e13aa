"""A made-up study of one landmark with its artifacts, dvc.lock and null check, as the registry finds it."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from pipeline.project.files import write_json
from tests.database import write_database
from tests.malformed import GOOD
from tests.serving import write_served_model

ROOT = Path(__file__).parents[1]
NAME = "pcr-made-up-c1"
STUDY: dict[str, Any] = {
    "study": "made-up", "landmarks": ["c1"], "simulated": False, "rules": "made-up", "adaptive_arm": None,
    "features": {"domains": ["clinical"]}, "randomised": True, "eligibility": "none",
    "single_patients_in_mlflow": True,
}  # fmt: skip
ONE = {"value": 0.7, "low": 0.6, "high": 0.8}
METRICS = {
    "chosen": {"n": {"value": 40}, "events": {"value": 20}, "auc": ONE, "net_benefit@0.5": {"value": 0.1}},
    "rules": {"n": {"value": 40}, "events": {"value": 20}, "auc": {"error": "one value"}},
}
DIFFERENCE = {
    "delta_log_loss": {"value": -0.05, "low": -0.08, "high": -0.02},
    "delta_net_benefit@0.65": {"value": 0.1, "low": 0.05, "high": 0.2},
}
DECLARED = {"landmark": "c1", "arm": None, "metric": "log_loss", "model": "chosen", "against": "rules"}
ROBUSTNESS = {
    "temporal": {
        "calibration_slope": {"value": 1.0, "scaled": 1.0, "scaled_se": 0.05},
        "o_e": {"value": 1.0, "scaled": 0.0, "scaled_se": 0.03},
        "ici": {"value": 0.02},
        "ici_null95": {"value": 0.03},
    },
    "left_out_centres": {"error": "one centre"},
    "instability": {"mean_absolute_prediction_error": {"value": 0.03}},
}


def enter(home: Path, patch: pytest.MonkeyPatch) -> Path:
    """Make a study's folder the current one, with its own store; return it."""
    patch.chdir(home)
    patch.setenv("MLFLOW_TRACKING_URI", "")
    patch.setenv("DVC_ROOT", str(home))
    write_database(home / "mlflow.db")
    return home


def write_study(home: Path) -> None:
    """Write configuration, artifacts and dvc.lock of a study with one landmark."""
    (home / "configs/studies").mkdir(parents=True)
    for path in ("configs/study.yaml", "configs/studies/made-up.yaml"):
        (home / path).write_text(yaml.safe_dump(STUDY))
    for name in ("gates", "trust", "validation", "models", "report_pages"):
        shutil.copy(ROOT / f"configs/{name}.yaml", home / "configs")
    artifacts = home / "artifacts/made-up"
    (artifacts / "models").mkdir(parents=True)
    write_served_model(artifacts / "models/c1")
    document = json.loads((artifacts / "models/c1/model.json").read_text())
    training = {"patients": 40, "events": 20, "by_arm": {"A": {"patients": 40, "events": 20}}}
    told = {"model": NAME, "study": "made-up", "simulated": False, "training": training, "outcome": "ypT0"}
    more = {"estimand": "probability of pCR", "candidate": "lightgbm", "tuned": "3 leaves"}
    write_json(artifacts / "models/c1/model.json", document | told | more)
    features = pd.DataFrame({f["name"]: [GOOD[f["name"]]] * 3 for f in document["features"]})
    for folder in ("features", "cohort", "predictions", "shap", "reports"):
        (artifacts / folder).mkdir()
    features.to_parquet(artifacts / "features/c1.parquet")
    cohort = pd.DataFrame({"arm": ["A"], "siteid": ["S1"], "rand_date": [pd.NaT], "decision_c1": [pd.NaT]})
    cohort.to_parquet(artifacts / "cohort/cohort.parquet")
    write_json(artifacts / "cohort/flow.json", {"randomised": 44, "landmarks": {"c1": {"at_risk": 42}}})
    write_json(artifacts / "results/c1.json", METRICS)
    comparison = {"primary": {"declared": DECLARED, "result": ONE}, "c1": {"chosen-rules": DIFFERENCE}}
    write_json(artifacts / "metrics/comparison.json", comparison | {"domains": {}})
    write_json(artifacts / "results/robustness-c1.json", ROBUSTNESS)
    (artifacts / "reports/figures/c1").mkdir(parents=True)
    for file in ("predictions/c1.parquet", "shap/c1.parquet", "reports/shap-c1.html"):
        (artifacts / file).write_bytes(b"made up")
    (artifacts / "reports/figures/c1/roc.svg").write_bytes(b"<svg/>")
    write_json(artifacts / "null_check/c1.json", {"mean": 0.499, "bound": 0.51, "permutations": 20})
    lock_outputs(home)
    record_checks(home)


CHECKS = """
vars: [../../configs/study.yaml]
stages:
  null_check:
    wdir: ../..
    matrix: {landmark: "${landmarks}"}
    cmd: made-up ${item.landmark}
    deps: ["artifacts/made-up/features/${item.landmark}.parquet"]
    outs: ["artifacts/made-up/null_check/${item.landmark}.json"]
"""


def record_checks(home: Path) -> None:
    """Let DVC record the null check as made on the features that are there now."""
    folder = home / "pipeline/simulation_checks"
    folder.mkdir(parents=True)
    (folder / "dvc.yaml").write_text(CHECKS)
    for words in (
        ["init", "--no-scm", "--quiet"],
        ["commit", "--force", "--quiet", str(folder / "dvc.yaml")],
    ):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=home, check=True)


def lock_outputs(home: Path) -> None:
    """Write dvc.yaml, and a dvc.lock that names what is there now."""
    folders = {
        "package": "models/c1", "judge@c1": "results", "compare": "metrics", "explain": "shap",
        "reports": "reports",
    }  # fmt: skip
    stages: dict[str, Any] = {}
    for stage, folder in folders.items():
        files = sorted(p for p in (home / "artifacts/made-up" / folder).rglob("*") if p.is_file())
        outs = [{"path": p.relative_to(home).as_posix(), "md5": digest(p)} for p in files]
        params = {"configs/models.yaml": {"seed": 1}} if stage == "package" else {}
        stages[stage] = {"cmd": stage, "deps": [], "params": params, "outs": outs}
    (home / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    declared = {
        name.partition("@")[0]: {"cmd": name}
        | ({"matrix": {"landmark": "${landmarks}"}} if "@" in name else {})
        for name in stages
    }
    (home / "dvc.yaml").write_text(yaml.safe_dump({"vars": ["configs/study.yaml"], "stages": declared}))


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
