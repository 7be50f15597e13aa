"""Commands of `pcr` for the registry, from score and serve to promote, sign and verify."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.console import reported_errors, stdout
from pipeline.workspace.root import model_address, user_path
from pipeline.workspace.run_lock import run_lock
from pipeline.workspace.study import active_study

app = typer.Typer()

MODEL_HELP = "A registered model: models:/NAME@ALIAS or models:/NAME/VERSION."
Model = Annotated[str, typer.Option(help=MODEL_HELP)]
Name = Annotated[str, typer.Argument(help="Name of a registered model, such as pcr-nct07239271-c2.")]


# What the commands that score a stored model on a cohort are asked.
StoredModel = Annotated[
    str, typer.Option(help="Folder of a stored model, or models:/NAME@ALIAS.", parser=model_address)
]
Cohort = Annotated[str, typer.Option(help="Name of a file in configs/studies, without .yaml.")]
CohortLandmark = Annotated[str, typer.Option(help="Landmark of that study whose features are scored.")]
CohortSource = Annotated[
    Path | None, typer.Option(help="Folder with its raw files; default data/STUDY.", parser=user_path)
]
Assays = Annotated[
    Path | None,
    typer.Option(help="Folder with the matrix files of a model that takes assays.", parser=user_path),
]


@app.command()
def score(
    model: Annotated[
        str, typer.Option(help=f"{MODEL_HELP} Or the folder of a stored model.", parser=model_address)
    ],
    out: Annotated[
        Path, typer.Option(help="Where the answers go: .parquet or .csv; .json as FHIR.", parser=user_path)
    ],
    tables: Annotated[
        Path | None, typer.Option(help="Folder with a file per raw table.", parser=user_path)
    ] = None,
    rows: Annotated[
        Path | None, typer.Option(help="File with a row of inputs per patient.", parser=user_path)
    ] = None,
    assays: Assays = None,
    landmark: Annotated[str | None, typer.Option(help="Checked against the model's landmark.")] = None,
    form: Annotated[
        Literal["table", "fhir"],
        typer.Option("--format", help="A table, or a FHIR R4 Bundle of RiskAssessments."),
    ] = "table",
) -> None:
    """Answer for many patients: from raw tables through the same feature code, or from rows of inputs.

    For example: `pcr score --model models:/pcr-nct07239271-c2@champion --tables new-patients --landmark c2
    --out scores.parquet`, or `pcr score --model artifacts/nct07239271/models/c2 --rows rows.csv
    --out scores.csv`.
    """
    from pipeline.commands.score import score as run  # noqa: PLC0415 - `pcr --help` should not wait for pandas

    with reported_errors():
        run(model, tables, rows, landmark, out, form, assays)


@app.command()
def serve(
    model: Model,
    host: Annotated[str, typer.Option(help="Address to listen at; the default is this computer only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 5001,
    shadow: Annotated[
        str,
        typer.Option(
            help="Let this version answer the same rows, too: compared and kept, not told.", metavar="MODEL"
        ),
    ] = "",
    tls_certificate: Annotated[
        Path | None, typer.Option(help="Answer by TLS with this certificate (PEM).", parser=user_path)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Key of the certificate (PEM, no password).", parser=user_path)
    ] = None,
) -> None:
    """Answer over HTTP, as `mlflow models serve` does, within limits, repeating nothing of a request.

    For example: `pcr serve --model models:/pcr-nct07239271-c2@champion`, then
    `curl -H 'content-type: application/json' -d '{"dataframe_records": [{"arm": "ADAPTIVE", "hr": "neg"}]}'
    http://127.0.0.1:5001/invocations`.
    """
    from pipeline.service.application import serve_model  # noqa: PLC0415
    from pipeline.service.tls import certificate_of  # noqa: PLC0415

    with reported_errors():
        serve_model(model, host, port, shadow, certificate_of(tls_certificate, tls_key))


@app.command()
def validate(
    model: StoredModel,
    study: Cohort,
    landmark: CohortLandmark,
    source: CohortSource = None,
    assays: Assays = None,
    recalibrate: Annotated[
        str, typer.Option(help="none, or recalibrate on this cohort: intercept, logistic.")
    ] = "none",
    out: Annotated[
        Path | None, typer.Option(help="Write the figures to this JSON file, too.", parser=user_path)
    ] = None,
) -> None:
    """Score a stored model on another cohort, with all measures; nothing is fitted again.

    For example: `pcr validate --model artifacts/nct07239271/models/baseline --study ispy2 --landmark t0
    --source ../ispy2-files`.
    """
    from pipeline.commands.validate import print_validation  # noqa: PLC0415

    with reported_errors():
        print_validation(model, study, landmark, source, recalibrate, out, assays)


@app.command()
def monitor(
    model: StoredModel,
    study: Cohort,
    landmark: CohortLandmark,
    source: CohortSource = None,
    assays: Assays = None,
    log: Annotated[Path | None, typer.Option(help="Decision log of `pcr serve`.", parser=user_path)] = None,
    shadow_log: Annotated[
        Path | None, typer.Option(help="Shadow log of `pcr serve --shadow`.", parser=user_path)
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the page goes.", parser=user_path)] = Path("monitor.html"),
) -> None:
    """Watch a model on later patients: drift of inputs, calibration as outcomes come in, and updates.

    For example: `pcr monitor --model models:/pcr-nct07239271-c2@champion --study later --landmark c2
    --source later-files --log decisions.log --out monitor.html`.
    """
    from pipeline.commands.monitor import Logs  # noqa: PLC0415
    from pipeline.commands.monitor import monitor as run  # noqa: PLC0415

    with reported_errors():
        run(model, study, landmark, source, Logs(log, shadow_log), out, assays)


@app.command()
def update(
    model: Annotated[str, typer.Option(help=f"{MODEL_HELP} The parent.")],
    study: Cohort,
    landmark: CohortLandmark,
    decided_by: Annotated[str, typer.Option(help="Who decides: a name in configs/change_plan.yaml.")],
    source: CohortSource = None,
    assays: Assays = None,
) -> None:
    """Recalibrate a model on later outcomes as configs/change_plan.yaml allows; the result is a candidate.

    For example: `pcr update --model models:/pcr-nct07239271-c2@champion --study later --landmark c2
    --source later-files --decided-by "R. Board"`.
    """
    from pipeline.commands.update import update as run  # noqa: PLC0415

    with reported_errors():
        run(model, study, landmark, source, decided_by, assays)


@app.command()
def promote(
    name: Name,
    override: Annotated[str, typer.Option(help="Why the candidate is promoted although a gate fails.")] = "",
) -> None:
    """Judge the candidate by the gates of configs/gates.yaml; make it champion only if all hold.

    For example: `pcr promote pcr-nct07239271-c2`. Exits with 1 if it was not promoted.
    """
    from pipeline.registry.promotion import promote_model  # noqa: PLC0415

    with reported_errors():
        promoted = promote_model(name, override.strip())
    if not promoted:
        raise typer.Exit(1)


@app.command()
def rollback(
    name: Name, reason: Annotated[str, typer.Option(help="Why; kept in the promotion history.")] = ""
) -> None:
    """Make the previous champion of a model the champion again.

    For example: `pcr rollback pcr-nct07239271-c2 --reason "calibration drifted"`.
    """
    from pipeline.registry.promotion import rollback_model  # noqa: PLC0415

    with reported_errors():
        rollback_model(name, reason.strip())


@app.command()
def history(name: Name) -> None:
    """Show who made which version of a model champion, when and why.

    For example: `pcr history pcr-nct07239271-c2`.
    """
    from pipeline.registry.promotion import history_table  # noqa: PLC0415

    with reported_errors():
        stdout().print(history_table(name))


@app.command()
def sign(
    model: Model,
    key: Annotated[
        Path, typer.Option(help="Private key on an elliptic curve, a PEM file.", parser=user_path)
    ],
) -> None:
    """Sign all files of a registered model, so that others can check whom they come from (docs/registry.md).

    For example: `pcr sign --model models:/pcr-nct07239271-c2@candidate --key private.pem`.
    PCR_SIGNING_PASSWORD holds the key's password, if it has one.
    """
    from pipeline.registry.signing import sign_model  # noqa: PLC0415

    with reported_errors():
        told = sign_model(model, key)
    stdout().print(told, highlight=False, soft_wrap=True)


@app.command()
def sync(
    rev: Annotated[
        str, typer.Option(help="A commit whose state is wanted, instead of the workspace's.")
    ] = "",
) -> None:
    """Make the MLflow runs and versions of the active study that are missing, from what DVC has in its cache.

    For example: `pcr sync`, after the database was lost or another one was named in MLFLOW_TRACKING_URI;
    `pcr sync --rev HEAD~3` for the state of an earlier commit.
    """
    from pipeline.registry.relocation import relocate  # noqa: PLC0415
    from pipeline.registry.runs import track_state, tracking_store  # noqa: PLC0415
    from pipeline.registry.state import workspace_state  # noqa: PLC0415
    from pipeline.registry.verify import (  # noqa: PLC0415
        check_out,
        repair_files,
        repair_registry,
        track_revision,
    )

    with reported_errors():
        done = relocate(tracking_store(active_study()))
        if rev:
            stdout().print(track_revision(rev), markup=False, highlight=False, soft_wrap=True)
            return
        study = active_study()
        with run_lock(study, wait=False):
            state = workspace_state(study)
            done += repair_files(state)
            check_out()
            done += repair_registry(state)
            added = track_state(state)
    for line in (*done, added.told):
        stdout().print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def disclose(
    out: Annotated[
        Path | None, typer.Option(help="Write the lines to this CSV file, too.", parser=user_path)
    ] = None,
) -> None:
    """List what pages, tables, model files and MLflow tell of single patients: ids, outcomes, values.

    For example: `pcr disclose --out disclosure.csv`. Exits with 1 if MLflow holds what the study file does
    not allow.
    """
    from pipeline.commands.disclose import disclose as run  # noqa: PLC0415

    with reported_errors():
        forbidden = run(out)
    if forbidden:
        raise typer.Exit(1)


@app.command()
def verify() -> None:
    """List what in MLflow, the workspace and DVC's cache is missing, corrupt or altered; then exit with 1.

    For example: `pcr verify`. What is missing, `pcr sync` makes, and what is corrupt it repairs where it can.
    """
    from pipeline.registry.state import workspace_state  # noqa: PLC0415
    from pipeline.registry.verify import problems  # noqa: PLC0415

    with reported_errors():
        lines = problems(workspace_state(active_study()))
    for line in lines:
        stdout().print(line, markup=False, highlight=False, soft_wrap=True)
    stdout().print(f"Problems: {len(lines)}" if lines else "MLflow holds the state once, unaltered.")
    if lines:
        raise typer.Exit(1)
