"""What readers repair or find doubtful, by rule, and what to do about it."""

ADVICE = {
    "per_cent": "nothing, if the per cent are meant",
    "zeros_shown": "nothing, if the leading zeros are meant",
    "numbers_as_text": "nothing, if the numbers are meant; format the cells alike",
    "unit_in_format": "make sure that it is the contract's unit, or give `factor` in the study file",
    "hidden_column": "make sure that the hidden column is meant to be read",
    "hidden_rows": "make sure that the hidden rows are meant to be read, or delete them",
    "empty_rows": "nothing, if no row is missing",
    "thousands": "nothing, if the marks group digits",
    "recode_otherwise": "list the texts under `recode`, if they mean something else",
    "gene_symbol": "nothing, if the current symbol is that of the gene meant",
    "gene_symbol_unknown": "correct the symbol at the source; by another name a gene is not on its panel",
    "gene_symbol_ambiguous": "give the current HGNC symbol, Ensembl id or HGNC id at the source",
    "panel_separator": "nothing, if the genes are those meant",
    "short_hgvs": "nothing: long and short form say the same",
    "fraction_contradicts_counts": "ask the laboratory which counts the fraction is of",
}
"""Rule (the part before the colon) -> what to do; rules of the contract are in `features.contract`."""
