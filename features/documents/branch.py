"""How a patient's branch of the adaptive rules is written, in tables and in lists of branches."""

from typing import Final

BRANCH: Final = "protocol_branch"
"""The column beside the features."""
THEN: Final = ">"
"""Between the branch of an earlier decision and that of a later one."""
INDETERMINATE: Final = "indeterminate"
"""Of a patient for whom the rules cannot decide."""
