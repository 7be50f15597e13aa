"""What the study file and the JSON files of cohort and features hold, key by key."""
