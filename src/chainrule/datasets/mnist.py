"""MNIST, included in the package: 60,000 training and 10,000 test images of handwritten digits.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits"; CC BY-SA 3.0.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.datasets.idx import Dataset, PathLike, read_idx
from chainrule.errors import FormatError


@dataclass(frozen=True)
class _File:
    name: str
    shape: tuple[int, ...]
    sha256: str
    """of the unpacked file"""
    pieces: int = 1
    """the files that it is packed into, to be unpacked at once; one after another they are one .xz"""

    @property
    def packed(self) -> tuple[str, ...]:
        """The names of the embedded files."""
        if self.pieces == 1:
            return (f"{self.name}.xz",)
        return tuple(f"{self.name}.{k}.xz" for k in range(1, self.pieces + 1))

    @property
    def start(self) -> int:
        """The byte at which the values start: 4, plus 4 per dimension."""
        return 4 + 4 * len(self.shape)

    @property
    def stamp(self) -> int:
        """The modification time that marks a file with verified SHA-256; any later write changes it."""
        return 10**9 + 2 * int(self.sha256[:6], 16)


TRAIN = (
    _File(
        "train-images-idx3-ubyte",
        (60000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        pieces=4,
    ),
    _File(
        "train-labels-idx1-ubyte",
        (60000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
)
TEST = (
    _File(
        "t10k-images-idx3-ubyte",
        (10000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    _File(
        "t10k-labels-idx1-ubyte",
        (10000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


def load_mnist(cache: PathLike | None = None) -> tuple[Dataset, Dataset]:
    """Load (train, test): `.X` (n, 784) uint8 as stored, `.y` (n,) int64, `.images` the view (n, 28, 28).

    cache: the folder to unpack into, once (default: `cache_folder()`); the images are then memory-mapped.
    All arrays are read-only.  If the cache is not writable, the images are unpacked into memory each time.
    Raises FormatError if the embedded files are damaged.
    """
    try:
        folder = Path(cache) if cache is not None else cache_folder()
    except RuntimeError:  # a user without a home
        folder = None
    train, test = (
        Dataset(
            X=_load(images, folder).reshape(images.shape[0], 784),
            y=_load(labels, folder).astype(np.int64),
            shape=(28, 28),
            name=f"mnist {half}",
            classes=tuple("0123456789"),
        )
        for half, (images, labels) in (("train", TRAIN), ("test", TEST))
    )
    for half in (train, test):
        half.y.flags.writeable = False
    return train, test


def cache_folder() -> Path:
    """Return the folder of unpacked files: CHAINRULE_CACHE, or the platform's cache folder.

    XDG_CACHE_HOME (if absolute) or ~/.cache; on macOS ~/Library/Caches; on Windows %LOCALAPPDATA%.
    """
    if own := os.environ.get("CHAINRULE_CACHE"):
        return Path(own).expanduser()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG specification ignores relative paths
        return xdg / "chainrule"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "chainrule" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "chainrule"
    return Path.home() / ".cache" / "chainrule"


def _load(file: _File, folder: Path | None) -> NDArray[Any]:
    """Return the memory-mapped array; unpack it first if the cached file is missing or differs."""
    if folder is None:
        return _in_memory(file)
    target = folder / "mnist" / file.name
    array = _map(file, target)
    if array is None:
        try:
            _unpack(file, target)
        except OSError:
            return _in_memory(file)
        array = _map(file, target)
    return _in_memory(file) if array is None else array


def _map(file: _File, target: Path) -> NDArray[Any] | None:
    try:
        array = read_idx(target)  # verifies the header against the file size
        is_right = target.stat().st_mtime == file.stamp or _is_genuine(file, target)
    except (OSError, FormatError):
        return None
    return array if is_right and array.shape == file.shape and array.dtype == np.uint8 else None


def _is_genuine(file: _File, target: Path) -> bool:
    """Return whether a cached file has the right SHA-256, computed in 30 ms; a stamped file is not read again."""
    from hashlib import file_digest

    with open(target, "rb") as source:
        if file_digest(source, "sha256").hexdigest() != file.sha256:
            return False
    with suppress(OSError):  # another user's file
        os.utime(target, (file.stamp, file.stamp))
    return True


def _unpack(file: _File, target: Path) -> None:
    """Write the unpacked file atomically, so that no process sees a part of it."""
    from hashlib import sha256  # loading OpenSSL takes 5 ms; not needed with a cache

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{file.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    digest = sha256()
    try:
        with open(part, "xb") as out:
            for piece in _unpacked(file):
                digest.update(piece)
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())  # else a power cut could leave a stamped file without contents
        _verify(file, digest.hexdigest())
        os.utime(part, (file.stamp, file.stamp))
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _in_memory(file: _File) -> NDArray[Any]:
    from hashlib import sha256

    data = b"".join(_unpacked(file))
    _verify(file, sha256(data).hexdigest())
    return np.frombuffer(data, np.uint8, offset=file.start).reshape(file.shape)


def _unpacked(file: _File) -> Iterator[bytes]:
    """Yield a file piece by piece, each unpacked by a thread of its own."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(file.pieces) as threads:
        yield from threads.map(_piece, file.packed)


def _piece(name: str) -> bytes:
    from importlib.resources import files

    try:
        import lzma
    except ImportError as error:  # a Python compiled where liblzma's headers were missing
        raise FormatError(
            "The embedded MNIST files are packed by lzma, a module of the standard library that this Python was "
            "compiled without; install a Python that has it."
        ) from error
    packed = (files("chainrule.datasets") / "embedded" / name).read_bytes()
    try:
        return lzma.decompress(packed, lzma.FORMAT_XZ)
    except lzma.LZMAError as error:
        raise FormatError(f"The embedded {name} is damaged ({error}); reinstall chainrule.") from error


def _verify(file: _File, sha256: str) -> None:
    if sha256 != file.sha256:
        names = " to ".join(dict.fromkeys((file.packed[0], file.packed[-1])))
        raise FormatError(f"The embedded {names} unpacked has the SHA-256 {sha256}; reinstall chainrule.")
