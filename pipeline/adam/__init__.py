"""CDISC ADaM datasets of a study: subjects, pathological response, tumour response and measurements."""
