"""The packed texts of a column: what a list of the same texts is, in a third of its memory."""

from __future__ import annotations

import copy
import gc
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from chainrule import MLPClassifier, TablePreprocessor
from chainrule.datasets import read_table, text_column
from chainrule.datasets.text_column import TextColumn, TextsRead
from chainrule.tables.rows import rows_of

TEXTS = ["Oslo", None, "Łódź", "", "Oslo", "\ud800", "naïve"]


def packed(texts: list[str | None]) -> TextColumn:
    known = list(dict.fromkeys(text for text in texts if text is not None))
    return TextColumn(known, np.array([-1 if text is None else known.index(text) for text in texts]))


def test_it_is_the_sequence_that_a_list_is():
    column = packed(TEXTS)
    assert column == TEXTS and column != TEXTS[:-1] and column == packed(TEXTS) and len(column) == 7
    assert [column[k] for k in range(7)] == list(column) == TEXTS and column[np.int64(-1)] == "naïve"
    assert column[1:3] == TEXTS[1:3] and column[::-2] == TEXTS[::-2]
    assert column.take(np.array([6, 0, 1])) == ["naïve", "Oslo", None]
    assert None in column and None not in column[2:] and "Oslo" in column and "Bergen" not in column
    assert column.index("Łódź") == 2 and column.count("Oslo") == 2
    assert pickle.loads(pickle.dumps(column)) == copy.deepcopy(column) == TEXTS
    assert repr(column[:2]) == "TextColumn(['Oslo', None], 2 rows)"
    assert repr(column).startswith("TextColumn(['Oslo', None, 'Łódź', '', 'Oslo', ...], 7")
    with pytest.raises(IndexError):
        column[7]
    assert rows_of({"city": column}, np.array([2, 1]))["city"] == ["Łódź", None]
    assert pd.DataFrame({"city": column[2:5]})["city"].tolist() == TEXTS[2:5]


@pytest.mark.parametrize("most", [1 << 16, 2, 0])
def test_texts_that_are_read_in_pieces(most: int, monkeypatch: pytest.MonkeyPatch):
    """Whether texts of different pieces are told apart or not."""
    monkeypatch.setattr(text_column, "MAX_DISTINCT", most)
    pieces = [["b", "a", "b"], ["c", "é"], [], ["a", "a", "d"]]
    read = TextsRead()
    for piece in pieces:
        read.add(piece)
    texts = read.texts()
    assert [texts[code] for code in read.codes] == ["b", "a", "b", "c", "é", "a", "a", "d"]
    assert len(texts) == len(set(texts)) or most < 3
    assert texts.count("b") == 1


@pytest.mark.slow
def test_a_table_of_unique_texts_takes_little_memory(tmp_path: Path):
    path = tmp_path / "t.csv"
    rows = [",".join(f"{40 * k + i:x}z" for i in range(40)) for k in range(5000)]
    path.write_text("\n".join([",".join(f"c{i}" for i in range(40)), *rows]))
    gc.collect()
    tracemalloc.start()
    try:
        table = read_table(path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(table["c3"][:2]) == ["3z", "2bz"] and len(set(table["c39"])) == 5000
    assert kept < 4 * path.stat().st_size and peak < 12 * path.stat().st_size


def test_a_table_of_packed_texts_is_that_of_lists(tmp_path: Path):
    rng = np.random.default_rng(0)
    words, numbers = rng.choice(["red", "green", "", "blue"], 120), rng.normal(size=120).round(3)
    lines = [f"{word},{number},{number > 0}" for word, number in zip(words, numbers, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["word,number,y", *lines]))
    table = read_table(tmp_path / "t.csv")
    lists = {name: list(values) for name, values in table.items()}
    of_table, of_lists = (TablePreprocessor().fit_transform(each) for each in (table, lists))
    np.testing.assert_array_equal(of_table, of_lists)
    y, settings = table.pop("y"), {"preprocess": "auto", "max_iter": 2, "random_state": 0}
    lists.pop("y")
    first = MLPClassifier(**settings).fit(table, y).predict_proba(table)
    second = MLPClassifier(**settings).fit(lists, list(y)).predict_proba(lists)
    np.testing.assert_array_equal(first, second)
