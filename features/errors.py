"""The errors that are meant for people who run the pipeline; every other one is a fault of the pipeline."""


class RefusalError(ValueError):
    """What is refused. The message says what, where and what to do, and holds no patient's value."""
