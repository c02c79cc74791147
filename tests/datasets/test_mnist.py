import hashlib
import importlib.resources
import lzma
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chainrule import FormatError
from chainrule.datasets import cache_folder, load_mnist, mnist


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    load_mnist(folder)
    return folder


def cached_files(folder):
    return sorted((folder / "mnist").iterdir())


def env_with(**changes):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **changes}


def test_shapes_types_and_values(cache):
    train, test = load_mnist(cache)
    for half, n in ((train, 60000), (test, 10000)):
        assert half.X.shape == (n, 784) and half.X.dtype == np.uint8
        assert half.y.shape == (n,) and half.y.dtype == np.int64
        assert half.images.shape == (n, 28, 28) and np.shares_memory(half.images, half.X)
        assert not (half.X.flags.writeable or half.y.flags.writeable or half.images.flags.writeable)
        assert half.classes == tuple("0123456789")
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(train.X.mean() / 255 - 0.1307) < 1e-4


def test_cached_files_have_the_published_checksums(cache):
    files = {path.name: path for path in cached_files(cache)}
    assert set(files) == {file.name for file in (*mnist.TRAIN, *mnist.TEST)}  # and no partial one is left
    for file in (*mnist.TRAIN, *mnist.TEST):
        assert hashlib.sha256(files[file.name].read_bytes()).hexdigest() == file.sha256


def test_the_license_lies_beside_the_files():
    text = (Path(mnist.__file__).parent / "embedded" / "README.md").read_text("utf-8")
    for word in (
        "LeCun",
        "Cortes",
        "Burges",
        "by-sa/3.0",
        *(file.sha256 for file in (*mnist.TRAIN, *mnist.TEST)),
    ):
        assert word in text


def test_cached_reading_takes_milliseconds(cache):
    def seconds():
        start = time.perf_counter()
        load_mnist(cache)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.02  # 1 ms on an idle machine


def test_a_second_call_writes_nothing(cache):
    before = [(path.name, path.stat().st_mtime_ns, path.stat().st_ino) for path in cached_files(cache)]
    load_mnist(cache)
    assert before == [
        (path.name, path.stat().st_mtime_ns, path.stat().st_ino) for path in cached_files(cache)
    ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data + b"\0",
        lambda data: b"\0\0\x08\x02" + data[4:],
        lambda data: bytes(len(data)),
    ],
    ids=["cut", "empty", "longer", "other dimensions", "zeros"],
)
def test_a_damaged_cache_is_unpacked_again(cache, damage):
    path = cache / "mnist" / "t10k-labels-idx1-ubyte"
    good = path.read_bytes()
    path.write_bytes(damage(good))
    load_mnist(cache)
    assert path.read_bytes() == good


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("start", [0, 16], ids=["all zeros", "zeros behind the header"])
def test_other_content_of_the_same_size_is_unpacked_again(cache, name, start):
    path = cache / "mnist" / name
    good = path.read_bytes()
    path.write_bytes(good[:start] + bytes(len(good) - start))
    load_mnist(cache)
    assert path.read_bytes() == good


def test_a_copied_cache_is_checked_once_and_kept(cache, monkeypatch):
    path = cached_files(cache)[0]
    node = path.stat().st_ino
    os.utime(path, (1, 1))
    load_mnist(cache)
    assert path.stat().st_ino == node and path.stat().st_mtime > 1
    monkeypatch.setattr(mnist, "_is_genuine", lambda *_: pytest.fail("it was checked again"))
    load_mnist(cache)


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_done_without(cache, tmp_path):
    (tmp_path / "file").write_text("in the way")
    train, test = load_mnist(tmp_path / "file")
    expected = load_mnist(cache)
    np.testing.assert_array_equal(train.X, expected[0].X)
    np.testing.assert_array_equal(test.y, expected[1].y)
    assert not train.X.flags.writeable


@pytest.mark.slow
def test_a_user_without_a_home(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(mnist, "cache_folder", no_home)
    assert len(load_mnist()[1]) == 10000


@pytest.mark.slow
def test_damaged_embedded_files_are_named(monkeypatch, tmp_path):
    files = tuple(mnist._File(file.name, file.shape, "0" * 64) for file in mnist.TEST)
    monkeypatch.setattr(mnist, "TEST", files)
    with pytest.raises(
        FormatError, match=r"t10k-images-idx3-ubyte\.xz unpacked has the SHA-256 0fa7898d.* reinstall"
    ):
        load_mnist(tmp_path)
    assert not [path for path in cached_files(tmp_path) if "t10k" in path.name]


def test_a_damaged_piece_is_named(monkeypatch, tmp_path):
    packed = Path(mnist.__file__).parent / "embedded"
    (tmp_path / "embedded").mkdir()
    for path in packed.glob("*.xz"):
        (tmp_path / "embedded" / path.name).symlink_to(path)
    damaged = tmp_path / "embedded" / "train-images-idx3-ubyte.3.xz"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.unlink()
    damaged.write_bytes(content)
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    with pytest.raises(
        FormatError, match=r"train-images-idx3-ubyte\.3\.xz is damaged .* reinstall chainrule"
    ):
        load_mnist(tmp_path / "cache")
    assert cached_files(tmp_path / "cache") == []


def test_a_python_without_lzma_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(FormatError, match="compiled without; install a Python that has it"):
        load_mnist(tmp_path)


def test_the_packed_files_are_small_and_one_stream_for_other_readers():
    """What the wheel's size depends on, and that the pieces one after another are a valid file."""
    packed = Path(mnist.__file__).parent / "embedded"
    files = [packed / name for file in (*mnist.TRAIN, *mnist.TEST) for name in file.packed]
    assert sorted(files) == sorted(packed.glob("*.xz"))
    assert sum(path.stat().st_size for path in files) < 9.5e6
    whole = b"".join((packed / name).read_bytes() for name in mnist.TRAIN[0].packed)
    assert hashlib.sha256(lzma.decompress(whole)).hexdigest() == mnist.TRAIN[0].sha256


@pytest.mark.slow
def test_several_processes_may_unpack_at_once(tmp_path):
    code = "from chainrule.datasets import load_mnist as f; a, b = f(); print(int(a.X[-1].sum()), int(b.X.sum()))"
    children = [
        subprocess.Popen([sys.executable, "-c", code], env=env_with(CHAINRULE_CACHE=str(tmp_path)), stdout=-1)
        for _ in range(2)
    ]
    answers = {child.communicate(timeout=120)[0] for child in children}
    assert [child.returncode for child in children] == [0, 0]
    assert len(answers) == 1
    assert len(cached_files(tmp_path)) == 4


def test_where_the_cache_is(monkeypatch, tmp_path):
    for name in ("CHAINRULE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / ".cache" / "chainrule"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "chainrule"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "chainrule"
    monkeypatch.setenv("CHAINRULE_CACHE", "~/own")
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("CHAINRULE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "chainrule"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert cache_folder() == tmp_path / "Local" / "chainrule" / "cache"


def test_importing_is_light(cache):
    code = (
        "import sys; from chainrule.datasets import load_mnist; load_mnist(); "
        "print(sorted({'sklearn', 'scipy', 'PIL', 'zipfile', 'hashlib', 'lzma', 'concurrent.futures'}"
        " & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], env=env_with(CHAINRULE_CACHE=str(cache)), capture_output=True, text=True
    )
    assert out.stdout.strip() == "[]", out.stderr
