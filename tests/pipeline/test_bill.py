"""Bill of materials and hashed requirements of a registered model."""

import hashlib
import re
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

from pipeline.registry.bill import bill_of_materials, closure, hashed_requirements

ROOT = Path(__file__).parents[2]


def test_the_closure_has_what_packages_need_and_no_other() -> None:
    versions = closure([f"pandas=={version('pandas')}"])
    assert {"pandas", "numpy", "python-dateutil"} <= versions.keys()
    assert "mlflow" not in versions
    assert versions["numpy"] == version("numpy")


def test_hashed_requirements_pin_every_package_of_a_model_with_a_hash() -> None:
    versions = closure(["numpy", "pandas", "lightgbm", "mlflow"])
    text = hashed_requirements(versions, (ROOT / "requirements.lock").read_text())
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    pinned = {Requirement(line.split(" --hash")[0]).name for line in lines}
    assert pinned == versions.keys()
    assert all("--hash=sha256:" in line for line in lines)
    assert "#" not in text


def test_the_bill_names_files_by_digest_and_packages_by_address(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    document = {"model": "pcr-x-c1", "estimand": "pCR", "requirements": [f"numpy=={version('numpy')}"]}
    bill = bill_of_materials(document, tmp_path, closure(["pandas"]))
    (file,) = bill["metadata"]["component"]["components"]
    assert file["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(b"{}").hexdigest()}]
    numpy = f"pkg:pypi/numpy@{version('numpy')}"
    assert bill["dependencies"] == [{"ref": "model", "dependsOn": [numpy]}]
    assert {c["purl"] for c in bill["components"]} >= {numpy, f"pkg:pypi/pandas@{version('pandas')}"}
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                        bill["serialNumber"])  # fmt: skip
