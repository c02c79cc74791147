"""The options of `chainrule train` as data: what config.json keeps, and the command that does the run again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.errors import FormatError


@dataclass(frozen=True)
class Settings:
    """One field an option, of the same name. None is: as suits the data, or not used."""

    hidden: str | None = None
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float = 0.0
    input_dropout: float = 0.0
    residual: bool = False
    loss: str | None = None
    label_smoothing: float = 0.0
    method: str = "backpropagation"
    optimizer: str = "adam"
    lr: float | None = None
    schedule: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    l2: float = 0.0
    l1: float = 0.0
    max_norm: float | None = None
    momentum: float | None = None
    nesterov: bool = False
    weight_decay: float | None = None
    clip_norm: float | None = None
    precision: str | None = None
    seed: int = 0
    dtype: str = "float32"
    validation_fraction: float | None = None
    patience: int | None = None
    target: float | None = None
    positive: str | None = None
    engine: str = "auto"
    checkpoint_steps: int | None = None

    def given(self) -> dict[str, Any]:
        """The options that are not at their defaults."""
        return {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != f.default
        }

    def command(self, source: str) -> str:
        """The command that does the run again."""
        words = ["chainrule", "train", source]
        for name, value in self.given().items():
            words += [flag(name)] if value is True else [flag(name), f"{value}"]
        return shlex.join(words)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], path: str) -> Settings:
        """The settings that a config.json keeps. Raises FormatError where it has others or of another type."""
        fields = {f.name: f for f in dataclasses.fields(cls)}
        for name, value in values.items():
            if name not in fields:
                raise FormatError(
                    f"{path} has the unknown setting {name!r:.60}; was it made by a newer version?"
                )
            wanted = str(fields[name].type)
            types = {"str": str, "bool": bool, "float": (int, float), "int": int}[wanted.split(" ")[0]]
            fits = isinstance(value, types) and (wanted == "bool" or not isinstance(value, bool))  # type: ignore[arg-type]
            if not (fits or (value is None and wanted.endswith("None"))):
                raise FormatError(f"{path} has {value!r:.60} for {name!r:.60}, which must be {wanted}.")
            if isinstance(value, int) and abs(value) >= 2**63:
                raise FormatError(f"{path} has a number of more than 64 bits for {name!r}.")
        return cls(**values)


NAMES = tuple(f.name for f in dataclasses.fields(Settings))


def flag(name: str) -> str:
    """batch_size is --batch-size"""
    return "--" + name.replace("_", "-")
