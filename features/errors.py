"""Two kinds of errors: what the person at the keyboard can mend, and what only the maintainers can."""


class UserError(ValueError):
    """Input or configuration is wrong: what, where and what to do, without patients' values. Exit code 1."""


class PipelineFault(RuntimeError):  # noqa: N818 - the counterpart of a user's error
    """The pipeline contradicts itself: its artifacts or results do not fit together. Exit code 70."""
