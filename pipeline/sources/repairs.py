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
    "done_and_not_done": "correct the status, or remove the result",
    "number_from_text": "nothing, if the number is meant",
    "beyond_limit": "nothing: such a result has no number; it is not used as one",
    "result_in_words": "nothing, if no number is lost",
    "unit_missing": "complete the units at the source",
    "unit_converted": "nothing, if the units are right",
    "unfilled_form": "nothing, if the forms were not filled in",
    "recode_otherwise": "list the texts under `recode`, if they mean something else",
    "missing_as_level": "name them under `missing` of the file, or in `recode`, if they are not that level",
    "gene_symbol": "nothing, if the current symbol is that of the gene meant",
    "gene_symbol_unknown": "correct the symbol at the source; by another name a gene is not on its panel",
    "gene_symbol_ambiguous": "give the current HGNC symbol, Ensembl id or HGNC id at the source",
    "panel_separator": "nothing, if the genes are those meant",
    "short_hgvs": "nothing: long and short form say the same",
    "fraction_contradicts_counts": "ask the laboratory which counts the fraction is of",
}
"""Rule (the part before the colon) -> what to do; rules of the contract are in `features.contract`."""
