r"""Measure what a layer's outputs encode and how similar two layers are: linear probes, centered kernel alignment."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core import records
from chainrule.errors import ConfigError, ShapeError


@records.kind("linear_probe")
class Probe(NamedTuple):
    """The accuracy of a linear classifier on a layer's outputs."""

    train_accuracy: float
    test_accuracy: float
    converged: bool
    """False if the iterations ended before convergence"""

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


def linear_probe(
    train_a: ArrayLike,
    train_y: ArrayLike,
    test_a: ArrayLike,
    test_y: ArrayLike,
    *,
    C: float = 1.0,
    iterations: int = 200,
) -> Probe:
    """Fit a logistic regression from a layer's outputs to labels on a training part, and evaluate it on a test part.

    train_a, test_a: (n, width), standardized by the training part's mean and deviation.  train_y, test_y: (n,).
    C: the inverse strength of the L2 penalty, as in scikit-learn.  The network is not changed.
    Raises ShapeError if outputs and labels do not match.
    Source: Alain, Bengio, "Understanding intermediate layers using linear classifier probes", 2016.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not C > 0:
        raise ConfigError(f"C must be a number above 0, not {C!r}; 1 is usual.")
    parts = {
        "train": (np.asarray(train_a, np.float64), np.asarray(train_y)),
        "test": (np.asarray(test_a, np.float64), np.asarray(test_y)),
    }
    for name, (a, y) in parts.items():
        if a.ndim != 2 or y.shape != a.shape[:1]:
            raise ShapeError(
                f"{name}_a must be (n, width) and {name}_y (n,), not {a.shape} and {y.shape}; "
                "give one row and one label per sample."
            )
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=iterations, tol=1e-3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported in the result
        probe.fit(*parts["train"])
    took = int(np.max(probe[-1].n_iter_))
    train, test = (float(probe.score(*part)) for part in parts.values())
    return Probe(train, test, took < iterations)


def linear_cka(A: ArrayLike, B: ArrayLike) -> float:
    r"""Measure the similarity of two representations of the same samples: 1 up to rotation and scale, 0 if unrelated.

    CKA = ||B^T A||_F^2 / (||A^T A||_F ||B^T B||_F),   columns centered

    A: (n, p), B: (n, q), rows are the same samples; p and q may differ. Invariant to orthogonal maps and to scaling
    of either, not to every invertible map. NaN for a constant representation. Biased upwards unless n is
    much larger than p and q: compare with `linear_cka` of shuffled rows.
    Raises ShapeError if the rows do not match.
    Source: Kornblith, Norouzi, Lee, Hinton, "Similarity of neural network representations revisited", ICML 2019, eq. 5.
    """
    a, b = (_centered(np.asarray(each, np.float64)) for each in (A, B))
    if len(a) != len(b):
        raise ShapeError(
            f"A and B must contain the same samples, row by row, not {len(a)} and {len(b)} rows."
        )
    if len(a) < max(
        a.shape[1], b.shape[1]
    ):  # the same numbers from the (n, n) Gram matrices, which are smaller
        K, L = a @ a.T, b @ b.T
        shared, own = float((K * L).sum()), float(np.linalg.norm(K) * np.linalg.norm(L))
    else:
        shared = float(np.square(b.T @ a).sum())
        own = float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    return shared / own if own > 0 else float("nan")


def cka_matrix(first: dict[str, NDArray[Any]], second: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Compute linear_cka of every pair of layers: (len(first), len(second)), in the order of the dictionaries."""
    return np.array([[linear_cka(a, b) for b in second.values()] for a in first.values()])


def _centered(a: NDArray[np.float64]) -> NDArray[np.float64]:
    if a.ndim != 2:
        raise ShapeError(f"a representation must be (n, width), not {a.shape}; give one row per sample.")
    centered: NDArray[np.float64] = a - a.mean(0)
    return centered
