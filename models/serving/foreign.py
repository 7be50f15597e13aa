"""What stands in MLflow beside what this project wrote, and could be taken for it by who reads there.

Works on an MLflow client that it is given, inside `Store.locked`. Descriptions, tags and aliases of people's
own are theirs, unless they look like the project's.
"""

import contextlib
import json
import sqlite3
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from models.serving.champions import CANDIDATE, CHAMPION, PREVIOUS
from models.serving.history import COPY_TAG, ENTRY_TAG
from models.serving.records import DataInput

OWN_PREFIXES = ("pcr", "gate")
"""How tags of this project begin; of runs and versions every other tag is compared, too."""
ALIASES = (CHAMPION, PREVIOUS, CANDIDATE)
TAKE_OFF = "take it off in MLflow"
ALIKE = 0.75
"""From which share of common characters (`difflib`) a name is taken for another."""
MLFLOWS_OWN = ("trigger", "secrets")
"""Kind and table of the only ones that MLflow makes."""
SERVERS_TAG = "mlflow.modelVersions"
NO_STAGE = "None"
"""What MLflow has as the stage of a version that nobody put into one."""


def planted_in(uri: str) -> Iterator[str]:
    """Yield triggers and views in a SQLite database that are not MLflow's: they change what it reads."""
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or not path.is_file():
        return
    with contextlib.closing(sqlite3.connect(path)) as rows:
        found = rows.execute("select type, name, tbl_name from sqlite_master").fetchall()
    for kind, name, table in found:
        if kind in {"trigger", "view"} and (kind, table) != MLFLOWS_OWN:
            yield f"altered: the database has a {kind} {name}, which MLflow did not make"


def plain(name: str) -> str:
    """Return a name as the eye takes it: small letters, no accents, one kind of hyphen, no spaces."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    hyphens = ("-" if unicodedata.category(c) == "Pd" else c for c in letters)
    return "".join(c for c in hyphens if unicodedata.category(c)[0] not in "MCZ")


def looks_like(name: str, ours: Collection[str]) -> bool:
    """Tell whether somebody could take a name, which is none of `ours`, for one of them."""
    return plain(name) in ours or bool(
        not name.isascii() and get_close_matches(plain(name), ours, cutoff=ALIKE)
    )


def beside_models(client: Any, names: Collection[str]) -> Iterator[str]:
    """Yield registered models that look like one of the project's, and aliases and tags of those that do."""
    for model in client.search_registered_models():
        if model.name not in names and looks_like(model.name, names):
            yield f"foreign: registered model {model.name!r} only looks like one of this study: {TAKE_OFF}"
    for name in names:
        aliases, tags = _aliases_and_tags(client, name)
        for alias in sorted(set(aliases) - set(ALIASES)):
            if looks_like(alias, ALIASES) or get_close_matches(alias.casefold(), ALIASES, cutoff=ALIKE):
                yield f"foreign: alias {alias!r} of {name} looks like one of `pcr promote`: {TAKE_OFF}"
        for tag in sorted(tags):
            if plain(tag).startswith(OWN_PREFIXES) and not tag.startswith(ENTRY_TAG):
                yield f"foreign: tag {tag!r} of {name} looks like one of this project: {TAKE_OFF}"


def renamed_models(client: Any, experiment: str, runs: Collection[str]) -> Iterator[str]:
    """Yield models of other names than the study's that have a promotion history and versions of its `runs`.

    Who renames a model takes its history along, and the model that is registered next begins another.
    """
    with_history = {
        model.name
        for model in client.search_registered_models()
        if not model.name.startswith(f"{experiment}-")
        and any(tag.startswith(ENTRY_TAG) for tag in model.tags)
    }
    if not with_history:
        return
    ours = {version.name for run in runs for version in client.search_model_versions(f"run_id = '{run}'")}
    for name in sorted(with_history & ours):
        yield (
            f"foreign: registered model {name!r} has versions and the promotion history of this study: give "
            "it its name back in MLflow, in the place of one that took it"
        )


def _aliases_and_tags(client: Any, name: str) -> tuple[Collection[str], Collection[str]]:
    if not client.search_registered_models(f"name = '{name}'"):
        return (), ()
    model = client.get_registered_model(name)
    return model.aliases, model.tags


def beside_version(version: Any, own: Collection[str]) -> Iterator[str]:
    """Yield what was put on a version: tags like ours that are none of `own`, a stage, another run's page."""
    for tag in sorted(version.tags):
        if tag.startswith("pcr.") and tag not in {*own, COPY_TAG}:
            yield f"tag {tag}"
    if (version.current_stage or NO_STAGE) != NO_STAGE:
        yield "the stage"
    if version.run_link:
        yield "the link to a run"


def beside_stored(stored: Any, version: Any, location: str) -> Iterator[str]:
    """Yield what MLflow's entry of a version's files tells that was not registered.

    `location` is where the files of the experiment are.
    """
    told = {
        "tags": [tag for tag, text in stored.tags.items() if not _names_its_version(tag, text, version)],
        "parameters": stored.params,
        "metrics": stored.metrics,
        "type": stored.model_type,
    }
    yield from (f"the {what}" for what, held in told.items() if held)
    if stored.artifact_location != f"{location}/models/{stored.model_id}/artifacts":
        yield "the place"


def _names_its_version(tag: str, text: str, version: Any) -> bool:
    """Tell whether a tag is the one by which a server says of which version stored files are."""
    if tag != SERVERS_TAG:
        return False
    try:
        named = json.loads(text)
        return [(each["name"], str(each["version"])) for each in named] == [
            (version.name, str(version.version))
        ]
    except (KeyError, TypeError, ValueError):
        return False


def unlike_data(recorded: Collection[DataInput], run: Any) -> Iterator[str]:
    """Yield the data of a run whose digest, place, size or use is not what was recorded."""
    ours = {data.name: (data.digest, data.place, data.rows, data.columns, "training") for data in recorded}
    held = {
        entry.dataset.name: _described(entry) for entry in (run.inputs.dataset_inputs if run.inputs else [])
    }
    yield from (name for name in sorted({*ours, *held}) if ours.get(name) != held.get(name))


def _described(entry: Any) -> tuple[object, ...]:
    source, size = _parsed(entry.dataset.source), _parsed(entry.dataset.profile)
    use = ", ".join(tag.value for tag in entry.tags)
    return entry.dataset.digest, source.get("uri"), size.get("num_rows"), size.get("num_columns"), use


def _parsed(text: str | None) -> Mapping[str, object]:
    try:
        content = json.loads(text or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def other_values(client: Any, run: Any) -> Iterator[str]:
    """Yield the metrics of which a run has had, or has, other values than the one that was recorded."""
    for name, value in sorted(run.data.metrics.items()):
        if any(entry.value != value for entry in client.get_metric_history(run.info.run_id, name)):
            yield name
