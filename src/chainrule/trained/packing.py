"""Files compressed as a whole, for files that are to be small: an ordinary model file as the one tensor of another.

Of several networks much is the same, such as the preparation of their table, and is then written once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError

FORMAT = 3
"""The format that such a file gives in its metadata, beside a network that it does not have."""
PACKED = "compressed"
"""The tensor of the bytes of the ordinary file, compressed by LZMA."""
MOST_TIMES, MOST_MEMORY = 20, 1 << 27
"""How many times as long as what is compressed may be what comes of it, and the bytes that this may need."""


def packed(data: bytes) -> bytes:
    """Return a model file compressed; as it is where hardly anything would be left of it, which is not read again."""
    from safetensors.numpy import save as to_bytes

    short = np.frombuffer(_lzma().compress(data), np.uint8)
    if MOST_TIMES * len(short) <= len(data):
        return data
    return to_bytes({PACKED: short}, metadata={"chainrule": json.dumps({"format": FORMAT, "network": {}})})


class FileInMemory:
    """A safetensors file in memory, with those methods of `safe_open` that are called here and in `persistence`."""

    def __init__(self, data: bytes) -> None:
        """Read the tensors' bytes. Raises SafetensorError for another file."""
        from safetensors import deserialize

        found: list[tuple[str, dict[str, Any]]] = deserialize(data)  # type: ignore[no-untyped-call]
        self._tensors = {name: TensorInMemory(**tensor) for name, tensor in found}
        self._header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])

    def keys(self) -> Iterable[str]:
        """Return the names of the tensors."""
        return self._tensors.keys()

    def metadata(self) -> dict[str, str] | None:
        """Return the metadata, None without any."""
        found: dict[str, str] | None = self._header.get("__metadata__")
        return found

    def get_slice(self, name: str) -> TensorInMemory:
        """Return a tensor as it is in the file."""
        return self._tensors[name]

    def get_tensor(self, name: str) -> NDArray[Any]:
        """Return a tensor. Raises TypeError or ValueError for a type or a shape that NumPy does not know."""
        found = self._tensors[name]
        kind, bits = ("b", "8") if found.dtype == "BOOL" else (found.dtype[0].lower(), found.dtype[1:])
        dtype = np.dtype(bool if kind == "b" else f"{kind}{int(bits) // 8}")
        return np.frombuffer(found.data, dtype).reshape(found.shape)


class TensorInMemory(NamedTuple):
    """A tensor as it is in a file."""

    dtype: str
    shape: list[int]
    data: bytes

    def get_dtype(self) -> str:
        """Return the type, such as F32."""
        return self.dtype

    def get_shape(self) -> list[int]:
        """Return the shape."""
        return self.shape


@contextmanager
def opened(path: str | os.PathLike[str], data: bytes | None = None) -> Iterator[tuple[Any, int]]:
    """Open a model file for reading by safetensors, an ordinary or a compressed one, with its bytes when ordinary.

    data: the file, where it is in memory; the path is then for errors only, and it must not be compressed.
    Raises safetensors' SafetensorError for another file, and FormatError for a damaged one.
    """
    from safetensors import safe_open

    if data is None:
        with safe_open(str(path), framework="numpy") as file:
            if PACKED not in file.keys():  # noqa: SIM118
                yield file, os.path.getsize(path)
                return
            if file.get_slice(PACKED).get_dtype() != "U8":
                raise FormatError(
                    f"{path} is damaged: what it has compressed are no bytes; save the model again."
                )
            data = _unpacked(path, file.get_tensor(PACKED).tobytes())
    whole = FileInMemory(data)
    if PACKED in whole.keys():  # noqa: SIM118
        raise FormatError(
            f"{path} is damaged: what it has compressed is compressed again; save the model again."
        )
    yield whole, len(data)


def _unpacked(path: str | os.PathLike[str], data: bytes) -> bytes:
    lzma = _lzma()
    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
    try:
        whole: bytes = reader.decompress(data, max_length=MOST_TIMES * len(data))
    except lzma.LZMAError as error:
        raise FormatError(f"{path} is damaged ({error}); save the model again.") from error
    if not reader.eof:
        raise FormatError(f"{path} is damaged: what it has compressed does not end; save the model again.")
    return whole


def _lzma() -> Any:
    """Return the standard library's module. Raises FormatError for a Python that was compiled without it."""
    try:
        import lzma
    except ImportError as error:
        raise FormatError(
            "compact files need lzma, a module of the standard library that this Python was compiled without; "
            "install a Python that has it, or save with compact=False."
        ) from error
    return lzma
