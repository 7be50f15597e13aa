"""Results as pages read them, from rows of the record alone: what is no row cannot be drawn."""

from collections.abc import Iterable, Mapping

from features.errors import PipelineFault
from pipeline.record.result_rows import LIMITS, PATH

Nested = dict[str, object]
MEASURED = ("value", *LIMITS)


def documents(rows: Iterable[Mapping[str, object]]) -> dict[str, Nested]:
    """Return by file what the rows of `pipeline.record.result_rows` tell, nested as the file has it.

    Measures with value, interval or the reason why there is none, and their further numbers; of the texts of
    a file, none but these reasons. Files whose rows are those of a table are left out.
    """
    files: dict[str, Nested] = {}
    for row in rows:
        path = row.get(PATH)
        if not isinstance(path, tuple):
            continue
        here = files.setdefault(str(row["file"]), {})
        for key in path:
            here = _part(here, key)
        name, _, further = str(row["measure"]).rpartition(".")
        # A threshold has a point, too: net_benefit@0.65 is no number of net_benefit@0.
        if name in here:
            _part(here, name)[further] = row["value"]
        else:
            numbers = {key: row[key] for key in MEASURED if row.get(key) is not None}
            here[str(row["measure"])] = numbers | ({"error": row["error"]} if row.get("error") else {})
    return files


def _part(whole: Nested, key: str) -> Nested:
    part = whole.setdefault(key, {})
    if not isinstance(part, dict):
        raise PipelineFault(f"the record has {key} as a number and as what holds numbers")
    return part
