"""The comparison with other libraries: all train the same network, and the page shows every loss."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import page
import pytest
import readme
import verdicts
from results import Results, comma_separated
from sections import HOME
from speed import (
    PEERS,
    Case,
    Comparison,
    PeerError,
    Worker,
    installed,
)
from speed.cases import HELD
from speed.measure import Contestant, Pool, prediction, timed, training
from speed.peers import make
from speed.ratios import said

ROOT = Path(__file__).parents[2]


def small(case: Case, steps: int = 20) -> Case:
    """The same with a short epoch."""
    made = object.__new__(type("Small", (Case,), {"steps": property(lambda self: steps)}))
    made.__dict__.update(case.__dict__)
    return made


# --- all do the same


def loss_after_an_epoch(name: str, case: Case) -> float:
    X, y = case.data()
    peer = make(name, 1)
    peer.prepare(case, X, y, case.layers())
    assert peer.train(case.samples, shuffle=False) == case.samples
    return case.loss(peer.outputs(X[:HELD]), y[:HELD])


PLAIN = (Case((8, 16, 16, 1), 32), Case((12, 32, 5), 16), Case((6, 9, 3), 8))
BLOCKS = tuple(Case((10, 16, 16, 4), 32, blocks) for blocks in ("residual", "batch norm"))
TRAINERS = [
    name for name, entry in PEERS.items() if entry.trains and name not in ("chainrule", "torch-compile")
]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=() if case == PLAIN[-1] else pytest.mark.slow)
        for case in (*PLAIN, *BLOCKS)
    ],
)
def test_the_losses_after_an_epoch_agree(case: Case):
    case = small(case)
    ours = loss_after_an_epoch("chainrule", case)
    X, y = case.data()
    peer = make("chainrule", 1)
    peer.prepare(case, X, y, case.layers())
    start = case.loss(peer.outputs(X[:HELD]), y[:HELD])
    compared = []
    for name in TRAINERS:
        if installed(name) and make(name, 1).refusal(case) is None:
            theirs = loss_after_an_epoch(name, case)
            assert abs(theirs - ours) <= 1e-3 * abs(start - ours), name
            compared.append(name)
    assert {"jax-step", "jax-scan"} <= set(compared)
    assert {"sklearn", "numpy"} <= set(compared) or case.blocks != "plain"


@pytest.mark.parametrize("name", [name for name in PEERS if name not in ("chainrule", "torch-compile")])
def test_predictions_agree(name: str):
    if not installed(name):
        pytest.skip(f"{PEERS[name].title} is not installed")
    case = small(Case((9, 20, 3), 64))
    X, y = case.data()
    expected = None
    for one in ("numpy", name):
        peer = make(one, 1)
        peer.prepare(case, X, y, case.layers())
        if one == "sklearn":
            peer.predictor(X)  # a first fit, without which it has no weights
            for weights, layer in zip(peer.net.coefs_, case.layers(), strict=True):
                weights[...] = layer.W
            for bias, layer in zip(peer.net.intercepts_, case.layers(), strict=True):
                bias[...] = layer.b
        out = np.asarray(peer.outputs(X), np.float64)
        log_p = out - np.log(np.exp(out).sum(1, keepdims=True))
        expected = log_p if expected is None else expected
        assert np.allclose(log_p, expected, atol=1e-4)
        assert np.asarray(peer.predictor(X[:1])()).shape == (1, 3)


# --- what is said


def test_a_ratio_below_one_is_called_a_loss():
    found = Comparison({"chainrule": 100.0, "torch": 50.0, "jax-scan": 125.0})
    assert found.best == "jax-scan" and found.is_loss
    assert (found.ratio(), found.ratio("torch")) == (0.8, 2.0)
    assert (said(0.8), said(2.0), said(math.nan)) == ("0.80 loss", "2.00", "-")
    assert not Comparison({"chainrule": 3.0, "numpy": 2.0}).is_loss
    alone = Comparison({"chainrule": 3.0})
    assert alone.best is None and math.isnan(alone.ratio())


def made_up(tmp_path: Path) -> Results:
    """Two cells: one won, one lost."""
    settings = {
        "threads": [1, 2],
        "seconds": 0.1,
        "rounds": 3,
        "quick": True,
        "peers": ["chainrule", "torch", "jax-scan"],
    }
    results = Results.begin(settings, tmp_path / "results.json")
    results.data["versions"] = {"torch": "2.6"}
    rates = {"chainrule": (5.0, 8.0), "torch": (3.0, 2.0), "jax-scan": (1.0, 9.0)}
    values = {
        f"{peer}@{n}": [r * 1e6] * 3 for peer, two in rates.items() for n, r in zip((1, 2), two, strict=True)
    }
    cell = {"case": HOME[0].as_json(), "values": values, "loss": dict.fromkeys(values, 0.5), "refused": {}}
    results.put(f"train/{HOME[0].name}", cell)
    large = HOME[5]
    values = {"chainrule@1": [900.0], "chainrule@2": [2000.0], "torch@1": [1000.0], "torch@2": [1000.0]}
    loss = {"chainrule@1": 0.5, "chainrule@2": 0.5, "torch@1": 0.6}
    sgemm = {"1": [1e11], "2": [2e11]}
    cell = {"case": large.as_json(), "values": values, "loss": loss, "refused": {}, "sgemm": sgemm}
    results.put(f"train/{large.name}", cell)
    results.put("batches/4-32-16-4, batch 8", {"left out": "it is made up"})
    return results


def test_the_page_shows_every_loss(tmp_path: Path):
    results = Results.read(made_up(tmp_path).path)
    text = page.text(results)
    small_net, large = HOME[0].name, HOME[5].name
    assert f"- train: {small_net}, 2 threads: 0.89 against JAX, an epoch" in text
    assert f"- train: {large}, 1 thread: 0.90 against PyTorch" in text
    assert "**0.89 loss**" in text and "**2.00**" in text
    assert ["train", large, "Chainrule", "1", 900.0, "samples per second", 0.0] in page.every_cell(results)
    assert "0.889; 1 of 2 cells below | no" in text
    share = 2000 * HOME[5].operations / 2e11
    assert f"| {100 * share:.0f} % |" in text
    assert f"- train/{large}: PyTorch, 1 thread 0.6, Chainrule 0.5" in text  # the losses do not agree
    assert verdicts.in_a_line(results.cells[f"train/{small_net}"]).startswith("0.89 loss against JAX")


def test_the_page_is_that_of_the_newest_results():
    newest = Results.newest()
    assert newest is not None, "no results: run `make bench`"
    assert (ROOT / "docs" / "benchmarks.md").read_text("utf-8") == page.text(newest)
    rows = comma_separated(page.every_cell(newest))
    assert (ROOT / "docs" / "benchmarks.csv").read_text("utf-8") == rows


# --- processes


@pytest.mark.parametrize("name", sorted(readme.BATCH))
def test_the_table_of_the_readme_is_that_of_the_newest_results(name: str):
    newest = Results.newest()
    assert newest is not None
    text = (ROOT / name).read_text("utf-8")
    assert readme.refreshed(text, newest, readme.BATCH[name]) == text
    with pytest.raises(ValueError, match="must have one table of speed, and this one has 0"):
        readme.refreshed("# Nothing", newest, readme.BATCH[name])


@pytest.mark.slow
def test_a_worker_answers():
    case = Case((6, 8, 3), 1024)
    with Pool() as pool:
        who = [Contestant("numpy", 1), Contestant("chainrule", 1), Contestant("onnxruntime", 1)][:2]
        cell = training(pool, case, who, seconds=0.01, rounds=2)
        assert set(cell.values) == {"numpy@1", "chainrule@1"} and all(
            len(v) == 2 for v in cell.values.values()
        )
        assert cell.loss["numpy@1"] == pytest.approx(cell.loss["chainrule@1"], rel=1e-3)
        assert all(rate > 0 for values in cell.values.values() for rate in values)
        rows = prediction(pool, case, who, rows=1, seconds=0.01, rounds=1)
        assert set(rows.values) == set(cell.values) and rows.refused == {}
        assert pool.ask(who[0], "memory")["peak"] > 10
        assert pool.ask(who[0], "sgemm", seconds=0.01)["rate"] > 1e8
        assert pool.ask(who[1], "fit", epochs=1)["seconds"] > 0
        assert (
            "native" in pool.ask(who[1], "versions")["chainrule"]
            or "reference" in pool.ask(who[1], "versions")["chainrule"]
        )
        refused = training(pool, Case((6, 8, 3), 64, "dropout"), who[:1], seconds=0.01, rounds=1)
        assert refused.values == {} and "dropout" in refused.refused["numpy@1"]


def test_a_worker_that_fails_is_left_out():
    with Pool() as pool:
        who = Contestant("numpy", 1)
        pool.ask(who, "versions")
        pool.worker(who).process.kill()
        refused: dict[str, str] = {}
        assert timed(pool, [who], "train", 2, refused, seconds=0.01) == {}
        assert "process ended" in refused["numpy@1"]
        with Worker("numpy", 1) as worker, pytest.raises(PeerError, match="numpy: AssertionError"):
            worker.ask("train", seconds=0.01)  # nothing is loaded
