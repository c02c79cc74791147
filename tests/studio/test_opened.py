"""Files that are dropped on the page of the server: it opens them as `chainrule.open` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import chainrule as c
from chainrule.datasets import load_mnist
from chainrule.recipe.data import from_arrays
from chainrule.studio import screens
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio
from dropped import cross, digits, drop
from small_studios import noise
from static_pages import first
from studio_pages import settle, studio_pages

assert screens.__name__, "its import registers the commands"


def sent(studio: Studio, command: str, path: Path, **more: Any) -> dict[str, Any]:
    """What a command answers to a file that has been uploaded."""
    studio.uploads[f"7-{path.name}"] = path
    found: dict[str, Any] = find(command)(studio, {"upload": f"7-{path.name}"} | more)
    return found


@pytest.mark.slow
def test_a_network_of_pictures_is_tried_on_those_of_the_data(tmp_path: Path):
    made, test = digits(tmp_path, c.Tanh()), first(load_mnist()[1], 300)
    studio = Studio(data=from_arrays(test.X, test.y, name="mnist", shape=(28, 28)))
    wanted = made.predict_proba(test.X / np.float32(255))
    for name, guesses in (
        ("digits.onnx", {"pixels": "unit"}),
        ("state.safetensors", {"activation": "tanh", "pixels": "unit", "answers": "classes"}),
    ):
        found = sent(studio, "model.open", tmp_path / name)
        assert {each["key"]: each["value"] for each in found["guesses"]} == guesses
        assert (
            found["trial"]["right"] > 0.85 * found["trial"]["n"] and found["name"] == name.partition(".")[0]
        )
        np.testing.assert_allclose(studio.model.predict_proba(test.X), wanted, atol=1e-5)
    again = find("model.open")(studio, {"chosen": {"pixels": "bytes", "answers": "numbers"}})
    assert studio.model.task == "regression" and again["guesses"][1]["value"] == "bytes"
    layers = [link.layer.kind for link in studio.model.network.walk()]
    assert layers[0] == "dense"


def test_files_and_rows(tmp_path: Path):
    """A file of the package keeps its classes; rows have a target or the answers; a refusal names the file."""
    made, studio = cross(tmp_path), noise()
    made.save(tmp_path / "own.safetensors")
    for name in ("own.safetensors", "cross.onnx"):
        found = sent(studio, "model.open", tmp_path / name)
        assert found == {
            "name": name.partition(".")[0],
            "size": made.network.size,
            "guesses": [],
            "trial": None,
        }
        assert studio.model.labels == ["ant", "bee", "cat"]
    for name in ("rows.csv", "bare.csv"):
        assert sent(studio, "model.rows", tmp_path / name)["n"] == 80
        X, y = studio.data.train.X, studio.data.train.y
        assert X.shape == (80, 6) and y.tolist() == made.predict(X).tolist()
        assert find("backprop.walk")(studio, {"sample": 3})["loss"] > 0
    for name, command, says in (
        ("wrong.csv", "model.rows", r"^wrong\.csv has 2 columns, and the shown network takes 6 inputs"),
        ("net.pt", "model.open", r"^net\.pt .*torch\.onnx\.export"),
        ("cut.onnx", "model.open", r"^cut\.onnx .*export it again"),
    ):
        if not (tmp_path / name).exists():
            (tmp_path / name).write_bytes((tmp_path / "cross.onnx").read_bytes()[:200])
        with pytest.raises(c.ChainruleError, match=says):
            sent(studio, command, tmp_path / name)


@pytest.mark.browser
@pytest.mark.slow
def test_dropped_on_the_page(browser: Any, tmp_path: Path):
    made = cross(tmp_path)
    save_file({"a.weight": np.ones((3, 3, 3), np.float32)}, tmp_path / "conv.safetensors")
    with studio_pages(browser, noise()) as pages, pages.open("train") as page:
        for name in ("cross.onnx", "rows.csv", "conv.safetensors"):
            drop(page, tmp_path / name)
            settle(page)
        assert (
            page.locator("[data-test=opened] .error")
            .inner_text()
            .startswith("conv.safetensors: a.weight has")
        )
        assert page.evaluate("window.chainrule.store.get('model').size") == made.network.size
        assert page.evaluate("window.chainrule.store.get('screen')") == "draw"
        assert page.locator("[data-test=prediction]").get_attribute("data-value") in {"ant", "bee", "cat"}
        assert page.evaluate("window.chainrule.store.get('data').shown") == 80
