"""The page of few rows: its ratios and means, the tables that it names, and cells that are read again."""

from __future__ import annotations

from pathlib import Path

import few_rows
import numpy as np
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


def test_the_race_is_beside_the_default_on_the_draws_that_both_have():
    peers = {"linear": [4.0, 4.0], "catboost": [2.0, 2.0]}
    of_all = [
        *cells(CHOSEN, {"ours": [1.0, 9.0], "best": [0.9], **peers}),
        *cells(SHOWN, {"ours": [2.0], "best": [2.2], **peers}),
        *cells("movies", {"ours": [1.0], **peers}),
    ]
    (line,) = few_rows.of_best(of_all)
    assert line.startswith(
        '- **50 rows, `preset="best"`** with a limit of 20 seconds, 1 draw of 2 tables: 0.704'
    )
    assert (
        "where the default has 0.707 (0.450 and 0.500 on the tables" in line
        and "chosen on, 1.100 and 1.000" in line
    )
    assert f"smaller than the default's on 1 tables, and more than 1% larger on {SHOWN} 1.100." in line
    assert line in list(few_rows.page(of_all)) and not list(
        few_rows.of_best(cells(CHOSEN, {"ours": [1.0], **peers}))
    )


def test_cells_that_were_written_are_read_again(tmp_path: Path):
    path = tmp_path / "cells.jsonl"
    first = Cell(CHOSEN, 50, 0, "ours", 1 / 3, 0.0, 0.25, 1e-9)
    few_rows.write(path, first)
    few_rows.write(path, first._replace(draw=1))
    found = few_rows.read(path)
    assert list(found) == [(CHOSEN, 50, 0, "ours"), (CHOSEN, 50, 1, "ours")]
    assert found[first.key] == first._replace(loss=0.333333)


def test_the_error_of_calibration_by_hand():
    y = np.array(["a", "a", "b", "b"])
    p = np.array(
        [[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]
    )  # 0.9 of which 2 of 3 are right, and 0.6, right
    expected = (3 * abs(2 / 3 - 0.9) + abs(1 - 0.6)) / 4
    assert few_rows.ece(y, p, np.array(["a", "b"])) == pytest.approx(expected)


def test_the_page_has_what_the_file_has():
    text = few_rows.PAGE.read_text()
    _, rest = text.split(few_rows.BEGIN)
    lines = list(few_rows.page(few_rows.read(few_rows.RESULTS).values()))
    assert rest.split(few_rows.END)[0].strip().splitlines() == lines
