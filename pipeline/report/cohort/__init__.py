"""Figures of single patients on the study report: response, ctDNA, treatment, mutations."""
