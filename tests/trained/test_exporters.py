"""Files as other libraries write them, made by tests/golden/make_opened.py: each answers as its library does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from needs import needs

pytestmark = [needs("onnx"), needs("onnxruntime")]
FOLDER = Path(__file__).parents[1] / "golden" / "opened"
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(40, 6)).astype(np.float32)
ANSWERS = json.loads((FOLDER / "answers.json").read_text("utf-8"))
REFUSED = {"layer_norm": "LayerNormalization", "pre_norm": "LayerNormalization", "hard_swish": "HardSwish"}
"""The networks with an operation that no layer computes, by the ends of their names."""
OUTPUTS: dict[str, tuple[str, ...]] = {
    "torch_heads.onnx": ("11", "14"),
    "dynamo_heads.onnx": ("linear_1", "linear_3"),
    "keras3_heads.onnx": ("28", "22"),
}
"""The outputs of the files with several heads whose names an exporter numbered."""


def answers(opened: c.Model, rows: Any, like: Any) -> Any:
    """What a model answers, in the form of a file's output: the places of labels where it has whole numbers."""
    made = opened.predict(rows) if opened.task == "regression" else opened.predict_proba(rows)
    if like.dtype.kind == "i":
        made = made.argmax(1)
    elif opened.task == "binary" and like.size == len(rows):
        made = made[:, 1]
    return made.reshape(like.shape)


def outputs_of(name: str) -> tuple[str | None, ...]:
    if name.startswith("sb3") or (name.startswith("keras") and "heads" in name and name not in OUTPUTS):
        return "action", "value"
    return OUTPUTS.get(name, (None,))


@pytest.mark.parametrize(
    "name", sorted(path.name for path in FOLDER.glob("*.onnx") if path.name[:6] != "table_")
)
def test_answers_of_onnx_runtime(name: str):
    import onnxruntime

    found = next((op for end, op in REFUSED.items() if name.endswith(f"{end}.onnx")), None)
    if found is not None:
        with pytest.raises(c.FormatError, match=rf"\({found}\) cannot be a layer: .*it reads .*Gemm"):
            c.open(FOLDER / name)
        return
    session = onnxruntime.InferenceSession(FOLDER / name, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    for output in outputs_of(name):
        opened = c.open(FOLDER / name, output=output)
        rows = RNG.normal(size=(40, opened.network.inputs)).astype(np.float32)
        if name == "sklearn_columns.onnx":  # categories that it knows, and others
            rows[:, 4:] = RNG.integers(-1, 11, (40, 2))
        lengths = [each for each in given.shape[1:] if isinstance(each, int)]
        wanted = session.run(
            [output or session.get_outputs()[-1].name], {given.name: rows.reshape(40, *lengths)}
        )[0]
        if isinstance(wanted, list):
            wanted = np.array([list(row.values()) for row in wanted])
        np.testing.assert_allclose(answers(opened, rows, wanted), wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*no activations")
@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_answers_of_the_library(name: str):
    wanted = np.array(ANSWERS[name])
    found = [c.open(FOLDER / name, output=output) for output in outputs_of(name)]
    widths = [each.network.outputs for each in found]
    parts = np.split(wanted, np.cumsum(widths)[:-1], axis=1)
    for opened, part in zip(found, parts, strict=True):
        np.testing.assert_allclose(answers(opened, ROWS, part), part, rtol=1e-6, atol=1e-6)


def test_there_are_files_of_many_exporters():
    names = [path.name for path in FOLDER.iterdir()]
    assert len(names) > 50 and sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    assert {name.partition("_")[0] for name in names} >= {
        *("torch", "dynamo", "sklearn", "keras2", "keras3", "tf2onnx", "sb3", "chainrule")
    }


def test_a_bounded_activation_is_a_chain_of_layers():
    opened = c.open(FOLDER / "torch_bounded.onnx")
    layers = repr(list(opened.network.layers))
    assert "ReLU(), Rescale(-1.0, offset=6.0), ReLU(), Rescale(-1.0, offset=6.0)" in layers
    opened.fit(ROWS, np.zeros((40, 3), np.float32), epochs=1)
