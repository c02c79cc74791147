"""Networks of Keras: what is opened answers as Keras does, and what is damaged, hostile or unknown is refused."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from needs import needs

pytestmark = needs("onnx")
FOLDER = Path(__file__).parents[1] / "golden" / "keras"
KNOWN = json.loads((FOLDER / "answers.json").read_text("utf-8"))
X = np.array(KNOWN["rows"], np.float32)


def answers(opened: c.Model) -> Any:
    return opened.predict(X) if opened.task == "regression" else opened.predict_proba(X)


def changed(name: str, folder: Path, change: Callable[[Any], Any] | None = None, **others: bytes) -> Path:
    """A file with another configuration, of which `change` makes the layers, or with other parts."""
    path = folder / f"{name}.keras"
    with zipfile.ZipFile(FOLDER / path.name) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    config = json.loads(parts["config.json"])
    if change is not None:
        change(config["config"]["layers"])
    parts |= {"config.json": json.dumps(config).encode()} | {
        {"config": "config.json", "metadata": "metadata.json", "numbers": "model.weights.h5"}[key]: value
        for key, value in others.items()
    }
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)
    return path


@pytest.mark.parametrize("name", ["sequential", "functional"])
def test_answers_of_keras(name: str):
    opened = c.open(FOLDER / f"{name}.keras")
    np.testing.assert_allclose(answers(opened), KNOWN[name][0], rtol=0, atol=1e-6)
    assert (answers(c.load(FOLDER / f"{name}.keras")) == answers(opened)).all()


def test_layers():
    opened = c.open(FOLDER / "sequential.keras")
    assert [type(each).__name__ for each in opened.network.layers] == [
        *("Standardize", "Dense", "BatchNorm", "LeakyReLU", "Dropout", "Dense", "SiLU", "ELU", "Dense")
    ]
    assert isinstance(opened.network.loss, c.SoftmaxCrossEntropy)
    opened.fit(X, np.arange(5) % 3, epochs=1)


def test_the_compiled_loss_says_that_they_are_logits():
    opened = c.open(FOLDER / "logits.keras")
    assert opened.task == "multiclass"
    np.testing.assert_allclose(opened.outputs(X), KNOWN["logits"][0], rtol=0, atol=1e-6)
    assert c.open(FOLDER / "logits.keras", loss=c.MeanSquaredError()).task == "regression"


def test_one_of_several_outputs():
    with pytest.raises(c.FormatError, match=r"choose one, as in .*heads.keras:action: action, value\."):
        c.open(FOLDER / "heads.keras")
    for k, name in enumerate(("action", "value")):
        opened = c.open(FOLDER / "heads.keras", output=name)
        np.testing.assert_allclose(answers(opened).reshape(5, -1), KNOWN["heads"][k], rtol=0, atol=1e-6)


def leaky(about: dict[str, Any], slope: float) -> None:
    about["activation"] = {
        "module": "keras.layers",
        "class_name": "LeakyReLU",
        "config": {"name": "inside", "negative_slope": slope},
        "registered_name": None,
    }


@pytest.mark.parametrize(
    "name", ["relu", "sigmoid", "softplus", "mish", "selu", "gelu", "leaky_relu", "layer"]
)
def test_activations(name: str, tmp_path: Path):
    """Instead of the ReLU between the dense layers, by the formulas of the package."""

    def change(layers: list[Any]) -> None:
        del layers[2]
        layers[1]["config"]["activation"] = name
        if name == "layer":
            leaky(layers[1]["config"], 0.2)

    opened = c.open(changed("logits", tmp_path, change))
    known = c.LeakyReLU(0.2) if name in ("leaky_relu", "layer") else None
    found = opened.network.layers[1]
    assert found == known or type(found).__name__.lower() == name


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda layers: layers[2].update(class_name="Conv1D"), r"'re_lu' \(Conv1D\) .*it reads 'dense.*' \(Gemm\)"),
        (lambda layers: layers[2].update(class_name="Lambda"), "'re_lu' is a Lambda, which is code"),
        (lambda layers: layers[2].update(registered_name="mine>ReLU"), r"'re_lu' \(ReLU\) cannot be a layer"),
        (lambda layers: layers[2].update(module="mine"), r"'re_lu' \(ReLU\) cannot be a layer"),
        (lambda layers: layers[1]["config"].update(activation="hard_tanh"), "activation hard_tanh"),
        (lambda layers: layers[2]["config"].update(threshold=1.0), "ReLU with a threshold"),
        (lambda layers: layers[1].update(class_name="EinsumDense"), r"\(EinsumDense\)"),
        (lambda layers: layers[0]["config"].update(batch_shape=[None, None]), "give it one with a number of columns"),
        (lambda layers: layers.pop(0), "does not say how many inputs"),
        (lambda layers: layers.append(layers[-1]), "has no numbers of the layer"),
    ],
)  # fmt: skip
def test_layers_that_are_refused(change: Callable[[Any], Any], said: str, tmp_path: Path):
    with pytest.raises(c.FormatError, match=said):
        c.open(changed("logits", tmp_path, change))


def with_hdf5(write: Callable[[Any], Any]) -> bytes:
    import h5py

    with zipfile.ZipFile(FOLDER / "logits.keras") as archive:
        made = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(made, "a") as file:
        group = file["layers/dense/vars"]
        del group["0"]
        write(group)
    return made.getvalue()


@needs("h5py")
def test_hostile_numbers(tmp_path: Path):
    """Numbers elsewhere, compressed, never written, or of another type, and links in a circle."""
    import h5py

    def write_external(group: Any) -> None:
        group.create_dataset("0", (4, 4), "f4", external=[(str(tmp_path / "other.bin"), 0, 64)])

    (tmp_path / "other.bin").write_bytes(bytes(64))
    for write in (
        write_external,
        lambda group: group.create_dataset("0", data=np.ones((4, 4), "f4"), compression="gzip"),
        lambda group: group.create_dataset("0", (1 << 20, 1 << 20), "f4"),
        lambda group: group.create_dataset("0", data=np.ones((4, 4), "i4")),
    ):
        with pytest.raises(c.FormatError, match="are not plain floating-point numbers"):
            c.open(changed("logits", tmp_path, numbers=with_hdf5(write)))
    for link in (
        h5py.ExternalLink(str(tmp_path / "b.h5"), "/x"),
        h5py.SoftLink("/layers/dense/vars/1"),
    ):
        with pytest.raises(c.FormatError, match="has no numbers of the layer 'dense"):
            c.open(
                changed("logits", tmp_path, numbers=with_hdf5(lambda group, to=link: group.update({"0": to})))
            )


def test_an_empty_place_among_texts(tmp_path: Path):
    """The HDF5 library reads a free place of no bytes in a heap of texts again and again."""
    data, at = bytearray((FOLDER.parent / "opened" / "keras2_sequential.h5").read_bytes()), 2064
    assert data[2048:2052] == b"GCOL"
    for _ in range(3):
        at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
    data[at : at + 16] = bytes(16)
    (tmp_path / "net.h5").write_bytes(data)
    with pytest.raises(c.FormatError, match="has no numbers of the layer 'normalization'"):
        c.open(tmp_path / "net.h5")


def test_a_setting_of_another_type(tmp_path: Path):
    with zipfile.ZipFile(FOLDER / "logits.keras") as archive:
        config = json.loads(archive.read("config.json")) | {"compile_config": 0.5}
    with pytest.raises(c.FormatError, match="is damaged"):
        c.open(changed("logits", tmp_path, config=json.dumps(config).encode()))


def test_hostile_archives(tmp_path: Path):
    bomb = tmp_path / "bomb.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * 10_000_000)
    with pytest.raises(c.FormatError, match="unpacks to more than"):
        c.open(bomb)
    with pytest.raises(c.FormatError, match="settings, which no dense network has"):
        c.open(changed("logits", tmp_path, config=b"[" * 100_000 + b"]" * 100_000))
    with pytest.raises(c.FormatError, match=r"saved by Keras 1\.2\.2; load it in Keras 3"):
        c.open(changed("logits", tmp_path, metadata=b'{"keras_version": "1.2.2"}'))
    with pytest.raises(c.FormatError, match=r"has no config\.json"):
        with zipfile.ZipFile(tmp_path / "empty.keras", "w"):
            pass
        c.open(tmp_path / "empty.keras")
    (tmp_path / "text.keras").write_bytes(b"no archive")
    with pytest.raises(c.FormatError, match="is damaged"):
        c.open(tmp_path / "text.keras")


def test_the_command_takes_it(tmp_path: Path):
    from commands import invoke

    np.save(tmp_path / "rows.npy", X)
    shutil.copy(FOLDER / "logits.keras", tmp_path)
    assert "dense_2" in invoke(["info", tmp_path / "logits.keras"]).output
    c.open(tmp_path / "logits.keras").export(tmp_path / "net.onnx")
    found = invoke(
        ["compare", tmp_path / "logits.keras", tmp_path / "net.onnx", "--rows", tmp_path / "rows.npy"]
    )
    assert found.exit_code == 0, found.output
