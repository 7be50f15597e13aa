"""What no single column shows: contradictions in what was recorded, as findings with advice."""
