"""Dask on several hosts, each a network namespace with its own address, and what may fail between them.

`python -m tests.cluster_campaign` resamples a small study by a client on one host, a scheduler on another and
workers on two more, encrypted, while workers, the scheduler and links are lost; every result must have the
bits of one thread, and no more fits may run twice than were in flight. `--speed` compares two hosts of one
core with one, too.

Hosts live in namespaces of the kernel (network, processes, mounts) that end with the first process in them,
however that ends: nothing is left behind. Where that is not permitted, the campaign says so and does nothing.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from features.errors import UserError
from models.procedure.backends import Backend
from models.procedure.cluster.settings import Certificates, Cluster, ClusterSettings
from models.procedure.configuration.settings import ProcedureSettings
from models.procedure.resampling import Procedure, TaskResult, _SplitTask, fit_split, run_tasks
from models.procedure.response_model import ResponseModel
from models.procedure.splits import Split, bootstrap_splits
from tests.patients import BOOSTING, FEATURES, LINEAR, SETTINGS, patients
from tests.workspace import ROOT

# In namespaces of the campaign's own: no other network has them.
ADDRESS = "10.77.0.{}"
HOSTS = ("scheduler", "client", "one", "two", "three")
PORT = 8786
PATIENCE = 120.0
CUT_SECONDS = 30
SETTINGS_OF_CLUSTER = ClusterSettings(patience=60, reconnect=PATIENCE, attempts=2, straggler=6)
BOOSTED = replace(BOOSTING, rounds=(100, 200, 400), grid={"num_leaves": (3, 7), "min_data_in_leaf": (10,)})
LEARNED = ProcedureSettings(SETTINGS.encoding, {"logistic": LINEAR, "lightgbm": BOOSTED})


@dataclass(frozen=True)
class Logged:
    """What is resampled, and the file in which every fit notes that it has begun."""

    work: _SplitTask
    log: Path
    deadly: int | None


def procedures(seed: int) -> list[Procedure]:
    return [ResponseModel(FEATURES, LEARNED, 3, seed)]


def logged_fit(shared: Logged, task: tuple[int, Split]) -> TaskResult:
    number, split = task
    with shared.log.open("a") as log:
        log.write(f"{number}\n")
    if number == shared.deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return fit_split(shared.work, split)


def run_client(backend: Backend, folder: Path, fits: int, deadly: int | None) -> None:
    """Resample, noting every finished fit, and write the digest of all results or the error."""
    frame, y = patients(1500)
    # Found again by workers, which have no `__main__` of this file.
    from tests import cluster_campaign as here  # noqa: PLC0415

    shared = here.Logged(_SplitTask(here.procedures, frame, y), folder / "begun", deadly)
    tasks = list(enumerate(bootstrap_splits(len(y), samples=fits, seed=1)))
    total = hashlib.sha256()
    begun = time.monotonic()
    told: dict[str, Any] = {}
    try:
        results = run_tasks(
            here.logged_fit, shared, tasks, backend=backend, store=Finished(folder / "finished"),
            keys=[str(number) for number, _ in tasks],
        )  # fmt: skip
        for result in results:
            total.update(repr(result.document).encode())
            for name in sorted(result.arrays):
                total.update(np.ascontiguousarray(result.arrays[name]).tobytes())
        told["digest"] = total.hexdigest()
    except UserError as error:
        told["error"] = str(error)
    told["seconds"] = time.monotonic() - begun
    (folder / "told.json").write_text(json.dumps(told))


class Finished:
    """A store that only notes when each result came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begun = time.monotonic()

    def get(self, key: str) -> TaskResult | None:
        del key

    def __setitem__(self, key: str, result: TaskResult) -> None:
        with self.path.open("a") as file:
            file.write(f"{key} {time.monotonic() - self.begun:.3f}\n")


