"""The sections of the study report: each returns its charts and its tables by name."""
