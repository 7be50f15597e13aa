"""The corpus of wrong inputs and its page: ``python -m tests.pipeline.wrong_inputs`` writes docs/wrong-inputs.md."""

# ruff: noqa: E501 - lines of a page

from pathlib import Path

from tests.pipeline.corpus import FAULTS
from tests.pipeline.habits import HABITS
from tests.pipeline.matrix_faults import REFUSED, TOLD

CORPUS = [*FAULTS, *HABITS]
ANSWERS = {
    "refused": "refused: {words}",
    "repaired": "goes on; counted in problems.csv: {words}",
    "left out": "goes on; rows counted in dropped.csv: {words}",
    "warned": "goes on; warning: {words}",
    "emptied": "read as an empty cell, as `missing` in the study file says",
    "same": "read as meant; nothing changes",
}
PAGE = Path(__file__).parents[2] / "docs" / "wrong-inputs.md"


def page() -> str:
    """Return docs/wrong-inputs.md."""
    lines = [
        "# Wrong inputs, and what is answered",
        "",
        "Each line is one fault put into otherwise valid files of the simulated trial, as tested in",
        "tests/pipeline/test_wrong_inputs.py. A refusal names file, table, column, number of rows and at most three",
        "ids, never a value; the words that the answer must hold are quoted. Written by",
        "`python -m tests.pipeline.wrong_inputs`. Matrix files of assays are of two patients, as tested in",
        "tests/pipeline/test_omics_odd_files.py.",
        "",
        f"{len(CORPUS) + len(REFUSED) + len(TOLD)} faults.",
        "",
        "| format | fault | answer |",
        "|---|---|---|",
    ]
    for fault in CORPUS:
        words = ", ".join(f"`{word}`" for word in fault.words)
        lines.append(f"| {fault.format} | {fault.what} | {ANSWERS[fault.answer].format(words=words)} |")
    for faults, answer in ((REFUSED, "refused"), (TOLD, "warned")):
        for odd in faults:
            words = ", ".join(f"`{word.replace('`', '')}`" for word in odd.words)
            lines.append(f"| matrix file | {odd.what} | {ANSWERS[answer].format(words=words)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
