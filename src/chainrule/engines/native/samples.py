"""Pass samples to the kernels: in place if possible, otherwise converted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.arrays import RowsLike


def is_direct(X: RowsLike) -> bool:
    """Return whether the kernels can read samples in place: an array of any strides, or a CSR matrix."""
    if getattr(X, "format", None) == "csr":
        parts = (X.data, X.indices, X.indptr)
        return (
            is_direct(X.data)
            and X.indices.dtype == X.indptr.dtype
            and X.indptr.dtype in (np.int32, np.int64)
            and all(part.dtype.isnative and part.flags.c_contiguous for part in parts)
        )
    if not isinstance(X, np.ndarray) or X.dtype.char not in "Bfd" or not X.dtype.isnative:
        return False
    flags = X.flags
    return flags.aligned and (flags.c_contiguous or all(stride % X.itemsize == 0 for stride in X.strides))


def as_it_lies(X: RowsLike) -> Any:
    """Return the kernels' arguments for such samples: the array, or the three arrays of a CSR matrix."""
    return X if isinstance(X, np.ndarray) else (X.data, X.indices, X.indptr)


def as_rows(X: RowsLike, dtype: DTypeLike) -> Any:
    """Convert other rows to a dense array of dtype."""
    with np.errstate(all="ignore"):  # the forward pass reports overflow
        return np.ascontiguousarray(X.toarray() if hasattr(X, "toarray") else X, dtype)
