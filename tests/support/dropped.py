"""Networks of files and rows for them, and dropping them on a page of the studio."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

import chainrule as c
from chainrule.datasets import load_mnist
from static_pages import first

if TYPE_CHECKING:
    from playwright.sync_api import Page

DROP = """([name, text]) => {
  const dataTransfer = new DataTransfer(), bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  dataTransfer.items.add(new File([bytes], name));
  const event = (type) => new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer });
  for (const type of ['dragover', 'drop']) document.querySelector('main').dispatchEvent(event(type));
}"""


def drop(page: Page, path: Path) -> None:
    """Drop a file on the page, and wait until it says something of it."""
    page.evaluate("window.chainrule.store.set({ opened: null })")
    page.evaluate(DROP, [path.name, base64.b64encode(path.read_bytes()).decode()])
    page.wait_for_function(
        "() => window.chainrule.store.get('opened') && window.chainrule.store.get('opened').reading === undefined"
    )
    page.evaluate("window.chainrule.idle()")


def digits(folder: Path, activation: c.Layer) -> c.Model:
    """A classifier of pixels from 0 to 1, as an ONNX file that does not say so, and as PyTorch's state_dict."""
    train = first(load_mnist()[0], 4000)
    stack = [c.Dense(32), activation, c.Dense(16), activation, c.Dense(10)]
    made = c.Model(c.Network(784, stack, c.SoftmaxCrossEntropy()), seed=0)
    made.fit(train.X / np.float32(255), train.y, epochs=12, optimizer=c.Adam(0.003), validation_fraction=None)
    made.export(folder / "digits.onnx", train.X[:9] / np.float32(255))
    tensors = {}
    for k, name in enumerate(("dense_1", "dense_2", "dense_3")):
        W, b = made.parameters[name]
        tensors |= {f"net.{2 * k}.weight": np.ascontiguousarray(W.T), f"net.{2 * k}.bias": b}
    save_file(tensors, folder / "state.safetensors")
    return made


def cross(folder: Path) -> c.Model:
    """A classifier of six numbers, as a file of ONNX."""
    X = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    made = c.Model(
        c.Network(6, [c.Dense(8), c.GELU(), c.Dense(8), c.Tanh(), c.Dense(3)], c.SoftmaxCrossEntropy())
    )
    made.fit(X, np.array(["ant", "bee", "cat"])[np.argmax(X[:, :3], 1)], epochs=30, validation_fraction=None)
    made.export(folder / "cross.onnx", X[:9], label=True)
    lines = [
        ",".join([*map(str, row), label]) for row, label in zip(X.tolist(), made.predict(X), strict=True)
    ]
    (folder / "rows.csv").write_text("\n".join(["a,b,c,d,e,f,insect", *lines]) + "\n", "utf-8")
    (folder / "bare.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines), "utf-8")
    (folder / "wrong.csv").write_text("a,b\n1,2\n", "utf-8")
    return made
