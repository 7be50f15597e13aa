"""What starts workers elsewhere sets what the pipeline sets for itself, and nothing travels unencrypted."""

import shlex
from typing import Any

import pytest
import yaml

from pipeline.project import numerics
from tests.workspace import ROOT

FOLDER = ROOT / "deploy"
ENCRYPTED = {
    "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
}
NEEDED = {
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_L2_SIZE": "512",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    **ENCRYPTED,
}


def documents() -> dict[tuple[str, str], Any]:
    text = (FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}


def test_the_kernels_are_those_of_the_pipeline() -> None:
    asked = numerics._SETTINGS
    assert {name: NEEDED[name] for name in asked} == asked


def test_jobs_of_slurm_set_what_the_pipeline_sets() -> None:
    slurm = yaml.safe_load((FOLDER / "jobqueue.yaml").read_text(encoding="utf-8"))["jobqueue"]["slurm"]
    words = [word for line in slurm["job-script-prologue"] for word in shlex.split(line) if word != "export"]
    assert dict(word.split("=", 1) for word in words) == NEEDED
    assert slurm["protocol"] == "tls://"


@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_pods_have_the_environment_and_their_certificates(part: str) -> None:
    found = documents()
    assert found["ConfigMap", "pcr-dask"]["data"] == NEEDED
    deployment = found["Deployment", f"pcr-{part}"]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    assert container["envFrom"] == [{"configMapRef": {"name": "pcr-dask"}}]
    assert {"--tls-ca-file", "/tls/ca.pem", f"/tls/{part}.pem", f"/tls/{part}-key.pem"} <= set(
        container["args"]
    )
    assert {mount["name"] for mount in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}


def test_workers_reach_the_scheduler_by_its_service() -> None:
    found = documents()
    service = found["Service", "pcr-scheduler"]["spec"]
    pod = found["Deployment", "pcr-scheduler"]["spec"]["template"]
    worker = found["Deployment", "pcr-worker"]["spec"]["template"]["spec"]["containers"][0]
    (port,) = service["ports"]
    assert service["selector"] == pod["metadata"]["labels"]
    assert {"containerPort": port["targetPort"]} in pod["spec"]["containers"][0]["ports"]
    assert f"tls://pcr-scheduler:{port['port']}" in worker["command"]
