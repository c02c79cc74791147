"""The simpler models beside a network: how much they learn from, and by how many threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from chainrule.recipe import baselines
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings


@pytest.mark.parametrize(
    ("limit", "columns", "trees", "rows"),
    [
        (None, 20, 100, 100_000),
        (None, 1_000, 100, 30_000),  # 30 s of 10^8 cells, of which a row has 10^5
        (60.0, 20, 100, 100_000),
        (1.0, 20, 100, 50_000),
        (1.0, 20, 3_000, 2_000),
        (0.001, 20, 100, 2_000),
    ],
)
def test_they_take_no_longer_than_the_time_limit(limit: float | None, columns: int, trees: int, rows: int):
    assert baselines.most_rows(limit, columns, trees) == rows


def test_they_run_in_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Several wait for each other at each leaf of a tree, where the cores have other work too."""
    threads: list[int] = []

    class Counted(Ridge):
        def fit(self, X: Any, y: Any) -> Any:
            threads.append(_openmp_effective_n_threads())
            return super().fit(X, y)

        def predict(self, X: Any) -> Any:
            threads.append(_openmp_effective_n_threads())
            return super().predict(X)

    monkeypatch.setattr(baselines, "_model", lambda *_: Counted())
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{a - b:.3f}" for a, b in rng.normal(size=(60, 2))]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *lines]))
    settings = Settings(target_column="y", hidden=(4,), epochs=1, time_limit=1000.0)
    made = run(str(tmp_path / "table.csv"), settings, out=tmp_path / "run").comparison
    assert made is not None and made.rows == 48 and threads == [1] * 6
