"""Who made which version champion, when and why: a chain of entries that nobody can rewrite unnoticed.

Every entry is a tag of the registered model and holds the sha256 of the one before it; the version that an
entry is about has a copy of its newest entry. So an entry that was changed, taken out, or cut off at the end
no longer fits. Works on an MLflow client that it is given, inside `Store.locked`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from features.errors import UserError

ENTRY_TAG, COPY_TAG = "pcr.history.", "pcr.history_entry"
# SQLite and PostgreSQL take no more in a tag of a registered model.
MAX_ENTRY_CHARACTERS = 5000
Action = Literal["promoted", "promoted by override", "not promoted", "rolled back"]


class HistoryError(UserError):
    """A history that was altered."""


@dataclass(frozen=True)
class Decision:
    """What was decided on a version, and by whom.

    `manifest` is the sha256 of the version's manifest; `former` the champion before; `gates` what every gate
    said, by name.
    """

    action: Action
    version: str
    manifest: str
    former: str
    verdict: str
    gates: Mapping[str, str]
    reason: str
    user: str

    @property
    def makes_champion(self) -> bool:
        """Whether the version answered as champion from then on."""
        return self.action != "not promoted"

    @property
    def override(self) -> str:
        """Why it was promoted although a gate failed."""
        return self.reason if self.action == "promoted by override" else ""


@dataclass(frozen=True)
class Entry(Decision):
    """A decision in its place: its number, its time (UTC), and the sha256 of the entry before."""

    number: int
    time: str
    before: str

    @property
    def text(self) -> str:
        """The entry as it is stored."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """The sha256 of the stored entry."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class History:
    """The entries of a registered model, oldest first, and one whose writing was interrupted, if any."""

    name: str
    entries: tuple[Entry, ...]
    pending: Entry | None = None

    @property
    def last(self) -> Entry | None:
        """The newest entry."""
        return self.entries[-1] if self.entries else None

    @property
    def champion(self) -> str:
        """The version that is champion; empty if none was promoted."""
        return next((entry.version for entry in reversed(self.entries) if entry.makes_champion), "")

    @property
    def previous(self) -> str:
        """The champion before, which a rollback goes back to; empty if there is none."""
        previous = ""
        for entry in self.entries:
            if entry.action == "rolled back":
                previous = ""
            elif entry.makes_champion and entry.former not in {"", entry.version}:
                previous = entry.former
        return previous

    def newest(self, version: str) -> Entry | None:
        """Return the newest entry about a version."""
        return next((entry for entry in reversed(self.entries) if entry.version == version), None)

    def follows(self, entry: Entry) -> bool:
        """Tell whether an entry comes next."""
        before = self.last.digest if self.last else ""
        return (entry.number, entry.before) == (len(self.entries) + 1, before)


def read_history(client: Any, name: str) -> History:
    """Return the history of a registered model, each entry checked against the one before.

    Raises
    ------
    HistoryError
        If an entry was changed or taken out; it is named.
    """
    tags = client.get_registered_model(name).tags
    history = History(name, ())
    for tag, text in sorted(tags.items()):
        if not tag.startswith(ENTRY_TAG):
            continue
        entry = _parsed(text)
        if entry is None or tag != entry_tag(entry) or not history.follows(entry):
            raise HistoryError(
                f"the promotion history of {name} was altered: {tag} does not follow from the entry before it"
            )
        history = replace(history, entries=(*history.entries, entry))
    for version in client.search_model_versions(f"name = '{name}'"):
        history = _with_copy(history, str(version.version), version.tags.get(COPY_TAG))
    return history


def _with_copy(history: History, version: str, copy: str | None) -> History:
    """Compare a version's copy of its newest entry; one that comes next is of an interrupted writing."""
    newest = history.newest(version)
    if copy == (newest.text if newest else None):
        return history
    entry = _parsed(copy) if copy else None
    if entry is None or entry.version != version or not history.follows(entry):
        raise HistoryError(
            f"the promotion history of {history.name} was altered: its newest entry on version {version} is "
            f"not that of the version's tag {COPY_TAG}"
        )
    return replace(history, pending=entry)


def entry_tag(entry: Entry) -> str:
    """Return the tag of the registered model that an entry is."""
    return f"{ENTRY_TAG}{entry.number:05d}"


def _parsed(text: str) -> Entry | None:
    """Return an entry as it is stored; None for any other text."""
    try:
        entry = Entry(**json.loads(text))
    except (TypeError, ValueError):
        return None
    return entry if entry.text == text else None


def append(client: Any, name: str, decision: Decision) -> Entry:
    """Add a decision to the history, and return the entry; an interrupted one is finished before.

    Raises
    ------
    HistoryError
        If the history was altered: nothing is added to it.
    UserError
        If the entry is too long to be stored.
    """
    history = read_history(client, name)
    if history.pending:
        client.set_registered_model_tag(name, entry_tag(history.pending), history.pending.text)
        history = replace(history, entries=(*history.entries, history.pending))
    entry = Entry(
        **asdict(decision),
        number=len(history.entries) + 1,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        before=history.last.digest if history.last else "",
    )
    if len(entry.text) > MAX_ENTRY_CHARACTERS:
        raise UserError(f"the entry has more than {MAX_ENTRY_CHARACTERS} characters: give a shorter reason")
    client.set_model_version_tag(name, entry.version, COPY_TAG, entry.text)
    client.set_registered_model_tag(name, entry_tag(entry), entry.text)
    return entry
