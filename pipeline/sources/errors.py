"""The one error of sources: files that do not fit what the study file says of them."""

from features.errors import UserError


class SourceError(UserError):
    """A study's files do not fit its study file; the message names file, sheet, column and what to do."""
