"""Examples show what was understood of a column: few, and each once."""

import pandas as pd

from pipeline.sources.formats.grid import Doubt
from pipeline.sources.mapping.examples import EXAMPLE_COLUMNS, MAX_EXAMPLES, Examples


def test_pairs_are_listed_once_and_an_empty_cell_is_empty_text() -> None:
    examples = Examples()
    cells, values = pd.Series(["ja", "ja", None]), pd.Series(["Y", "Y", None])
    examples.add(("labs", "done", "labs.csv", "erledigt"), cells, values)
    assert list(examples.frame()) == EXAMPLE_COLUMNS
    assert examples.frame()[["cell", "value"]].to_numpy().tolist() == [["ja", "Y"], ["", ""]]


def test_the_value_of_a_former_symbol_is_the_current_one() -> None:
    examples = Examples()
    genes = pd.Series(["p53", "PTEN", "p53"], dtype="str")
    examples.add(("labs", "gene", "a.maf", "Hugo_Symbol"), genes, genes)
    after = pd.DataFrame({"gene": ["TP53", "PTEN"]}, index=[0, 1], dtype="str")
    examples.became("labs", pd.DataFrame({"gene": genes}), after)
    assert examples.frame()[["cell", "value"]].to_numpy().tolist() == [["p53", "TP53"], ["PTEN", "PTEN"]]


def test_a_column_has_no_more_than_five_examples() -> None:
    examples = Examples()
    numbers = pd.Series(range(100))
    examples.add(("labs", "value", "labs.csv", "wert"), numbers, numbers)
    assert len(examples.frame()) == MAX_EXAMPLES


def test_a_doubt_names_at_most_three_addresses() -> None:
    assert Doubt("x", "hidden", 4, ("A1", "A2", "A3", "A4")).addresses == "A1, A2, A3, ..."
    assert Doubt("x", "hidden", 2, ("A1", "A2")).addresses == "A1, A2"
