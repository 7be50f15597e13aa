"""Blocks: more features than patients, learned by ridge logistic regression in the patients' kernel space."""
