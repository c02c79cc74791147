"""`benchmarks/minute.py`: a table in which losses are called losses, and the same as JSON."""

from __future__ import annotations

import json
import math
import re

import minute
import pytest
from speed import Spread, quick, timing
from speed.cases import Case


def outcome() -> quick.QuickBenchmark:
    """One cell won, two lost."""
    rows = []
    for case, is_training in quick.CELLS[:3]:
        rates = {"chainrule": 4e6, "sklearn": 1e6, "jax-scan": 8e6 if case.widths[0] == 784 else 2e6}
        spreads = {peer: Spread((0.9 * rate, rate, 1.1 * rate)) for peer, rate in rates.items()}
        rows.append(quick.QuickRow(case, is_training, spreads, {"numpy@2": "made up"}, {"chainrule": 0.1}))
    left_out = {"torch": "torch not installed", "train 784-512-512-10, batch 128": "no time for it in 5 s"}
    return quick.QuickBenchmark(tuple(rows), 2, 4.2, {"jax": "0.5"}, left_out)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    asked: list[tuple[object, ...]] = []

    def compare(threads, seconds, say, step):
        asked.append((threads, seconds))
        say("something")
        step("something")
        return outcome()

    monkeypatch.setattr(quick, "compare", compare)
    return asked


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What it prints."""
    minute.main(list(arguments))
    return capsys.readouterr().out


def test_losses_are_called_losses(capsys, made_up):
    text = shown(capsys, "--threads", "1", "--seconds", "5")
    assert made_up == [(1, 5.0)]
    assert re.search(r"8-32-32-1 +32 +4,000 k +4\.00 +2\.00\b", text)
    assert re.search(r"784-128-10 +128 +4,000 k +4\.00 +0\.50 loss", text)
    assert re.search(r"784-128-10 +0\.2 µs +4\.00 +0\.50 loss", text)
    assert max(map(len, text.split("Geometric")[0].splitlines())) <= 80
    words = " ".join(text.split())
    assert "Geometric mean against the best peer of each line: 0.79. In 2 of 3 a peer is faster." in words
    assert "spread up to ±10 %" in words and "2 threads each" in words
    assert "Skipped: PyTorch (torch not installed)." in words
    assert "Skipped: train 784-512-512-10, batch 128 (no time for it in 5 s)." in words


def test_json(capsys, made_up):
    found = json.loads(shown(capsys, "--json"))
    assert [cell["is_loss"] for cell in found["cells"]] == [False, True, True]
    cell = found["cells"][1]
    assert (cell["what"], cell["best_peer"], cell["ratio"]) == (
        "train 784-128-10, batch 128",
        "jax-scan",
        0.5,
    )
    assert cell["rates"]["sklearn"] == {"median": 1e6, "low": 0.9e6, "high": 1.1e6}
    assert cell["ratios"] == {"sklearn": 4.0, "jax-scan": 0.5} and cell["left_out"] == {"numpy": "made up"}
    assert found["geometric_mean"]["sklearn"] == pytest.approx(4.0)
    assert found["left_out"]["torch"] == "torch not installed"


@pytest.mark.slow
def test_a_real_comparison(monkeypatch):
    monkeypatch.setattr(timing, "UNSTEADY", math.inf)  # whatever else the machine does at the moment
    monkeypatch.setattr(quick, "CELLS", ((Case((8, 16, 1), 512), True), (Case((6, 8, 3), 512), False)))
    done: list[str] = []
    found = quick.compare(1, 60.0, peers=("chainrule", "numpy", "sklearn", "torch-compile"), step=done.append)
    assert [row.what for row in found.rows] == done == ["train 8-16-1, batch 512", "one row of 6-8-3"]
    assert all(set(row.rates) == {"chainrule", "numpy", "sklearn"} for row in found.rows)
    assert "torch-compile" in found.left_out and {"chainrule", "numpy", "scikit-learn"} <= set(found.versions)
    assert found.mean() > 0 and found.mean("sklearn") >= found.mean()
