"""What a VCF's header says of its fields: Number, Type and Description of INFO and FORMAT."""

import re
from typing import NamedTuple

_LINE = re.compile(r"##(INFO|FORMAT)=<(.*)>\s*$")
_PAIR = re.compile(r'(?<!\w)(\w+)=("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')


class Field(NamedTuple):
    """A declared field: its Number (1, 2, A, R, G, .), Type and Description."""

    number: str
    type: str
    description: str

    @property
    def in_percent(self) -> bool:
        """Whether the description gives per cent as the unit."""
        return "%" in self.description or "percent" in self.description.lower()


def declared_fields(header: str) -> dict[tuple[str, str], Field]:
    """Return the fields that a header declares, by (INFO or FORMAT, id); of two declarations the first."""
    fields: dict[tuple[str, str], Field] = {}
    for line in header.splitlines():
        match = _LINE.match(line)
        if match:
            keys = {key: value.strip('"') for key, value in _PAIR.findall(match[2])}
            field = Field(keys.get("Number", "."), keys.get("Type", "String"), keys.get("Description", ""))
            fields.setdefault((match[1], keys.get("ID", "")), field)
    return fields