class Network:
    """Hosts on one switch: a network namespace each, with a processor that programs on it are bound to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs: list[subprocess.Popen[bytes]] = []
        cores = sorted(os.sched_getaffinity(0))
        self.cores = {"one": cores[0], "two": cores[-1]}
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "OPENBLAS_CORETYPE": "Haswell",
            "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR", "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1", "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
        }  # fmt: skip
        ip("link", "add", "switch", "type", "bridge")
        ip("link", "set", "switch", "up")
        for number, host in enumerate(HOSTS, start=2):
            ip("netns", "add", host)
            ip("link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", host)
            ip("link", "set", host, "master", "switch", "up")
            ip("-n", host, "addr", "add", f"{ADDRESS.format(number)}/24", "dev", "eth0")
            ip("-n", host, "link", "set", "eth0", "up")
            ip("-n", host, "link", "set", "lo", "up")

    @property
    def address(self) -> str:
        return f"tls://{ADDRESS.format(HOSTS.index('scheduler') + 2)}:{PORT}"

    def cut(self, host: str) -> None:
        """Cut a host's link: no packet comes through, and nobody is told."""
        ip("link", "set", host, "nomaster")

    def heal(self, host: str) -> None:
        ip("link", "set", host, "master", "switch")

    def start(self, host: str, *command: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start a program on a host, in a process group of its own."""
        bound = ["taskset", "-c", str(self.cores[host])] if host in self.cores else []
        with (self.folder / f"{host}.log").open("ab") as log:
            program = subprocess.Popen(
                ["ip", "netns", "exec", host, *bound, sys.executable, "-m", *command],
                cwd=self.folder, env=self.environment | environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.programs.append(program)
        return program

    def scheduler(self) -> "subprocess.Popen[bytes]":
        return self.start(
            "scheduler", "distributed.cli.dask_scheduler", "--protocol", "tls", "--port", str(PORT),
            "--no-show", "--no-dashboard", *self.certificates("scheduler"),
        )  # fmt: skip

    def worker(self, host: str, **environment: str) -> "subprocess.Popen[bytes]":
        """Start a worker of one thread; a nanny starts it again when it is killed."""
        return self.start(
            host, "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-dashboard",
            "--local-directory", str(self.folder / host), *self.certificates("worker"), **environment,
        )  # fmt: skip

    def certificates(self, who: str) -> list[str]:
        files = {"ca-file": "ca", "cert": who, "key": f"{who}-key"}
        return [
            word
            for name, file in files.items()
            for word in (f"--tls-{name}", str(self.folder / f"{file}.pem"))
        ]

    def end(self) -> None:
        """End all programs on all hosts."""
        for program in self.programs:
            stop(program)
        self.programs.clear()


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def stop(program: "subprocess.Popen[bytes]") -> None:
    """Kill a program with all that it started."""
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


def make_certificates(folder: Path) -> None:
    """Make an authority of the cluster's own, and a certificate for each part."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    def request(name: str) -> tuple[str, ...]:
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        return "req", *kind, "-keyout", f"{name}-key.pem", "-subj", f"/CN={name}"

    openssl(*request("ca"), "-x509", "-days", "2", "-out", "ca.pem")
    for name in ("scheduler", "worker", "client"):
        openssl(*request(name), "-out", f"{name}.csr")
        signed = ("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")


class Campaign:
    """Runs of the same resampling, each with a fault of its own."""

    def __init__(self, network: Network, fits: int) -> None:
        self.network, self.fits = network, fits
        self.faults: list[str] = []
        self.runs = 0
        self.alone = self.run("local")
        self.scheduler = network.scheduler()
        self.workers = {host: network.worker(host) for host in ("one", "two")}

    def begin(self, where: str, *words: str) -> tuple[Path, "subprocess.Popen[bytes]"]:
        self.runs += 1
        folder = self.network.folder / f"run{self.runs}"
        folder.mkdir()
        client = self.network.start(
            "client", "tests.cluster_campaign", "--client", where, "--folder", str(folder),
            "--fits", str(self.fits), *words,
        )  # fmt: skip
        return folder, client

    def run(self, where: str, *words: str) -> dict[str, Any]:
        folder, client = self.begin(where, *words)
        return self.told(folder, client)

    def told(self, folder: Path, client: "subprocess.Popen[bytes]") -> dict[str, Any]:
        try:
            client.wait(10 * PATIENCE)
        except subprocess.TimeoutExpired:
            stop(client)
        path = folder / "told.json"
        if not path.exists():
            log = (self.network.folder / "client.log").read_text(errors="replace")
            return {"error": f"the client said nothing: {log[-1500:]}"}
        told: dict[str, Any] = json.loads(path.read_text())
        begun = lines(folder / "begun")
        return told | {"begun": len(begun), "finished": len(lines(folder / "finished"))}

    def check(self, name: str, told: dict[str, Any], *, lost: int) -> None:
        """Note what is not as it must be: the bits, and how many fits ran twice."""
        faults = []
        if told.get("digest") != self.alone["digest"]:
            faults.append(str(told.get("error", "other bits")))
        elif (twice := told["begun"] - self.fits) > lost:
            faults.append(f"{twice} fits ran twice")
        else:
            name += f" ({twice} of {self.fits} fits again, {told['seconds']:.0f} s)"
        self.say(name, faults)

    def say(self, name: str, faults: Sequence[str]) -> None:
        self.faults += [f"{name}: {fault}" for fault in faults]
        print(f"{name}: {'; '.join(faults) or 'as it must be'}", flush=True)

    def with_fault(self, name: str, fault: Callable[[], None], *, lost: int) -> None:
        """Let something fail when a quarter of the fits are finished."""
        folder, client = self.begin(self.network.address)
        if wait_until(lambda: len(lines(folder / "finished")) >= self.fits // 4 or client.poll() is not None):
            fault()
        self.check(name, self.told(folder, client), lost=lost)

    def lose_worker(self) -> None:
        stop(self.workers["two"])
        self.workers["two"] = self.network.worker("two")

    def lose_scheduler(self) -> None:
        stop(self.scheduler)
        time.sleep(3)
        self.scheduler = self.network.scheduler()
        # Workers end when they lose their scheduler; what supervises them starts them again.
        for host, worker in self.workers.items():
            stop(worker)
            self.workers[host] = self.network.worker(host)

    def cut(self, host: str) -> None:
        self.network.cut(host)
        time.sleep(CUT_SECONDS)
        self.network.heal(host)
        for name, worker in self.workers.items():
            if worker.poll() is not None:
                self.workers[name] = self.network.worker(name)

    def stop_worker(self) -> None:
        os.killpg(self.workers["two"].pid, signal.SIGSTOP)

    def join(self, **environment: str) -> None:
        self.workers["three"] = self.network.worker("three", **environment)

    def every_fault(self, only: str) -> None:
        """Let everything fail in turn that has `only` in its name."""
        faults: dict[str, tuple[Callable[[], None], int]] = {
            "nothing fails": (lambda: None, 0),
            "a worker is killed": (self.lose_worker, 1),
            "a worker of another version joins": (lambda: self.join(OPENBLAS_CORETYPE="other"), 0),
            "the scheduler is killed and started again": (self.lose_scheduler, 2),
            "a worker's link is cut for 30 s": (lambda: self.cut("two"), 2),
            "the client's link is cut for 30 s": (lambda: self.cut("client"), 2),
            "a worker hangs": (self.stop_worker, 1),
        }
        for name, (fault, lost) in faults.items():
            if only in name:
                self.with_fault(name, fault, lost=lost)
                self.put_right()
        if only in "a task ends every worker":
            told = self.run(self.network.address, "--deadly", "2")
            named = f"task 3 of {self.fits} has ended 2 workers" in told.get("error", "")
            rest = told.get("finished") == self.fits - 1
            self.say(
                "a task ends every worker", [] if named and rest else [f"not named, or not last: {told}"]
            )

    def put_right(self) -> None:
        """Let a stopped worker go on, and end one of another version."""
        os.killpg(self.workers["two"].pid, signal.SIGCONT)
        if "three" in self.workers:
            stop(self.workers.pop("three"))

    def speed(self) -> None:
        """Compare two hosts of one core with one, between the first result and the last, in turn."""
        for _ in range(3):
            two = self.seconds_a_fit()
            stop(self.workers.pop("two"))
            one = self.seconds_a_fit()
            self.workers["two"] = self.network.worker("two")
            time.sleep(15)
            print(
                f"two hosts of one core are {one / two:.2f} times as fast as one "
                f"(load {os.getloadavg()[0]:.1f})",
                flush=True,
            )

    def seconds_a_fit(self) -> float:
        folder, client = self.begin(self.network.address)
        told = self.told(folder, client)
        self.check("speed", told, lost=0)
        if "error" in told:
            raise SystemExit(f"nothing was measured: {told['error']}")
        moments = [float(line.split()[1]) for line in lines(folder / "finished")]
        return (moments[-1] - moments[3]) / (len(moments) - 4)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def wait_until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition; return whether it came true in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


INSIDE = "PCR_CLUSTER_CAMPAIGN_INSIDE"
NAMESPACES = ("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc")


def why_not() -> str | None:
    """Return why there can be no hosts here, if so."""
    if os.environ.get("CI"):
        return "not on a machine that others build on (CI is set)"
    if missing := [name for name in ("unshare", "ip", "taskset", "openssl") if shutil.which(name) is None]:
        return f"{', '.join(missing)} not installed"
    tried = "mount -t tmpfs tmpfs /run && ip netns add a && ip link add switch type bridge"
    done = subprocess.run([*NAMESPACES, "sh", "-c", tried], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"namespaces are not permitted ({done.stderr.strip()[:200]})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=40)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--only", default="", help="part of the name of a fault")
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--deadly", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.client:
        backend = (
            Backend() if arguments.client == "local" else Backend("dask", cluster=cluster(arguments.client))
        )
        run_client(backend, arguments.folder, arguments.fits, arguments.deadly)
        return 0
    if not os.environ.get(INSIDE):
        if reason := why_not():
            print(f"skipped: {reason}")
            return 0
        again = [*NAMESPACES, sys.executable, "-m", "tests.cluster_campaign", *sys.argv[1:]]
        os.execvpe(again[0], again, os.environ | {INSIDE: "yes"})  # noqa: S606 - no shell is meant
    # In memory, and in this mount namespace alone: it is gone with the processes.
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    folder = Path("/run/campaign")
    folder.mkdir()
    make_certificates(folder)
    network = Network(folder)
    try:
        campaign = Campaign(network, arguments.fits)
        if arguments.speed:
            campaign.speed()
        else:
            campaign.every_fault(arguments.only)
    finally:
        network.end()
    return 1 if campaign.faults else 0


def cluster(address: str) -> Cluster:
    """Return the cluster of the campaign; the client stands in the folder of the certificates."""
    tls = Certificates(*(str(Path(f"{name}.pem").resolve()) for name in ("ca", "client", "client-key")))
    return Cluster(address, replace(SETTINGS_OF_CLUSTER, tls=tls))


if __name__ == "__main__":
    sys.exit(main())
