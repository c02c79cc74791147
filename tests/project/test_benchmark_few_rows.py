"""The page of few rows: its ratios and means, and the tables that it names."""

from __future__ import annotations

import few_rows
import pytest
from few_rows import Cell

CHOSEN, SHOWN = "phoneme", "adult"


def cells(table: str, losses: dict[str, list[float]], rows: int = 50) -> list[Cell]:
    return [
        Cell(table, rows, draw, who, loss, 0.1, 2.0, 0.0)
        for who, own in losses.items()
        for draw, loss in enumerate(own)
    ]


def test_a_ratio_is_of_mean_losses_to_the_better_peer_on_the_draws_that_all_have():
    of_both = [
        *cells(CHOSEN, {"ours": [1.0, 2.0], "linear": [4.0, 4.0], "catboost": [1.0, 2.0, 9.0]}),
        *cells(SHOWN, {"ours": [4.4], "linear": [4.0], "catboost": [5.0]}),
        *cells("movies", {"ours": [1.0], "linear": [1.0]}),  # a peer is missing
    ]
    (found,) = few_rows.compared(of_both)
    assert found.ratio == {CHOSEN: 1.0, SHOWN: pytest.approx(1.1)} and found.behind == [SHOWN]
    assert (
        found.mean() == pytest.approx(1.1**0.5)
        and found.mean(True) == 1
        and found.mean(False) == pytest.approx(1.1)
    )
    lines = list(few_rows.page(of_both))
    assert "above 1.05 on adult 1.100; ahead on 0 of 2 tables" in lines[0]
    assert f"| {CHOSEN} | 2 | 4 | 1.5 | 1.5 | 1.000 | 0.100, 0.100 | 2.00 |" in lines
    assert any(line.startswith(f"| **{SHOWN}** | 1 |") for line in lines)


def test_the_page_has_what_the_file_has():
    text = few_rows.PAGE.read_text()
    _, rest = text.split(few_rows.BEGIN)
    lines = list(few_rows.page(few_rows.read(few_rows.RESULTS).values()))
    assert rest.split(few_rows.END)[0].strip().splitlines() == lines
