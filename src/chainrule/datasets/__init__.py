"""Data sets: MNIST, included in the package, IDX folders, .npz archives, tables, images of digits.

Each name is loaded on first use: reading MNIST does not load the reader of archives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.datasets.idx import Dataset, load_idx_folder, read_idx
    from chainrule.datasets.images import center_digit, read_digit
    from chainrule.datasets.mnist import cache_folder, load_mnist
    from chainrule.datasets.npz import Splits, load_npz, read_npy, read_npz
    from chainrule.datasets.shuffled_copy import ShuffledCopy, shuffled_copy
    from chainrule.datasets.table_files import read_table

__all__ = [
    "Dataset",
    "ShuffledCopy",
    "Splits",
    "cache_folder",
    "center_digit",
    "load_idx_folder",
    "load_mnist",
    "load_npz",
    "read_digit",
    "read_idx",
    "read_npy",
    "read_npz",
    "read_table",
    "shuffled_copy",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "idx": "Dataset load_idx_folder read_idx",
        "images": "center_digit read_digit",
        "mnist": "cache_folder load_mnist",
        "npz": "Splits load_npz read_npy read_npz",
        "shuffled_copy": "ShuffledCopy shuffled_copy",
        "table_files": "read_table",
    },
)
