"""Omics tables: a matrix of patients and features for each assay, read, checked and stored by columns."""
