"""The registered model over HTTP: by `pcr serve`, and by MLflow in an environment of its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from http.client import HTTPResponse
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

from models.serving.serving import OUTPUTS, read_model
from tests.malformed import GOOD, NUMBER, SECRET, Request, corpus
from tests.patients import NAMES, patients
from tests.serving import NAME, REQUIREMENTS, Registered, ask, pcr_serve, registered, send, server

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
CORPUS = corpus()
INPUTS = NAMES


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    return registered(tmp_path_factory.mktemp("registry") / "home")


@pytest.fixture(scope="module")
def port(model: Registered) -> Iterator[int]:
    """`pcr serve`, really running."""
    with server(pcr_serve(), model.home, model.uri, model.home / "serve.log") as found:
        yield found


def rows(n: int) -> pd.DataFrame:
    return patients(n, seed=8)[0][INPUTS]


def as_split(frame: pd.DataFrame) -> dict[str, object]:
    split = json.loads(frame.to_json(orient="split", double_precision=15))
    return {"dataframe_split": {name: split[name] for name in ("columns", "data")}}


def as_pipeline(model: Registered, frame: pd.DataFrame) -> list[float]:
    return list(read_model(model.folder).probability(frame))


def test_one_row_and_ten_thousand_have_the_pipelines_probabilities(model: Registered, port: int) -> None:
    for n in (1, 10_000):
        answer = ask(port, as_split(rows(n)))
        assert [list(row) for row in answer[:1]] == [OUTPUTS]
        assert [row["pcr_probability"] for row in answer] == pytest.approx(
            as_pipeline(model, rows(n)), abs=1e-9
        )


def test_split_records_and_csv_in_any_order_of_columns_have_one_answer(port: int) -> None:
    frame = rows(20)
    split = ask(port, as_split(frame))
    records = json.loads(frame[INPUTS[::-1]].to_json(orient="records", double_precision=15))
    assert ask(port, {"dataframe_records": records}) == split
    status, body = send(port, frame.to_csv(index=False).encode(), "text/csv")
    assert status == 200
    assert json.loads(body)["predictions"] == split


def test_a_bad_row_is_rejected_and_the_others_are_answered(port: int) -> None:
    bad = GOOD | {"age_years": -999}
    answer = ask(port, {"dataframe_records": [GOOD, bad, GOOD | {"pcr": "Y"}, GOOD | {"arm": None}]})
    assert [row["status"] for row in answer] == ["ok", "rejected", "rejected", "rejected"]
    assert [row["pcr_probability"] is None for row in answer] == [False, True, True, True]


def test_an_explanation_comes_with_the_parameter(port: int) -> None:
    plain, told = (
        ask(port, {"dataframe_records": [GOOD], "params": {"explain": wanted}})[0] for wanted in (False, True)
    )
    assert plain["explanation"] == ""
    assert set(json.loads(told["explanation"])) == {"base", "all_others", *INPUTS}


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) == len({request.name for request in CORPUS}) >= 150


@pytest.mark.parametrize("request_", CORPUS, ids=lambda request: request.name)
def test_no_request_upsets_the_server_or_comes_back(port: int, request_: Request) -> None:
    status, body = send(port, request_.body, request_.content_type, request_.path, request_.method)
    text = body.decode()
    assert status < 500, text
    assert SECRET not in text
    assert str(NUMBER) not in text
    for leak in ("Traceback", "site-packages", str(Path.home()), "serving.py", "passwd", 'File "'):
        assert leak not in text
    assert status != 200 or request_.path == "/invocations?x=SECRET-7431" or "predictions" in json.loads(text)


def test_the_server_still_answers_and_its_log_has_no_value(model: Registered, port: int) -> None:
    assert ask(port, {"dataframe_records": [GOOD]})[0]["status"] == "ok"
    log = (model.home / "serve.log").read_text()
    assert SECRET not in log
    assert "Traceback" not in log


def test_a_request_that_is_too_large_is_refused(port: int) -> None:
    status, body = send(port, b" " * (32 * 1024 * 1024 + 1), "application/json")
    assert status == 413
    assert "send fewer rows" in json.loads(body)["error"]


@pytest.mark.parametrize(
    ("length", "status"), [("99999999999999999999", 413), (str(10**20), 413), ("-1", 400), ("ten", 400)]
)
def test_an_announced_length_that_is_too_large_or_none_is_refused_before_the_body(
    port: int, length: str, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        one.sendall(f"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode())
        answer = HTTPResponse(one)
        answer.begin()
        body = json.loads(answer.read())
    assert (answer.status, body["status"]) == (status, status)


def test_who_sends_all_of_a_body_that_is_too_large_still_sees_why(port: int) -> None:
    for _ in range(3):
        assert send(port, b" " * (70 * 1024 * 1024), "application/json")[0] == 413


def test_a_model_whose_files_were_altered_is_not_served(tmp_path: Path) -> None:
    model = registered(tmp_path / "home")
    (stored,) = model.home.glob("mlartifacts/**/model.json")
    stored.write_text(stored.read_text().replace('"intercept"', '"intercept" ', 1))
    command = [word.replace("{port}", "1") for word in pcr_serve()]
    done = subprocess.run(
        command, cwd=model.home, capture_output=True, text=True, check=False,
        env={**os.environ, "MLFLOW_TRACKING_URI": model.uri, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 1
    assert "is not loaded: artifacts/model.json is altered" in " ".join(done.stderr.split())


def test_the_model_opens_no_connection_and_no_file_outside_its_folder(model: Registered) -> None:
    script = f"""
