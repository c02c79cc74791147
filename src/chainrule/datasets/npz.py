"""NumPy's .npy and .npz files from untrusted sources: no pickle, no objects, no allocation from an unchecked header.

    .npy: 6 bytes of signature, 2 of version, 2 of header length (4 from version 2), the header, the values
    .npz: a zip archive of .npy members

The header is a Python literal, which is matched, not evaluated: crafted headers make NumPy's parser warn, recurse and
run out of memory.  Source: NumPy enhancement proposal 1, "A simple file format for NumPy arrays".
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import open_regular
from chainrule.datasets.idx import Dataset, PathLike, check_bomb, read_growing
from chainrule.errors import ChainruleError, DataError, FormatError

SIGNATURE = b"\x93NUMPY"
MAX_HEADER_BYTES = 10_000
MAX_DIMENSIONS = 32
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*['"]([<>|=]?[biufUS]\d{1,9})['"]""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(([\d\s,]*)\)""")


class Splits(NamedTuple):
    """The contents of an archive; None for absent parts."""

    train: Dataset
    validation: Dataset | None
    test: Dataset | None


@dataclass(frozen=True)
class _Header:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: str  # "C" or "F"
    start: int  # the byte at which the values start

    @property
    def size(self) -> int:
        """The size of the values in bytes."""
        return prod(self.shape) * self.dtype.itemsize


def load_npz(path: PathLike) -> Splits:
    """Load (train, validation, test) from an .npz with X and y, and optionally X_val, y_val, X_test and y_test.

    `X_train`, `y_train` may replace `X`, `y`, and `X_valid` or `X_validation` `X_val`; case is ignored.
    X: (n, features), with items of more dimensions flattened.  y: (n,) or (n, outputs), integers as int64.
    Raises DataError for missing or mismatched arrays, FormatError for a damaged file.
    """
    aliases = {
        f"{kind}{ending}": (slot, kind)
        for kind in "xy"
        for slot, endings in (
            ("train", ("", "_train")),
            ("validation", ("_val", "_valid", "_validation")),
            ("test", ("_test",)),
        )
        for ending in endings
    }
    name = os.fspath(path)
    found: dict[tuple[str, str], tuple[str, NDArray[Any]]] = {}
    arrays = read_npz(path, aliases)
    for key, array in arrays.items():
        place = aliases[key.lower()]
        if place in found:
            raise DataError(f"{name} contains both {found[place][0]} and {key}; keep one of them.")
        found[place] = key, array
    splits = {
        slot: _pair(name, slot, found.get((slot, "x")), found.get((slot, "y")))
        for slot in ("train", "validation", "test")
    }
    train = splits["train"]
    if train is None:
        held = ", ".join(arrays) or "neither"
        raise DataError(
            f"{name} needs the arrays X and y but has {held}; write it with np.savez(path, X=X, y=y)."
        )
    for slot in ("validation", "test"):
        other = splits[slot]
        if other is not None and other.shape != train.shape:
            raise DataError(
                f"{name}: the items of the {slot} X have shape {other.shape}, but those of the training X "
                f"{train.shape}; they must be equal."
            )
    return Splits(train, splits["validation"], splits["test"])


def _pair(
    name: str, slot: str, X: tuple[str, NDArray[Any]] | None, y: tuple[str, NDArray[Any]] | None
) -> Dataset | None:
    if X is None and y is None:
        return None
    if X is None or y is None:
        (alone, _), missing = (X or y or ("", None)), "X" if X is None else "y"
        raise DataError(f"{name} contains {alone} but not {missing}; store both.")
    (x_key, items), (y_key, targets) = X, y
    if items.ndim < 2 or items.dtype.kind not in "biuf":
        raise DataError(
            f"{x_key} in {name} is {items.dtype} of shape {items.shape}; it must contain numbers of shape "
            "(n, features)."
        )
    if targets.ndim not in (1, 2):
        raise DataError(f"{y_key} in {name} has shape {targets.shape}; it must be (n,) or (n, outputs).")
    if len(items) != len(targets):
        raise DataError(
            f"{name}: {x_key} has {len(items)} rows but {y_key} has {len(targets)}; they must be equal."
        )
    if targets.dtype.kind in "iu":
        if targets.dtype == np.uint64 and targets.size and targets.max() > np.iinfo(np.int64).max:
            raise DataError(
                f"{y_key} in {name} has labels beyond the range of int64; number the classes from 0."
            )
        targets = targets.astype(np.int64, copy=False)
    shape = items.shape[1:]
    flat = np.ascontiguousarray(items.reshape(len(items), prod(shape)))
    for array in (flat, targets):
        array.flags.writeable = False
    return Dataset(flat, targets, shape, name=f"{os.path.basename(name)} {slot}")


