"""The result of an attribution: the values, their expected sum, and the error of the sum."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.files import write_whole
from chainrule.errors import ConfigError
from chainrule.inspection.attribution.explained import Floats, Target

if TYPE_CHECKING:
    import plotly.graph_objects as go

PROMISED = {
    "saliency": "nothing",
    "input_x_gradient": "nothing",
    "integrated_gradients": "difference",
    "epsilon_lrp": "output",
    "deep_lift": "difference",
    "occlusion": "nothing",
}
"""The guaranteed sum of the values: f(x) - f(baseline), f(x), or nothing."""
FEATURES_SHOWN = 12
"""The default number of features in a table."""


@records.kind("attribution", version=2)
@dataclass(frozen=True, eq=False)
class Attribution(records.Shown):
    """The contribution of each feature of each sample to f(x). print() shows the first sample.

    values: (n, inputs), in the unit of f; for saliency, in that of f per unit of the feature.
    """

    method: str
    values: Floats  # (n, inputs)
    X: Floats  # (n, inputs)
    baseline: Floats  # (n, inputs)
    labels: tuple[Any, ...]
    """the target of each sample: 3"""
    targets: tuple[Target, ...]
    """the meaning of f for each sample; print one for its name: class 3"""
    outputs: Floats  # (n,) f(x)
    baseline_outputs: Floats  # (n,) f(baseline)
    is_complete: bool
    """whether the method guarantees the sum of the values"""
    expected: Floats  # (n,) the expected sum of the values; f(x) - f(baseline) if none is guaranteed
    absorbed: dict[str, Floats] = field(default_factory=dict)
    """(n,) each: the relevance that biases and epsilon absorbed (epsilon-LRP)"""
    settings: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] | None = None
    shape: tuple[int, int] | None = None

    @property
    def promise(self) -> str:
        """The guaranteed sum of the values in words, or that there is none."""
        return records.written(self, "as_words")

    @property
    def error(self) -> Floats:
        """|sum of the values - expected sum| (n,). NaN for saliency, whose values have other units."""
        if self.method == "saliency":
            return np.full(len(self.values), np.nan)
        return np.asarray(np.abs(self.values.sum(1) - self.expected))

    @property
    def relative_error(self) -> Floats:
        """The error over |f(x) - f(baseline)| (n,), or over |f(x)| for epsilon-LRP; 0 where both are 0."""
        scale = np.abs(self.outputs if self.method == "epsilon_lrp" else self.outputs - self.baseline_outputs)
        error = self.error
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(error == 0, 0.0, error / scale)

    def feature(self, k: int) -> str:
        """Return the name of feature k."""
        if self.names is not None:
            return self.names[k]
        if self.shape is not None:
            return f"pixel ({k // self.shape[1]}, {k % self.shape[1]})"
        return f"feature {k}"

    def order(self, row: int = 0) -> NDArray[np.int64]:
        """Return the features of a sample, sorted by decreasing absolute value."""
        return np.argsort(-np.abs(self.values[self._row(row)]), kind="stable")

    def records(self, row: int = 0) -> list[dict[str, Any]]:
        """Return one record per feature of a sample, sorted by decreasing absolute value, for a data frame."""
        i = self._row(row)
        return [
            {
                "feature": self.feature(k),
                "value": float(self.X[i, k]),
                "baseline": float(self.baseline[i, k]),
                "attribution": float(self.values[i, k]),
            }
            for k in self.order(i).tolist()
        ]

    def bars(self, row: int = 0, most: int = FEATURES_SHOWN) -> list[tuple[str, float]]:
        """Return the largest features of a sample as ("age = 63", value), and the sum of all others."""
        bars: list[tuple[str, float]] = records.view(self, "as_bars", self._row(row), most)
        return bars

    def completeness(self, row: int = 0) -> str:
        """Return one sentence on this sample's sum of values and the method's guarantee."""
        return records.written(self, "as_completeness", self._row(row))

    def to_data(self, n: int | None = 32, width: int | None = 1024) -> dict[str, Any]:
        """Return the values of `to_json` as JSON-safe data, for the first n samples, None for all.

        width: the number of features to keep, those with the largest values over these samples, in their order; None
        for all. "left_out" counts the missing samples and features.
        """
        width = self.values.shape[1] if width is None else width
        kept = np.sort(np.argsort(-np.abs(self.values[:n]).sum(0), kind="stable")[:width])
        found = self._data(np.arange(len(self.values[:n])), kept)
        samples, features = self.values.shape
        left_out = {"samples": samples - len(found["samples"]), "features": features - len(kept)}
        return records.labeled(self, found | {"left_out": left_out})

    def to_json(self) -> dict[str, Any]:
        """Return all values as data; NaN and infinity are null."""
        data: dict[str, Any] = records.plain(self._data(*map(np.arange, self.values.shape)))
        return data

    def _data(self, samples: NDArray[np.int64], features: NDArray[np.int64]) -> dict[str, Any]:
        error, relative_error = self.error, self.relative_error
        return {
            "method": self.method,
            "promise": PROMISED[self.method],
            "is_complete": self.is_complete,
            "settings": self.settings,
            "shape": self.shape,
            "features": [self.feature(k) for k in features.tolist()],
            "samples": [
                {
                    "target": self.targets[i],
                    "output": self.outputs[i],
                    "baseline_output": self.baseline_outputs[i],
                    "expected_sum": self.expected[i],
                    "error": error[i],
                    "relative_error": relative_error[i],
                    "absorbed": {name: v[i] for name, v in self.absorbed.items()},
                    "x": self.X[i, features],
                    "baseline": self.baseline[i, features],
                    "values": self.values[i, features],
                }
                for i in samples.tolist()
            ],
        }

    def text(self, row: int = 0, top: int = FEATURES_SHOWN) -> str:
        """Return a table of the largest values of a sample, and the completeness check, as text."""
        return records.written(self, "as_text", self._row(row), top)

    def figure(self, row: int = 0) -> go.Figure:
        """Plot the values beside the image, or as bars for a table."""
        return records.view(self, "as_figure", self._row(row))

    def html(self, row: int = 0) -> str:
        """Return an HTML page about a sample, which works offline."""
        return records.written(self, "as_page", self._row(row))

    def write(self, path: str | os.PathLike[str], row: int = 0) -> None:
        """Write the HTML page to a file."""
        write_whole(path, self.html(row).encode())

    def _row(self, row: int) -> int:
        if isinstance(row, bool) or not isinstance(row, (int, np.integer)) or not 0 <= row < len(self.values):
            raise ConfigError(
                f"row must be the index of a sample, from 0 to {len(self.values) - 1}, not {row!r}."
            )
        return int(row)

    def __str__(self) -> str:
        """Return the first sample's table as text."""
        return self.text()

    def __repr__(self) -> str:
        """Return the method and the numbers of samples and features."""
        n, features = self.values.shape
        return f"<Attribution by {self.method}: {n} samples of {features} features>"