import sys, json, pathlib, lightgbm, pandas, pandas.core.arrays
folder = pathlib.Path({str(model.folder)!r})
sys.path.insert(0, str(folder))
import serving
seen = []
def hook(event, args):
    if event == "open" or event.startswith(("socket.", "subprocess.", "os.system", "ctypes.dlopen")):
        seen.append((event, str(args[0]) if args else ""))
serving.read_model(folder).predict([{GOOD!r}], {{"explain": True}})
sys.addaudithook(hook)
model = serving.read_model(folder)
model.predict([{GOOD!r}] * 50, {{"explain": True}}); model.desk.answer({GOOD!r})
bad = [e for e in seen if e[0] != "open" or not e[1].startswith(str(folder))]
print(json.dumps([bad, len(seen)]))
"""
    done = subprocess.run(
        [sys.executable, "-B", "-I", "-c", script], capture_output=True, text=True, check=True
    )
    bad, opened = json.loads(done.stdout)
    assert bad == []
    assert opened >= 3


def test_mlflow_serves_it_in_an_environment_with_only_what_it_requires(
    model: Registered, tmp_path: Path
) -> None:
    environment = tmp_path / "env"
    subprocess.run(["uv", "venv", "-q", "-p", sys.executable, str(environment)], check=True)
    python = str(environment / "bin" / "python")
    (stored,) = model.home.glob("mlartifacts/**/requirements.txt")
    listed = stored.read_text().split()
    assert set(REQUIREMENTS) < set(listed)
    assert [line.split("==")[0] for line in listed if line not in REQUIREMENTS] == ["mlflow"]
    packages = ["-r", str(stored), f"mlflow=={version('mlflow')}"]
    subprocess.run(["uv", "pip", "install", "-q", "-p", python, *packages], check=True)
    lend_bytecode(environment)
    command = [
        python, "-m", "mlflow", "models", "serve", "-m", f"models:/{NAME}@candidate",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", "{port}",
    ]  # fmt: skip
    path = f"{environment / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    own = {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "PYTHONPATH": "", "PATH": path}
    with server(command, model.home, model.uri, tmp_path / "log", **own) as port:
        for n in (1, 10_000):
            answer = [row["pcr_probability"] for row in ask(port, as_split(rows(n)))]
            assert answer == pytest.approx(as_pipeline(model, rows(n)), abs=1e-9)
        # Whatever reaches the model is answered row by row here too.
        for request in (r for r in CORPUS if r.name.startswith(("number cell", "level cell"))):
            status, body = send(port, request.body, request.content_type)
            assert status < 500
            if status == 200:
                assert SECRET not in body.decode()


def lend_bytecode(environment: Path) -> None:
    """Copy what is compiled of our packages beside those of another environment.

    It counts there for a source with the same time and size; to compile all of MLflow costs half a minute.
    """
    ours = Path(sysconfig.get_path("purelib"))
    (theirs,) = environment.glob("lib/python*/site-packages")
    for compiled in ours.rglob("__pycache__"):
        place = theirs / compiled.relative_to(ours)
        if place.parent.is_dir() and not place.exists():
            shutil.copytree(compiled, place)


CLIENTS = {"sh": ["sh", "-c"], "python": [sys.executable, "-c"], "r": ["Rscript", "--vanilla", "-e"]}


@pytest.mark.parametrize("language", CLIENTS)
def test_the_calls_of_the_documentation_are_answered(port: int, language: str) -> None:
    if shutil.which(CLIENTS[language][0]) is None:
        pytest.skip(f"{CLIENTS[language][0]} is not installed")
    text = (Path(__file__).parents[1] / "docs/registry.md").read_text()
    code = text.partition(f"```{language}\n")[2].partition("```")[0].replace("5001", str(port))
    done = subprocess.run([*CLIENTS[language], code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not_a_recommendation" in done.stdout
    assert "status" in done.stdout
