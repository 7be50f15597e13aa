"""What readers meet in place of keys: labels of features, levels, arms, landmarks, branches, readings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from features.errors import UserError

MAX_LENGTH = 32
EVERY, WHOLE = "*", "all columns"
"""Of an assay whose columns are told as one, such as ``rna:*``."""
VISIT, ANY = "{visit}", "{any}"
JOINED = re.compile("(, |: |; |>)")
KEY = re.compile(r"[\w/]*_[\w/]*")
WORD = re.compile(r"(?<![\w./])[a-z][a-z0-9]*(?![\w/])")
ABBREVIATED = re.compile(r"[\w-]+")
BETWEEN = {">": " \N{RIGHTWARDS ARROW} "}


@dataclass(frozen=True)
class LabelSettings:
    """The labels of configs/report_pages.yaml: of `features` by name or template, of all other `names`.

    `notes` are sentences on features, by name or template, that stand beside their description; `words` are
    those that are written in another way than in a key, such as a gene; `abbreviations` say what those in the
    labels of arms stand for.

    Raises
    ------
    UserError
        If a label is longer than `MAX_LENGTH` or has an underscore.
    """

    features: dict[str, str]
    notes: dict[str, str]
    names: dict[str, str]
    words: dict[str, str] = field(default_factory=dict)
    abbreviations: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, label in {**self.features, **self.names}.items():
            if len(label) > MAX_LENGTH or "_" in label:
                raise UserError(
                    f"configs/report_pages.yaml, labels, {key}: must have at most {MAX_LENGTH} characters "
                    f"and no underscore; got {label}"
                )


class Labels:
    """The labels of a study; what has none goes by its key, with spaces for underscores.

    Parameters
    ----------
    settings : LabelSettings
    visits : sequence of str
        The study's visits, which templates of features name.
    """

    def __init__(self, settings: LabelSettings, visits: Sequence[str]) -> None:
        self._names = settings.names
        self._exact = {name: label for name, label in settings.features.items() if "{" not in name}
        self._templates = [
            (_pattern(template, visits), label)
            for template, label in settings.features.items()
            if template not in self._exact
        ]
        self._words = settings.words
        self._words = {visit: self.name(visit) for visit in visits} | settings.words
        self._abbreviations = settings.abbreviations
        self._notes = [(_pattern(template, visits), note) for template, note in settings.notes.items()]

    def name(self, key: object) -> str:
        """Return the label of an arm, visit, level, state, branch or reading, or of several joined."""
        text = str(key)
        if text in self._names:
            return self._names[text]
        pieces = JOINED.split(text)
        if len(pieces) > 1:
            return "".join(
                BETWEEN.get(piece, piece) if i % 2 else self.name(piece) for i, piece in enumerate(pieces)
            )
        return self._spelled(text)

    def abbreviations(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the abbreviations in the labels of `keys` and what they stand for, in their order."""
        words = dict.fromkeys(word for key in keys for word in ABBREVIATED.findall(self.name(key)))
        return {word: self._abbreviations[word] for word in words if word in self._abbreviations}

    def candidate(self, key: object) -> str:
        """Return the label of a candidate: its key may be that of something else, too, such as core."""
        return self._names.get(f"candidate {key}") or self.name(key)

    def feature(self, name: str) -> str:
        """Return the label of one feature; `features` tells features of equal labels apart."""
        if name in self._exact:
            return self._exact[name]
        for pattern, label in self._templates:
            if match := pattern.fullmatch(name):
                filled = {key: self.name(value) for key, value in match.groupdict().items()}
                return _shortened(_capital(label.format(**filled)))
        block, _, column = name.partition(":")
        spelled = self._spelled(block if column == EVERY else name)
        return _shortened(_capital(spelled) + (f", {WHOLE}" * (column == EVERY)))

    def has(self, name: str) -> bool:
        """Tell whether a feature has a label of its own."""
        return name in self._exact or any(pattern.fullmatch(name) for pattern, _ in self._templates)

    def features(self, names: Sequence[str]) -> dict[str, str]:
        """Return the labels of features by name, no two of them equal."""
        labels: dict[str, str] = {}
        seen: dict[str, int] = {}
        for name in names:
            label = self.feature(name)
            seen[label] = seen.get(label, 0) + 1
            labels[name] = label if seen[label] == 1 else _numbered(label, seen[label])
        return labels

    def described(self, name: str, description: str) -> str:
        """Return what a feature is, keys by their labels, with the notes on it."""
        notes = [note for pattern, note in self._notes if pattern.fullmatch(name)]
        return "; ".join([self.text(description), *notes])

    def text(self, text: str) -> str:
        """Return a sentence with labels in place of the keys in it: the words that have an underscore.

        The other words are spelled as `words` has them, and visits by their labels.
        """
        return WORD.sub(self._word, KEY.sub(lambda match: self._key(match.group()), text))

    def _spelled(self, key: str) -> str:
        """Return a key that has no label in words, each as it is written in the field."""
        return WORD.sub(self._word, key.replace("_", " "))

    def _word(self, match: re.Match[str]) -> str:
        return self._words.get(match.group(), match.group())

    def _key(self, word: str) -> str:
        return self.feature(word) if self.has(word) else self.name(word)


def _pattern(template: str, visits: Sequence[str]) -> re.Pattern[str]:
    parts = {VISIT: f"(?P<visit>{'|'.join(map(re.escape, visits)) or '(?!)'})", ANY: "(?P<any>.+)"}
    texts = re.split(r"(\{visit\}|\{any\})", template)
    return re.compile("".join(parts.get(text, re.escape(text)) for text in texts))


def _capital(label: str) -> str:
    """Return a label that begins with a capital, unless its first word is written in another way (mTOR)."""
    first = label.partition(" ")[0]
    return label[:1].upper() + label[1:] if first.islower() else label


def _shortened(label: str) -> str:
    return label if len(label) <= MAX_LENGTH else f"{label[: MAX_LENGTH - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}"


def _numbered(label: str, number: int) -> str:
    suffix = f" ({number})"
    return f"{label[: MAX_LENGTH - len(suffix)].rstrip()}{suffix}"
