"""What `pcr run` shows of DVC's messages: a line for each stage, without its command unless it failed."""

import io
import logging
from collections.abc import Iterator

from pipeline.workspace.stage_lines import StageLines, count_stages, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def said(lines: StageLines, *messages: tuple[object, ...], level: int = logging.INFO) -> list[bool]:
    """Let DVC say messages; return which of them are shown as they are."""
    return [
        lines.filter(logging.LogRecord("dvc", level, "", 0, str(text), arguments, None))
        for text, *words in messages
        for arguments in [tuple(words)]
    ]


def seconds(*times: float) -> Iterator[float]:
    yield from times


RUN = ("Running stage '%s':", "train@c2"), ("%s %s", ">", "python -m pipeline.stages.train c2")


def test_a_stage_is_one_line_with_its_place_and_its_time() -> None:
    out, times = io.StringIO(), seconds(0, 0, 11, 75)
    lines = StageLines(3, out, lambda: next(times))
    said(lines, ("Stage '%s' didn't change, skipping", "raw"), *RUN)
    said(lines, ("Stage '%s' is cached - skipping run, checking out outputs", "judge@c2"))
    lines.close(failed=False)
    assert out.getvalue().splitlines() == [
        "[2/3] train c2 ... 11 s",
        "[3/3] judge c2 ... as computed before",
        "3 stages: 1 computed, 1 computed before, 1 unchanged; 1 min 15 s",
    ]


def test_the_command_is_told_of_a_stage_that_failed_alone() -> None:
    out = io.StringIO()
    lines = StageLines(1, out)
    said(lines, *RUN)
    lines.close(failed=True)
    assert out.getvalue() == "[1/1] train c2 ... failed: python -m pipeline.stages.train c2\n"


def test_in_a_terminal_the_line_is_there_from_the_start() -> None:
    out, times = Terminal(), seconds(0, 0, 2, 2)
    lines = StageLines(1, out, lambda: next(times))
    said(lines, *RUN)
    assert out.getvalue() == "[1/1] train c2 ..."
    lines.close(failed=False)
    assert "\r[1/1] train c2 ... 2 s\n" in out.getvalue()


def test_warnings_are_shown_as_they_are_and_errors_are_told_elsewhere() -> None:
    lines = StageLines(1, io.StringIO())
    assert said(lines, ("careful",), level=logging.WARNING) == [True]
    assert said(lines, ("failed",), level=logging.ERROR) == [False]
    assert said(lines, ("Updating lock file '%s'", "dvc.lock")) == [False]


def test_stages_of_a_matrix_count_each() -> None:
    pipeline = {
        "stages": {
            "raw": {"cmd": "x"}, "train": {"matrix": {"landmark": "${landmarks}"}},
            "grid": {"matrix": {"a": [1, 2], "b": ["x", "y", "z"]}},
            "none": {"matrix": {"s": "${strategies}"}},
        }
    }  # fmt: skip
    assert count_stages(pipeline, {"landmarks": ["c1", "c2"], "strategies": []}) == 1 + 2 + 6 + 0


def test_long_times_are_told_in_minutes() -> None:
    assert (duration(0.4), duration(59.6), duration(185)) == ("0 s", "1 min 0 s", "3 min 5 s")
