"""The one error of sources: files that do not fit what the study file says of them."""


class SourceError(ValueError):
    """A study's files do not fit its study file; the message names file, sheet, column and what to do."""
