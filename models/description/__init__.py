"""Counts, proportions and courses: what patients, samples and assays look like."""