def read_npz(path: PathLike, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """Read the arrays of an .npz by name, read-only, in native byte order; only `names` (lower case) if given.

    Supports numbers, booleans and strings, not objects.
    Raises FormatError with member and byte for a damaged file, and for one that unpacks to more than 64 MB and 200
    times its size.
    """
    name = os.fspath(path)
    with open_regular(path) as file:
        packed = os.fstat(file.fileno()).st_size
        at = "its directory"
        arrays: dict[str, NDArray[Any]] = {}
        try:
            with zipfile.ZipFile(file) as archive:
                members = [
                    (key, info)
                    for info in archive.infolist()
                    if (key := info.filename.removesuffix(".npy")) != info.filename
                    and (names is None or key.lower() in names)
                ]
                # Compared with the file's size, not the members', which may overlap.
                check_bomb(name, sum(info.file_size for _, info in members), packed)
                for key, info in members:
                    at = f"the member {info.filename!r} at byte {info.header_offset}"
                    if key in arrays:
                        raise FormatError(f"{name}: {at} is the second with that name; remove one.")
                    arrays[key] = _read_member(f"{name}, {at}", archive, info)
        except ChainruleError:
            raise
        # zipfile has no common base class for errors from damaged archives.
        except (
            zipfile.BadZipFile, zlib.error, struct.error, ArithmeticError, EOFError, LookupError, OSError,
            RuntimeError, ValueError,
        ) as error:  # fmt: skip
            raise FormatError(f"{name} is not a readable .npz: {at} is damaged ({error}).") from error
    return arrays


def _read_member(where: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError(
            f"{where} is compressed by method {info.compress_type}; np.savez_compressed uses deflate."
        )
    check_bomb(where, info.file_size, info.compress_size)
    with archive.open(info) as stream:
        header = _read_header(where, stream)
        _check_length(where, header, info.file_size)
        data = read_growing(stream.read, header.size)
        if len(data) < header.size:
            raise FormatError(
                f"{where} ends at its byte {header.start + len(data)}; its header promises more."
            )
        if stream.read(1):  # also verifies the checksum of an empty array
            raise FormatError(f"{where} continues past its byte {header.start + header.size}.")
    return _finish(where, header, np.frombuffer(data, header.dtype))


def read_npy(path: PathLike) -> NDArray[Any]:
    """Read the array of an .npy file: read-only, memory-mapped, in native byte order (by a copy if needed).

    Raises FormatError with the byte offset for a damaged file, and for object arrays.
    """
    name = os.fspath(path)
    with open_regular(path) as file:
        header = _read_header(name, file)
        _check_length(name, header, os.fstat(file.fileno()).st_size)
        count = prod(header.shape)
        if header.size == 0:  # mapping an empty range is a system error
            return _finish(name, header, np.zeros(count, header.dtype))
        flat = np.memmap(file, header.dtype, "r", header.start, (count,))
    return _finish(name, header, np.asarray(flat))


def _read_header(where: str, stream: IO[bytes]) -> _Header:
    opening = stream.read(8)
    if opening[:6] != SIGNATURE:
        raise FormatError(f"{where} is not an .npy array: it does not start with its signature at byte 0.")
    if len(opening) < 8 or opening[6] not in (1, 2, 3):
        raise FormatError(f"{where} has an unknown version at byte 6; known are 1, 2 and 3.")
    width = 2 if opening[6] == 1 else 4
    start = 8 + width + int.from_bytes(stream.read(width), "little")
    if start > MAX_HEADER_BYTES:
        raise FormatError(
            f"{where} has a header of {start} bytes at byte 8; the maximum is {MAX_HEADER_BYTES}."
        )
    text = stream.read(start - 8 - width).decode("latin1")
    descr, order, shape = _DESCR.search(text), _ORDER.search(text), _SHAPE.search(text)
    if not (descr and order and shape):
        wrong = "type" if not descr else "order" if not order else "shape"
        raise FormatError(
            f"{where} has a {wrong} in its header at byte {8 + width} that cannot be read; "
            "only arrays of numbers or strings are supported, not objects or records."
        )
    try:
        sizes = tuple(int(size) for size in shape[1].rstrip(", \t").split(",") if shape[1].strip())
    except ValueError as error:
        raise FormatError(
            f"{where} has a shape in its header at byte {8 + width} that cannot be read."
        ) from error
    try:
        dtype = np.dtype(descr[1])
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatError(
            f"{where} has the unknown type {descr[1]!r} in its header at byte {8 + width}."
        ) from error
    possible = prod(max(size, 1) for size in sizes) * max(dtype.itemsize, 1) <= np.iinfo(np.intp).max
    if not possible or len(sizes) > MAX_DIMENSIONS or dtype.itemsize == 0:
        raise FormatError(f"{where} has the invalid shape {sizes} in its header at byte {8 + width}.")
    return _Header(dtype, sizes, "F" if order[1] == "True" else "C", start)


def _check_length(where: str, header: _Header, found: int) -> None:
    end = header.start + header.size
    if found != end:
        raise FormatError(
            f"{where} should end at byte {end}, from its header of {header.dtype} values of shape "
            f"{header.shape}, but ends at byte {found}; the header or the file is wrong."
        )


def _finish(where: str, header: _Header, flat: NDArray[Any]) -> NDArray[Any]:
    """Check shape, order and byte order, and that NumPy can represent all values."""
    if flat.dtype.kind == "b" and flat.size and np.max(flat.view(np.uint8)) > 1:
        raise FormatError(f"{where} has a boolean other than 0 and 1, past byte {header.start}.")
    if flat.dtype.kind == "U" and flat.size and flat.view(f"{flat.dtype.byteorder}u4").max() > 0x10FFFF:
        raise FormatError(f"{where} has an invalid Unicode character, past byte {header.start}.")
    native = flat.astype(flat.dtype.newbyteorder("="), copy=not flat.flags.aligned)
    array = native.reshape(header.shape, order="F" if header.order == "F" else "C")
    array.flags.writeable = False
    return array
