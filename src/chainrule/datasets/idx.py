"""IDX, the original file format of MNIST: a header, then the values, all numbers big-endian.

    byte 0: two zeros    byte 2: the type    byte 3: the number of dimensions d
    byte 4: d dimensions of 4 bytes each     byte 4 + 4d: the values, the last dimension running fastest

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import open_regular
from chainrule.errors import DataError, FormatError

PathLike: TypeAlias = str | os.PathLike[str]

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_SIGNATURE = b"\x1f\x8b"
MAX_DIMENSIONS = 32  # the limit of NumPy before 2.0
READ_BYTES = 1 << 20
SAFE_BYTES = 64 << 20  # may always be unpacked
MAX_RATIO = 200  # unpacked per packed byte, above SAFE_BYTES; MNIST has 5, deflate at most 1032


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Samples and targets, read-only and as stored.

    X: (n, features).  y: (n,) or (n, outputs); class labels are int64.
    shape: of one item; its product is the number of features.
    """

    X: NDArray[Any]
    y: NDArray[Any]
    shape: tuple[int, ...]
    name: str = ""
    classes: tuple[str, ...] | None = None

    @property
    def images(self) -> NDArray[Any]:
        """X in the shape of the items, without a copy: (n, 28, 28) for MNIST."""
        return self.X.reshape(len(self.X), *self.shape)

    def take(self, rows: NDArray[np.integer] | slice) -> Dataset:
        """Return some of the samples."""
        return replace(self, X=self.X[rows], y=self.y[rows])

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.X)

    def __repr__(self) -> str:
        """Return shapes and dtypes, not values."""
        return f"Dataset({self.name!r}, X={self.X.dtype}{self.X.shape}, y={self.y.dtype}{self.y.shape})"


def read_growing(read: Callable[[int], bytes], size: int) -> bytearray:
    """Read at most `size` bytes in pieces, so that a wrong size in a header allocates nothing."""
    data = bytearray()
    while len(data) < size and (piece := read(min(READ_BYTES, size - len(data)))):
        data += piece
    return data


def is_bomb(unpacked: int, packed: int) -> bool:
    """Return whether the unpacked size exceeds 64 MB and 200 times the packed size."""
    return unpacked > SAFE_BYTES and unpacked > MAX_RATIO * packed


def check_bomb(where: str, unpacked: int, packed: int) -> None:
    """Raise FormatError if the unpacked size exceeds 64 MB and 200 times the packed size."""
    if is_bomb(unpacked, packed):
        raise FormatError(
            f"{where}: {packed} packed bytes claim to contain {unpacked}, over {MAX_RATIO} times as many; "
            "if the data really are that repetitive, store them uncompressed."
        )


def read_idx(path: PathLike) -> NDArray[Any]:
    """Read the array in an IDX file, plain or gzip (detected by its first bytes).

    Returns a read-only array in the file's dtype and byte order; a plain file is memory-mapped and read on use.
    Raises FormatError, with the byte offset, for a wrong header or length.
    """
    with open_regular(path) as file:
        packed = file.read(2) == GZIP_SIGNATURE
        file.seek(0)
        return _read_gzip(path, file) if packed else _map_plain(path, file)


def _read_header(
    path: PathLike, read: Callable[[int], bytes]
) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    """Return dtype, dimensions, the byte at which the values start, and their size in bytes."""
    name = os.fspath(path)
    magic = read(4)
    if len(magic) < 4:
        raise FormatError(f"{name} ends at byte {len(magic)}, inside the first 4 bytes of an IDX file.")
    if magic[:2] != b"\0\0":
        raise FormatError(
            f"{name} is not an IDX file: it must start with two zeros at byte 0, not {magic[:2].hex(' ')}."
        )
    if magic[2] not in TYPES:
        known = ", ".join(f"0x{code:02x}" for code in TYPES)
        raise FormatError(f"{name} has the type 0x{magic[2]:02x} at byte 2; IDX has {known}.")
    dimensions = magic[3]
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise FormatError(
            f"{name} has {dimensions} dimensions at byte 3; it must have 1 to {MAX_DIMENSIONS}."
        )
    sizes = read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise FormatError(f"{name} ends at byte {4 + len(sizes)}, inside its {dimensions} dimensions.")
    shape = struct.unpack(f">{dimensions}I", sizes)
    dtype = np.dtype(TYPES[magic[2]])
    if prod(max(size, 1) for size in shape) * dtype.itemsize > np.iinfo(np.intp).max:
        raise FormatError(f"{name} has invalid dimensions at byte 4: {_times(shape)}.")
    return dtype, shape, 4 + 4 * dimensions, prod(shape) * dtype.itemsize


