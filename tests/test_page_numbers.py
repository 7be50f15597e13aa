"""What counts as a number of a page, and where it stands; whole pages: tests/test_odd_cohorts.py."""

import pytest

from tests.page_numbers import INTERVAL
from tests.page_texts import NUMBER, texts

PAGE = """<main><section id="arms"><h2>Arms</h2><p>pCR in <b>1,209</b> of 2,000.</p>
<table id="t"><thead><tr><th>Arm</th><th>pCR</th></tr></thead>
<tbody><tr><th><span title="Age at entry (age_years)">Age</span></th>
<td>60.5&nbsp;% <span>(58.3 % to 62.6 %)</span></td></tr></tbody>
</table><script>5</script><code>6</code><p hidden>7</p></section></main>"""


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("At C2, HER2 3+, Ki-67 and 10^-3 mm2/s: section 2.E, r4, pT1.", []),
        ("1,209 of 2,000 (60 %), -0.05 to +0.3", ["1,209", "2,000", "60 %", "-0.05", "+0.3"]),
        ("net benefit@0.65 of 80-100", ["80", "100"]),
        ("p = 3.2e-05.", ["3.2e-05"]),
    ],
)
def test_a_number_stands_by_itself(text: str, numbers: list[str]) -> None:
    assert [match.group() for match in NUMBER.finditer(text)] == numbers


def test_a_page_is_read_once_with_the_heads_and_keys_of_its_cells() -> None:
    shown = {piece.text: piece for piece in texts(PAGE)}
    assert set(shown) == {"Arms", "pCR in 1,209 of 2,000.", "Arm", "pCR", "Age", "60.5 % (58.3 % to 62.6 %)"}
    cell = shown["60.5 % (58.3 % to 62.6 %)"]
    assert (cell.section, cell.table, cell.beside) == ("arms", "t", "Age | pCR")
    assert "age_years" in cell.keys
    assert INTERVAL.search(cell.text)
