"""`chainrule compare`: two files answer the same rows, with sentences, as JSON, and by the exit code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule as c
from needs import needs


@pytest.fixture
def nets(tmp_path: Path) -> np.ndarray:
    """Files of two networks, and rows."""
    rows = np.random.default_rng(0).normal(size=(50, 4))
    for name, seed in (("a", 0), ("b", 1)):
        net = c.Model(c.Network(4, [c.Dense(5), c.Tanh(), c.Dense(3)], c.SoftmaxCrossEntropy()), seed=seed)
        net.fit(rows, np.array(["cat", "dog", "owl"])[rows[:, :3].argmax(1)], epochs=3)
        net.save(tmp_path / f"{name}.safetensors")
    np.save(tmp_path / "rows.npy", rows)
    np.savez(tmp_path / "rows.npz", X=rows)
    return rows


@needs("onnx")
def test_a_network_and_its_onnx_file(command, nets, tmp_path):
    c.load(tmp_path / "a.safetensors").export(tmp_path / "a.onnx")
    said = command("compare", "a.safetensors", "a.onnx", "--rows", "rows.npy").stdout
    assert "A and B agree on all 50 rows (tolerance 1e-05)." in said
    assert "rows with another label: 0." in said


def test_two_networks_differ(command, nets, tmp_path):
    a, b = (c.load(tmp_path / f"{name}.safetensors") for name in "ab")
    same = int((a.predict(nets) == b.predict(nets)).sum())
    apart = np.abs(a.predict_proba(nets) - b.predict_proba(nets)).max(1)
    found = command("compare", "a.safetensors", "b.safetensors", "--rows", "rows.npz", code=1, data=True)
    assert (found["agreeing"], found["other_decisions"]) == (0, 50 - same) and not found["is_equal"]
    assert found["farthest"][0]["row"] == apart.argmax() and found["largest"] == pytest.approx(apart.max())
    assert np.sum(found["confusion"]) == 50 and np.trace(found["confusion"]) == same
    by_class = ("compare", "a.safetensors", "b.safetensors", "--rows", "rows.npy", "--tolerance", "class")
    assert f"the same label on {same} of 50 rows" in command(*by_class, code=1).stdout
    assert (
        f"A 與 B 在 50 列中的 {same} 列上預測相同的標籤。"
        in command(*by_class, "--lang", "zh", code=1).stdout
    )
    assert command("compare", "a.safetensors", "b.safetensors", "--rows", "rows.npy", "--tolerance", 1)


def test_two_runs_on_a_table(command, houses):
    """Each reads the table in its own way."""
    for name, epochs in (("one", 1), ("two", 3)):
        command(
            *("train", "houses.csv", "--target-column", "price", "--epochs", epochs, "--out", name),
            *("--preset", "none", "--hidden", "4"),
        )
    found = command("compare", "one", "two", "--rows", "houses.csv", code=1, data=True)
    assert found["other_decisions"] is None and 0 < found["median"] <= found["largest"]
    command("compare", "one", "one", "--rows", "houses.csv")


def test_what_is_refused(command, nets):
    files = ("compare", "a.safetensors", "b.safetensors")
    said = command(*files, "--rows", "rows.npy", "--tolerance", "near", code=2).stderr
    assert "--tolerance must be a number, 0 or larger, or class, not 'near'" in said
    assert "none.npy does not exist" in command(*files, "--rows", "none.npy", code=2).stderr
    assert "--rows" in command(*files, code=2).stderr
