"""Results as data: one row for every number, exported, compared, and computed again."""