def _map_plain(path: PathLike, file: BinaryIO) -> NDArray[Any]:
    dtype, shape, start, size = _read_header(path, file.read)
    found = os.fstat(file.fileno()).st_size - start
    if found != size:
        raise _wrong_length(path, dtype, shape, start, found)
    if size == 0:  # mapping an empty range is a system error
        return _read_only(np.empty(shape, dtype))
    return np.asarray(np.memmap(file, dtype, "r", start, shape))


def _read_gzip(path: PathLike, file: BinaryIO) -> NDArray[Any]:
    import gzip
    import zlib

    name = os.fspath(path)
    with gzip.GzipFile(fileobj=file) as stream:
        try:
            dtype, shape, start, size = _read_header(path, stream.read)
            check_bomb(f"{name}, dimensions at byte 4", size, os.fstat(file.fileno()).st_size)
            data = read_growing(stream.read, size)
            # One byte more than promised: detects trailing bytes and makes gzip verify its checksum.
            if len(data) < size or stream.read(1):
                raise _wrong_length(path, dtype, shape, start, len(data) + (len(data) == size))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            at = f"byte {stream.tell()} of its contents (byte {file.tell()} of the file)"
            raise FormatError(
                f"{name} cannot be unpacked past {at}: {error}; download the file again."
            ) from error
    return _read_only(np.frombuffer(data, dtype).reshape(shape))


def _wrong_length(
    path: PathLike, dtype: np.dtype[Any], shape: tuple[int, ...], start: int, found: int
) -> FormatError:
    size = prod(shape) * dtype.itemsize
    name, end = os.fspath(path), start + size
    promise = f"its header promises {_times(shape)} values of {dtype.itemsize} bytes, up to byte {end}"
    if found < size:
        return FormatError(f"{name} ends at byte {start + found}, but {promise}; download the file again.")
    return FormatError(f"{name} continues past byte {end}, but {promise}; the header or the file is wrong.")


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


_PART = re.compile(r"(?:^|[-_.])(train|t10k|test)[-_.](images|labels)(?:[-_.]|$)")


def load_idx_folder(path: PathLike) -> tuple[Dataset, Dataset]:
    """Load (train, test) from a folder with `train-images*`, `train-labels*`, `test-images*` and `test-labels*`.

    `t10k-` may replace `test-`.  Files may be plain or `.gz`; a plain file takes precedence.
    X: (n, product of the items' dimensions), memory-mapped bytes, or wider types in native byte order.
    y: (n,), or (n, outputs) for labels with two dimensions; integers become int64.
    Raises DataError for a missing or ambiguous file and for different counts, FormatError for a damaged file.
    """
    parts = _find_parts(Path(path))
    train = _load_pair(parts["train", "images"], parts["train", "labels"])
    test = _load_pair(parts["test", "images"], parts["test", "labels"])
    if train.shape != test.shape:
        raise DataError(
            f"{parts['test', 'images']} has items of {_times(test.shape)} but the training images are "
            f"{_times(train.shape)}; they must have the same shape."
        )
    return train, test


def _find_parts(folder: Path) -> dict[tuple[str, str], Path]:
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; pass the folder of the IDX files.")
    found: dict[tuple[str, str], list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if (match := _PART.search(file.name.lower())) and file.is_file():
            half = "train" if match[1] == "train" else "test"
            found.setdefault((half, match[2]), []).append(file)
    parts = {}
    for half, kind in (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels")):
        plain_first = sorted(found.get((half, kind), []), key=lambda file: len(file.name))
        stems = {re.sub(r"\.gz$", "", file.name, flags=re.IGNORECASE) for file in plain_first}
        if len(stems) != 1:
            wanted = f"{half}-{kind}*" if half == "train" else f"t10k-{kind}* or test-{kind}*"
            came = f"{len(stems)}: {', '.join(sorted(stems))}" if stems else "none"
            raise DataError(f"{folder} needs one file {wanted} (plain or .gz) but has {came}.")
        parts[half, kind] = plain_first[0]
    return parts


def _load_pair(images: Path, labels: Path) -> Dataset:
    X, y = read_idx(images), read_idx(labels)
    if X.ndim < 2:
        raise FormatError(
            f"{images} has 1 dimension at byte 3; images need 2 or more. Is this the label file?"
        )
    if y.ndim > 2:
        raise FormatError(
            f"{labels} has {y.ndim} dimensions at byte 3; labels have 1 or 2. Is this the image file?"
        )
    if len(X) != len(y):
        raise DataError(
            f"{images} contains {len(X)} items but {labels} contains {len(y)} labels; the numbers must be "
            "equal."
        )
    shape = X.shape[1:]
    X = X.reshape(len(X), prod(shape)).astype(X.dtype.newbyteorder("="), copy=False)
    y = y.astype(np.int64 if y.dtype.kind in "iu" else y.dtype.newbyteorder("="), copy=False)
    return Dataset(_read_only(X), _read_only(y), shape, name=images.parent.name)
