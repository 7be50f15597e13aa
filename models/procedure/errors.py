"""What a procedure raises where its training patients do not let it learn."""

from features.errors import UserError


class NotLearnableError(UserError):
    """Training patients from which a candidate, or a whole procedure, cannot be learned, and why."""
