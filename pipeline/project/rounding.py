"""Numbers as they are written into results: the last bits of linear algebra reach no file."""

from typing import Any

DIGITS = 6


def rounded(content: Any) -> Any:
    """Return nested content with every float at `DIGITS` significant digits."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return float(f"{content:.{DIGITS}g}") if isinstance(content, float) else content
