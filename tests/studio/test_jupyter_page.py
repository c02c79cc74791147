"""The studio in JupyterLab itself: a server of its own, a kernel, and a notebook whose cells are run in a browser."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import numpy as np
import psutil
import pytest

from chainrule import Adam, Dense, Model, Network, ReLU, SoftmaxCrossEntropy, load
from chromium import is_local
from needs import needs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs("jupyterlab")]

ROOT = ".jp-OutputArea .chainrule"
CELLS = [
    """import os
from pathlib import Path
import numpy as np
import chainrule
Path("kernel").write_text(str(os.getpid()))
samples = np.load("samples.npz")
X, y = samples["X"], samples["y"]
model = chainrule.load("model.safetensors")
view = model.view(X, y)
view""",
    """model.fit(X, y, epochs=40, optimizer=chainrule.Adam(0.05), callbacks=[view.live()])
model.save("after.safetensors")
print("it has", "learned")""",
]


def shared(folder: str) -> Path:
    """A folder of JupyterLab's installation, which need not be that of this interpreter."""
    import jupyterlab  # seconds, which every worker would take to collect this file

    for parent in Path(jupyterlab.__file__).resolve().parents:
        if (parent / "share" / "jupyter" / folder).is_dir():
            return parent / "share" / "jupyter" / folder
    pytest.fail(f"JupyterLab has no share/jupyter/{folder}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A notebook, with a trained model and samples beside it."""
    random = np.random.default_rng(0)
    X = random.normal(size=(60, 4)).astype(np.float32)
    y = X[:, :3].argmax(1)
    model = Model(Network(4, [Dense(6), ReLU(), Dense(3)], SoftmaxCrossEntropy()), seed=0)
    model.fit(X, y, epochs=20, optimizer=Adam(0.02))
    made = tmp_path / "notebooks"
    made.mkdir()
    model.save(made / "model.safetensors")
    np.savez(made / "samples.npz", X=X, y=y)
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{k}",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for k, source in enumerate(CELLS)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (made / "studio.ipynb").write_text(json.dumps(notebook))
    return made


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture
def address(folder: Path, tmp_path: Path) -> Iterator[str]:
    """The address of the notebook in a server that is alone in its folders; it and its kernels have ended behind it."""
    port, token = free_port(), secrets.token_urlsafe(16)
    own = {
        "HOME": tmp_path,
        "JUPYTER_CONFIG_DIR": tmp_path / "config",
        "JUPYTER_DATA_DIR": tmp_path / "data",
        "JUPYTER_RUNTIME_DIR": tmp_path / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": tmp_path / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": tmp_path / "workspaces",
        "IPYTHONDIR": tmp_path / "ipython",
        "JUPYTER_PATH": shared("labextensions").parent,
        "JUPYTER_TOKEN": token,
    }
    options = [
        *("--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={folder}", f"--app-dir={shared('lab')}", "--allow-root"),
        *(
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
        ),
    ]
    page_config = tmp_path / "config" / "labconfig" / "page_config.json"
    page_config.parent.mkdir(parents=True)
    page_config.write_text(
        json.dumps({"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}})
    )
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        cwd=folder,
        env=os.environ | {name: str(value) for name, value in own.items()},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        wait(lambda: answers(f"{base}/api?token={token}") or server.poll() is not None, "the server's start")
        assert server.poll() is None, (tmp_path / "log").read_text()
        yield f"{base}/lab/tree/studio.ipynb?token={token}&reset"
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()
        if (folder / "kernel").exists():
            kernel = int((folder / "kernel").read_text())
            wait(lambda: not is_alive(kernel), "the kernel's end")


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def wait(is_done: Any, what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < end, f"{what} took more than {seconds} s"
        time.sleep(0.1)


def asked(page: Any, script: str, argument: Any = None) -> Any:
    """What a script returns that has the store of the studio in the notebook's output."""
    return page.evaluate(
        f"(argument) => (({script})(document.querySelector('{ROOT}').studio, argument))", argument
    )


def weights(page: Any) -> list[float]:
    found: list[float] = asked(page, "(store) => Array.from(store.get('network').arrays['dense_1.W'])")
    return found


def has_kernel(page: Page) -> bool:
    """Whether a kernel waits for cells, and the notebook is connected to it."""
    kernels = page.evaluate("async () => (await fetch('/api/kernels')).json()")
    return any((one["execution_state"], one["connections"]) == ("idle", 1) for one in kernels)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that reaches this machine only; what JupyterLab itself complains of in the console is no fault."""
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("pageerror", lambda error: asked.append(f"script error: {error}"))
    page.goto(address, timeout=90_000)
    yield page
    context.close()
    assert [url for url in asked if not url.startswith("script") and not is_local(url)] == []
    assert [fault for fault in asked if fault.startswith("script")] == []


def test_a_notebook(page: Page, folder: Path):
    with np.load(folder / "samples.npz") as file:
        samples = dict(file)
    model = load(folder / "model.safetensors")
    first = page.locator(".jp-Notebook .jp-CodeCell").first
    first.wait_for(timeout=90_000)
    wait(lambda: has_kernel(page), "the kernel's start")
    first.click()
    page.keyboard.press("Shift+Enter")
    shown = page.locator(f"{ROOT} [data-test=prediction]")
    shown.wait_for(timeout=90_000)
    x = samples["X"][:1]
    assert shown.inner_text() == str(model.predict(x)[0])
    outputs = asked(page, "(store, x) => Array.from(store.get('network').forward(x).at(-1).a)", x[0].tolist())
    assert outputs == pytest.approx(model.outputs(x)[0].tolist(), rel=1e-5)
    before = weights(page)
    assert before == pytest.approx(model.parameters["dense_1"].W.ravel().tolist(), rel=1e-6)

    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(".jp-OutputArea-output :text('it has learned')", timeout=90_000)
    after = load(folder / "after.safetensors").parameters["dense_1"].W.ravel().tolist()
    assert after != pytest.approx(before, rel=1e-2)
    wait(
        lambda: weights(page) == pytest.approx(after, rel=1e-6),
        "the picture of the network that has learned",
        20,
    )
