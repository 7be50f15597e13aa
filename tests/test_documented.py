"""Every command of README, docs/, CONTRIBUTING.md and SECURITY.md exists, and is run in a fresh shell.

Here, after a run of the simulated trial; or by the test, or for the reason, that `ELSEWHERE` names.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from pipeline.cli import app
from tests import warm
from tests.workspace import CHEAP, ROOT, FirstLine, Workspace

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(ROOT.glob("docs/*.md"))]
INSTALLED = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
COLD = {"dvc repro", "pcr verify", "pcr diff"}
"""Run by the programs as installed; the others by the same modules, with the libraries loaded before."""
PROGRAMS = {
    "bcftools", "curl", "dvc", "export", "git", "make", "mlflow", "model_signing", "openssl", "pcr",
    "pre-commit", "python", "sha256sum",
}  # fmt: skip
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^    \S.*\n)+", flags=re.MULTILINE)
SHELLS = {"", "sh", "bash", "console"}
PYTHON = re.compile(r'^python -c "\n.*?^"$', flags=re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([a-z_-]+ [^`\n]+)`")
HOURS = "takes minutes to hours"
A_SERVER = "does not end: a server"
IN_A_CAMPAIGN = "a campaign, minutes to hours"
TOOL = "of a tool that is not among the dependencies"
ELSEWHERE = {
    "make run": "tests/test_line.py (what it runs is `pcr run`)",
    "make run PROFILE=full": HOURS,
    "make run STUDY=ispy2 SOURCE=../shared/data/ispy2": "tests/test_line_studies.py",
    "make run STUDY=ispy2 ...": "tests/test_line_studies.py",
    "make run STUDY=nct07239271": "tests/test_line_studies.py",
    "make run STUDY=mytrial SOURCE=FOLDER": "tests/test_bad_input.py",
    "make test": "it runs this test",
    "make test-newest": "it runs this test, by another Python",
    "make lint": "tests/test_front_door.py",
    "pcr serve --tls-certificate chain.pem --tls-key key.pem": "tests/pipeline/test_tls.py",
    "make docs": "it needs the package index: tests/pipeline/paper/test_site.py",
    "make lock": "it needs the package index",
    "make bench": HOURS,
    "make fault-campaign": IN_A_CAMPAIGN,
    "make cohort-campaign": IN_A_CAMPAIGN,
    "make reader-campaign": IN_A_CAMPAIGN,
    "make request-campaign": IN_A_CAMPAIGN,
    "make spec-campaign": IN_A_CAMPAIGN,
    "make kill-test": IN_A_CAMPAIGN,
    "make cluster-test": IN_A_CAMPAIGN,
    "make tamper-test": IN_A_CAMPAIGN,
    "make null-check": HOURS,
    "make coverage": HOURS,
    "make targets": HOURS,
    "make attainable": HOURS,
    "make gate-check": HOURS,
    "make blocks-truth": HOURS,
    "make monitoring-check": HOURS,
    "pcr ard --against ard/ard.parquet": "tests/pipeline/record/test_record.py",
    "pcr ard --recompute": "tests/test_line.py: pcr reproduce",
    "pcr reproduce": "tests/test_line.py",
    "pcr methods": "tests/pipeline/paper/test_methods.py",
    "pcr methods --out methods.docx": "tests/pipeline/paper/test_methods.py",
    "pcr paper": "tests/pipeline/paper/test_bundle.py",
    "pcr adam --out adam": "tests/pipeline/adam/test_adam.py",
    "pcr design": "tests/pipeline/test_design.py",
    "pcr folds --landmark c2 --out folds.csv": "tests/pipeline/test_challengers.py",
    "pcr challenge predictions.csv --landmark c2 --name network": "tests/pipeline/test_challengers.py",
    "pcr folds": "tests/pipeline/test_challengers.py",
    "pcr challenge": "tests/pipeline/test_challengers.py",
    "pcr design --plan FILE --out FOLDER": "tests/pipeline/test_design.py",
    "make patient-intervals": HOURS,
    "pcr run": "tests/test_line.py",
    "pcr validate --model artifacts/nct07239271/models/baseline --study ispy2 --landmark t0 --source "
    "../shared/data/ispy2": "tests/pipeline/test_external.py",
    "pcr validate --model FOLDER-or-models:/NAME@ALIAS --study NAME --landmark L --source FOLDER":
    "tests/pipeline/test_external.py",
    "pcr check FOLDER --study NAME --page problems.html": "tests/pipeline/test_intake.py",
    "pcr check FOLDER --study mytrial --page problems.html": "tests/pipeline/test_intake.py",
    "pcr check /tmp/sdtm --study copy": "tests/pipeline/test_intake.py",
    "pcr check FOLDER --study ctdna430 --page problems.html": "tests/pipeline/test_library.py",
    "pcr library ctdna430 --source FOLDER --out reports/ctdna430": "tests/pipeline/test_library.py",
    "pcr priors reports/ctdna430/priors.yaml --out configs/simulation-ctdna430.yaml":
    "tests/pipeline/test_library.py",
    "pcr monitor --model models:/pcr-nct07239271-c2@champion --study later --landmark c2 --source "
    "later-files --log decisions.log": "tests/pipeline/test_monitor.py",
    "pcr update --model models:/pcr-nct07239271-c2@champion --study later --landmark c2 --source "
    'later-files --decided-by "R. Board"': "tests/pipeline/test_update.py",
    "pcr monitor --shadow-log": "tests/pipeline/test_shadow.py",
    "pcr score --format fhir --out answers.json": "tests/pipeline/test_fhir.py",
    "pcr serve --model models:/NAME@champion --shadow models:/NAME@candidate":
    A_SERVER + ": tests/pipeline/test_shadow.py",
    "pcr promote pcr-nct07239271-c2": "tests/test_line.py",
    'pcr rollback --reason "..."': "tests/pipeline/test_registry.py",
    "pcr serve --model models:/pcr-nct07239271-c2@champion": A_SERVER + ": tests/test_served.py",
    "mlflow models serve -m models:/pcr-nct07239271-c2@champion --env-manager local --port 5001":
    A_SERVER + ": tests/latency.py",
    "mlflow ui --backend-store-uri sqlite:///mlflow.db": A_SERVER,
    "mlflow server --app-name basic-auth --host 127.0.0.1 --port 5000 --backend-store-uri "
    "sqlite:///mlflow.db --serve-artifacts --artifacts-destination ./mlartifacts":
    A_SERVER + ": tests/test_artifact_store.py",
    "model_signing verify key model --signature model/model.sig --public_key public.pem": TOOL,
    "pcr score --model models:/pcr-nct07239271-c2@champion --tables new-patients --landmark c2 --out "
    "scores.parquet": "tests/test_line.py",
    "pcr score --model models:/pcr-nct07239271-c2@champion --rows rows.csv --out scores.csv":
    "tests/pipeline/test_score_rows.py",
    "dvc exp run -S configs/validation.yaml:branch_shrinkage=40": "tests/test_line_branches.py",
    "dvc exp run -S configs/study.yaml:...": "tests/pipeline/test_experiments.py",
    "dvc exp run": "tests/test_line_branches.py",
    "dvc exp apply": "tests/pipeline/test_experiments.py",
    "mlflow models serve": A_SERVER,
    "pcr score --tables": "tests/test_line.py",
    "pcr score --model FOLDER": "tests/pipeline/test_score_rows.py",
    "git checkout --theirs dvc.lock artifacts": "tests/test_line_branches.py",
    "git add dvc.lock artifacts": "tests/test_line_branches.py",
    "git add dvc.lock artifacts && git commit": "tests/test_line_branches.py",
    "pre-commit install": TOOL,
    "curl -s -H 'content-type: application/json' -d "
    """'{"dataframe_records": [{"arm": "ADAPTIVE", "hr": "neg"}]}' http://127.0.0.1:5001/invocations""":
    "tests/test_served.py",
    "bcftools norm -m -": TOOL,
    "bcftools reheader -s": TOOL,
    "python -m tests.dvc_layout configs/FILE.yaml": "tests/test_dvc_edits.py",
    "python -m tests.fault_campaign 30 --pipeline --keep FOLDER": IN_A_CAMPAIGN,
    "python -m pytest tests/models/test_rules.py tests/models/test_rule_review.py": "it runs other tests",
    "python -m pytest tests/test_forgotten.py": "it runs other tests",
    "python -m tests.house --tighten": "tests/test_house.py",
    "python -m tests.page_traces artifacts/STUDY": "tests/test_line.py",
    "python -m tests.page_numbers artifacts/STUDY": "tests/test_line.py",
    "python -m tests.house": "tests/test_house.py",
    "python -m tests.pipeline.wrong_inputs": "tests/pipeline/test_wrong_inputs.py",
    "python -m pipeline.intake.study_reference docs/study-file.md": "tests/pipeline/test_intake.py",
}  # fmt: skip
BENCHMARK = "python -m benchmarks."
# Words of the documentation that stand for something of the reader's.
WORDS = {
    "pcr diff REV": "pcr diff HEAD",
    "pcr diff NAME": "pcr diff HEAD",
    "pcr init-study NAME": "pcr init-study another",
    "pcr sync --rev COMMIT": "pcr sync --rev HEAD",
    "/tmp/sdtm": "{scratch}/sdtm",  # noqa: S108 - what the page says; the test writes elsewhere
    "../other": "{scratch}/other",
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


def typed(page: Path) -> Iterator[str]:
    """Give the commands of a page's blocks as somebody would type them."""
    text = page.read_text(encoding="utf-8")
    blocks = [block for language, block in FENCED.findall(text) if language in SHELLS]
    for joined in [*blocks, *INDENTED.findall(FENCED.sub("", text))]:
        block = joined.replace("\\\n", " ")
        yield from PYTHON.findall(block)
        for line in PYTHON.sub("", block).splitlines():
            command = " ".join(re.split(r" {2,}# | # ", line)[0].split())
            if command.lstrip("(").split(" ")[0] in PROGRAMS | {"cd"}:
                yield command


def mentioned(page: Path) -> set[str]:
    """Return the commands that stand in a page's sentences."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    return {command for command in INLINE.findall(text) if command.split()[0] in PROGRAMS}


def whole(command: str) -> bool:
    """Whether a command has more than the two words that name it."""
    return len(command.split()) > 2


def test_every_command_that_a_sentence_names_exists_with_its_options() -> None:
    group = get_command(app)
    subcommands = group.commands  # type: ignore[attr-defined]
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in PAGES:
        for words in (command.split() for command in {*mentioned(page), *typed(page)}):
            if words[0] == "make":
                assert words[1] in targets, (page.name, words)
            if words[0] == "pcr" and not words[1].startswith("-"):
                assert words[1] in subcommands, (page.name, words)
                options = {name for option in subcommands[words[1]].params for name in option.opts}
                assert {word for word in words if word.startswith("--")} <= options, (page.name, words)


def documented() -> dict[str, None]:
    """Return every command that is to be run, once, in the order of the pages."""
    commands = [c for page in PAGES for c in [*typed(page), *sorted(filter(whole, mentioned(page)))]]
    return dict.fromkeys(commands)


def test_what_is_run_elsewhere_is_documented_and_by_a_test_that_is_there() -> None:
    everywhere = {c for page in PAGES for c in {*typed(page), *mentioned(page)}}
    assert ELSEWHERE.keys() <= everywhere, ELSEWHERE.keys() - everywhere
    files = [file for reason in ELSEWHERE.values() for file in re.findall(r"tests/\S+\.py", reason)]
    assert [file for file in files if not (ROOT / file).is_file()] == []


@pytest.fixture(scope="module")
def line(first_line: FirstLine, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the simulated trial after its run, with records of its own."""
    folder = tmp_path_factory.mktemp("documented") / "line"
    shutil.copytree(first_line.kept, folder, symlinks=True)
    shutil.copy(ROOT / "README.md", folder)
    line: Workspace = Workspace.at(folder)
    line.pcr_here("sync")
    return line


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs that start in no time."""
    folder = tmp_path_factory.mktemp("programs")
    warm.write_programs(folder, {"pcr": "pipeline.cli", "dvc": "dvc", "mlflow": "mlflow"}, INSTALLED)
    return folder


def shell(line: Workspace, command: str, path: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a shell that knows nothing but the environment of the checkout."""
    names = {
        f"GIT_{who}_{what}": "test@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    own = {"PATH": path, "HOME": str(line.folder.parent), "PYTHONPATH": str(line.folder), "COLUMNS": "200"}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=line.folder,
        env=own | names | CHEAP,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.line
def test_every_other_command_works_as_it_stands_in_a_fresh_shell(
    line: Workspace, programs: Path, tmp_path: Path
) -> None:
    commands = [c for c in documented() if c not in ELSEWHERE and not c.startswith(BENCHMARK)]
    failed = []
    for command in commands:
        meant = command
        for words, others in WORDS.items():
            meant = meant.replace(words, others)
        path = INSTALLED if command in COLD else f"{programs}{os.pathsep}{INSTALLED}"
        done = shell(line, meant.replace("{scratch}", str(tmp_path)), path)
        if done.returncode != 0:
            failed.append(f"{command}: {done.stdout[-500:]}{done.stderr[-500:]}")
    assert failed == []
    assert len(commands) > 20
    assert set(commands) >= COLD
