"""What `chainrule serve` refuses before it serves anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from chainrule import Dense, MeanSquaredError, Model, Network


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    net = Model(Network(2, [Dense(1)], MeanSquaredError()), seed=0)
    net.fit([[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], epochs=1)
    net.save(path)
    return path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("missing.safetensors",), "does not exist"),
        (("broken.safetensors",), "broken.safetensors"),
        (("model.safetensors", "--host", "0.0.0.0"), "pass --token-file"),
        (("model.safetensors", "--host", "192.0.2.1", "--token-file", "token"), "cannot be used"),
        (
            ("model.safetensors", "--precision", "fp8"),
            "--precision must be bf16, or int8 to predict, not 'fp8'",
        ),
        (("exact.safetensors", "--precision", "bf16"), "needs a float32 model, not float64; omit it"),
        (("model.safetensors", "--precision", "int8"), "--precision int8 needs the ranges"),
        (("model.safetensors", "--token-file", "short"), "at least 16 characters"),
        (("model.safetensors", "--token-file", "missing"), "does not exist"),
        (("model.safetensors", "--token-file", "."), "not a regular file"),
        (("model.safetensors", "--host", "no address", "--token-file", "token"), "no address"),
    ],
)
def test_what_it_refuses(command, model: Path, tmp_path: Path, arguments: tuple[str, ...], says: str):
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    Model.load(model).in_float64().save(tmp_path / "exact.safetensors")
    (tmp_path / "token").write_text("0123456789abcdef\n", "utf-8")
    (tmp_path / "short").write_text("x\n", "utf-8")
    found = command("serve", *arguments, "--port", 0, code=2)
    assert says in " ".join(found.stderr.split()) and "Traceback" not in found.stderr


def test_a_port_that_is_taken(command, model: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = command("serve", model, "--port", taken.getsockname()[1], code=2)
    assert "choose another" in found.stderr
