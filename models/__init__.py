"""Rows to calibrated, judged and explained risk: objects and frames, no file access."""
