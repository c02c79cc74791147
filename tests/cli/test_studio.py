"""`chainrule studio` in a process of its own: its address, its end by Ctrl-C, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.cookiejar import CookieJar

import numpy as np
import pytest

from chainrule import Dense, MeanSquaredError, Model, Network

TIMEOUT = 120


@contextmanager
def studio(*arguments: str):
    """The process, and the address that it printed as JSON."""
    command = [
        sys.executable,
        "-m",
        "chainrule",
        "studio",
        "--no-browser",
        "--port",
        "0",
        "--json",
        *arguments,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            yield process, json.loads(line)["url"] if line else None
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT)


def browse(url: str):
    """Open an address as a browser does, keeping its cookie."""
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar())).open(
        url, timeout=TIMEOUT
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for one process")
def test_it_serves_until_ctrl_c(tmp_path):
    path = tmp_path / "model.safetensors"
    Model(Network(2, [Dense(1)], MeanSquaredError()), seed=0).save(path)
    with studio(str(path)) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        with browse(url) as reply:
            assert reply.status == 200 and b"/static/" in reply.read()
        with pytest.raises(urllib.error.HTTPError) as caught:
            browse(url)
        assert caught.value.code == 403
        caught.value.close()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=TIMEOUT)
        assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.skipif(os.name == "nt", reason="no pseudoterminals")
@pytest.mark.slow
def test_enter_prints_another_address(tmp_path):
    """In a terminal; each address lets one browser in."""
    import pty

    path = tmp_path / "model.safetensors"
    Model(Network(2, [Dense(1)], MeanSquaredError()), seed=0).save(path)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "chainrule", "studio", "--no-browser", str(path)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, text=True) as process:
        try:
            first = process.stdout.readline().split()[-1]
            assert "Enter prints another" in process.stdout.readline()
            os.write(ours, b"\n")
            second = process.stdout.readline().strip()
            assert first != second
            for url in (second, first):
                with browse(url) as reply:
                    assert reply.status == 200
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=TIMEOUT)
            os.close(ours), os.close(theirs)


@pytest.mark.slow
def test_a_table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b,y\n1,2,0\n3,4,1\n5,6,0\n", "utf-8")
    with studio(str(path)) as (_, url), browse(url) as reply:
        assert reply.status == 200


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("missing.safetensors", None, "does not exist"),
        ("missing.csv", None, "does not exist"),
        ("broken.safetensors", b"no", "broken.safetensors"),
        ("broken.onnx", b"no", "is not a complete ONNX file"),
        ("broken.csv", b"a,b\n1\n", "broken.csv"),
        ("one.csv", b"a\n1\n2\n", "has one column"),
        ("picture.png", b"no", "is not data"),
    ],
)
def test_what_it_cannot_open(command, tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    found = command("studio", str(tmp_path / name), "--no-browser", code=2)
    assert says in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr


def test_a_port_that_is_taken(command):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = command("studio", "mnist", "--no-browser", "--port", taken.getsockname()[1], code=2)
    assert "choose another" in found.stderr


def test_tables_and_their_targets(tmp_path):
    """Whole numbers of few values are classes, text too, other numbers amounts; y, or else the last column."""
    from chainrule.studio.session.start import open_data

    def read(text: str):
        (tmp_path / "t.csv").write_text(text, "utf-8")
        return open_data(str(tmp_path / "t.csv")).train

    classes = read("a,b\n1.5,0\n2.5,1\n")
    assert np.array_equal(classes.X, [[1.5], [2.5]]) and classes.y.dtype == np.int64
    assert open_data(str(tmp_path / "t.csv")).features == ("a",)
    assert read("y,a\nno,1\nyes,2\n").y.tolist() == ["no", "yes"]
    assert read("a,y\n1,0.5\n2,1.5\n").y.dtype == np.float64


def test_a_run_comes_with_its_data(command, tmp_path):
    """The rows that it was tested on, as its network takes them; without the file the model alone."""
    from chainrule.studio.session.start import opened

    lines = [f"{i % 7},{['red', 'blue'][i % 2]},{i % 2}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["size,colour,sold", *lines, ""]), "utf-8")
    words = ("train", "t.csv", "--target-column", "sold", "--epochs", 2, "--out", "run", "--quiet")
    command(*words)
    found = opened(str(tmp_path / "run"))
    assert found.data.test.X.shape == (12, found.model.network.inputs)
    assert found.data.features == found.model.feature_names and "size" in found.data.features
    assert found.model.evaluate(found.data.test.X, found.data.test.y)["loss"] > 0
    (tmp_path / "t.csv").unlink()
    assert not opened(str(tmp_path / "run")).has_data
