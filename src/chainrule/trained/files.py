"""The file of a trained network or an ensemble: what is known of it beside its network and its parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array
from chainrule.core.files import write_whole
from chainrule.data import checks
from chainrule.data.samples import TargetScale
from chainrule.errors import ConfigError, FormatError
from chainrule.trained import packing, persistence
from chainrule.trained.prediction import PredictionMixin

Ranges: TypeAlias = tuple[tuple[float, int], ...]
"""Scale and zero of the 8-bit integers of each value of a network: q stands for (q - zero) scale."""
MOST_RANGES = 100_000
"""In a file."""


class FileMixin(PredictionMixin):
    """Saves and loads; a subclass makes itself of what a file has."""

    def save(
        self, path: str | os.PathLike[str], *, extra: Mapping[str, Any] | None = None, compact: bool = False
    ) -> None:
        """Write the model to a safetensors file, which `load` reads back bit for bit.

        Of an ensemble each tensor contains that of every member: dense_1.W is (members, fan_in, fan_out).
        extra: further JSON values for the file's metadata, which `load_with_extra` returns.
        compact: whether larger matrices are rounded to 8 bits with a scale for each output, and all is compressed: a
        quarter of the bytes.
        """
        data = self.to_bytes(extra=extra, is_rounded=compact)
        write_whole(path, packing.packed(data) if compact else data)

    def to_bytes(
        self,
        *,
        extra: Mapping[str, Any] | None = None,
        is_rounded: bool = False,
        others: Mapping[str, NDArray[Any]] | None = None,
    ) -> bytes:
        """Return the bytes of a file that `load` reads. is_rounded: whether larger matrices are rounded to 8 bits.

        others: further tensors by name, which `load` leaves alone.
        """
        states, known = self._states_of_file(), {**(extra or {}), **self._metadata()}
        return persistence.to_bytes(self.network, self.theta, states, known, is_rounded, others)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, custom: persistence.Custom | None = None) -> Self:
        """Read a model from a file that `save` wrote.

        custom: the classes of custom layers and losses, such as [MyLoss], or by kind; a file has only their names.
        Raises FormatError with the file and its fault, and OSError if the file cannot be read.
        """
        return cls.load_with_extra(path, custom=custom)[0]

    @classmethod
    def load_with_extra(
        cls, path: str | os.PathLike[str], *, custom: persistence.Custom | None = None
    ) -> tuple[Self, dict[str, Any]]:
        """Read a model as `load` does, and the whole metadata of the file."""
        saved = persistence.load(path, custom, ensemble=cls.has_members)
        return cls.of_saved(path, saved), saved.extra

    @classmethod
    def of_saved(cls, path: str | os.PathLike[str], saved: persistence.Saved) -> Self:
        """Return the model that a file has. Raises FormatError for metadata that none has."""
        raise NotImplementedError

    def _states_of_file(self) -> Any:
        """Return the states as a file has them."""
        return self.states

    def _metadata(self) -> dict[str, Any]:
        """Return the metadata of a file, besides the network and its parameters, as data for JSON."""
        scale = None if self.target_scale is None else self.target_scale.to_data()
        return {
            "dtype": self.dtype.name,
            "seed": self.seed,
            "classes": None if self.classes is None else self.classes.tolist(),
            **({} if self._feature_names is None else {"feature_names": self._feature_names}),
            **({} if scale is None else {"target_scale": scale}),
            "frozen": sorted(self.frozen),
            "epochs_trained": self.epochs_trained,
            "steps_trained": self.steps_trained,
        }

    def take_metadata(self, path: str | os.PathLike[str], found: Mapping[str, Any]) -> None:
        """Check and restore what `_metadata` wrote to a file. Raises FormatError with the path."""
        try:
            self.seed = checks.check_seed(found["seed"])
            classes = found["classes"]
            self.classes = None if classes is None else checks.check_classes(classes, self.network)
            self.feature_names = found.get("feature_names")
            if (scale := found.get("target_scale")) is not None:
                given = scale["mean"], scale["std"], self.network.outputs, scale.get("low"), scale.get("high")
                scale = check_scale(*given)
            self.target_scale = scale
            self.frozen = self._link_names(tuple(found["frozen"])) if found["frozen"] else frozenset()
            self.epochs_trained = checks.check_seed(found["epochs_trained"], "epochs_trained", 63)
            self.steps_trained = checks.check_seed(found["steps_trained"], "steps_trained", 63)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{path}: the metadata is malformed ({str(error)[:300]}).") from error


def check_scale(mean: Array, std: Array, outputs: int, low: Array = None, high: Array = None) -> TargetScale:
    """Check the target scale in a file: two or four finite numbers per output. Raises ConfigError.

    Deviations must be above 0, and bounds, if any, low <= high.
    """
    parts = (mean, std) if low is None and high is None else (mean, std, low, high)
    is_whole = all(
        isinstance(part, list) and len(part) == outputs and all(type(v) in (int, float) for v in part)
        for part in parts
    )
    if not is_whole or not np.isfinite(parts).all() or min(std) <= 0:
        raise ConfigError(f"target_scale must contain {outputs} finite means, and deviations above 0.")
    if len(parts) == 4 and np.greater(low, high).any():
        raise ConfigError("target_scale must have low <= high for each output.")
    return TargetScale(*(np.asarray(part, np.float64) for part in parts))


def ranges_in(path: str | os.PathLike[str], found: object) -> Ranges | None:
    """Check the ranges in a file's metadata; None without. Raises FormatError with the path."""
    if found is None:
        return None
    is_list = isinstance(found, list) and len(found) <= MOST_RANGES
    if not is_list or not all(map(_is_range, found)):  # type: ignore[call-overload]
        raise FormatError(f"{path}: the ranges of its 8-bit integers are malformed; save the model again.")
    return tuple((float(scale), zero) for scale, zero in found)  # type: ignore[attr-defined]


def _is_range(found: Any) -> bool:
    if not isinstance(found, list) or [type(each) for each in found] != [float, int]:
        return False
    scale, zero = found
    return bool(0 < scale < np.finfo(np.float32).max and -128 <= zero <= 127)
