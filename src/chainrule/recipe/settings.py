"""The settings of a run as data, for config.json and for the command that repeats the run."""

from __future__ import annotations

import dataclasses
import functools
import operator
import shlex
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chainrule.errors import ConfigError, FormatError
from chainrule.recipe.naming import PYTHON, Names

WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "True or False",
    type(None): "None",
}


NO_PRESET = "none"
"""The preset of a run that trains a plain network."""


@dataclass(frozen=True)
class Settings:
    """The settings of a run: one field per option of `chainrule train`. None: chosen by the data, or not used.

    hidden: the widths of the hidden layers, (256, 128); () for a linear model.
    exclude_columns: the columns of a table to leave out, by name, as "id,name".
    preset: of a table, the network and the training of an estimator's `preset`, where what is not set is its own;
    "none" for a plain network.  members: of a preset, the networks whose predictions are averaged.
    time_limit: the most seconds of training.
    augment: whether the images are distorted anew in each epoch, by `chainrule.recipe.augmented.IMAGES`.
    """

    hidden: tuple[int, ...] | None = None
    activation: str = "relu"
    batch_norm: bool = False
    dropout: float | None = None
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
    precision: Literal["bf16"] | None = None
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"
    validation_fraction: float | None = None
    patience: int | None = None
    target: float | None = None
    positive: str | None = None
    engine: Literal["auto", "native", "reference", "xla"] = "auto"
    device: str | None = None
    shards: int | None = None
    reduce: Literal["tree", "psum"] = "tree"
    checkpoint_steps: int | None = None
    target_column: str | None = None
    exclude_columns: str | None = None
    preset: str | None = None
    members: int | None = None
    time_limit: float | None = None
    augment: bool = False

    @property
    def has_preset(self) -> bool:
        """Whether a preset is named."""
        return self.preset not in (None, NO_PRESET)

    @property
    def has_shards(self) -> bool:
        """Whether batches are cut into shards: by their number, or for a sum over processes."""
        return self.shards is not None or self.reduce != "tree"

    def __post_init__(self) -> None:
        """Convert NumPy numbers and lists to Python numbers and tuples."""
        for name in NAMES:
            value = getattr(self, name)
            if name == "hidden" and isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
            elif type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
                object.__setattr__(self, name, value.item())

    def check_types(self, named: Names = PYTHON) -> None:
        """Raise ConfigError for a value whose type is not its field's."""
        for name, hint in types().items():
            value = getattr(self, name)
            if not fits(value, hint):
                wanted = "widths such as (256, 128), () for a linear model, or None"
                if name != "hidden":
                    wanted = " or ".join(WORDS[kind] for kind in alternatives(hint))
                raise ConfigError(f"{named(name)} must be {wanted}, not {value!r}.")

    def given(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults."""
        return {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != f.default
        }

    def command(self, source: str) -> str:
        """Return the command that repeats the run."""
        words = ["chainrule", "train", source]
        for name, value in self.given().items():
            words += [flag(name)] if value is True else [flag(name), as_text(name, value)]
        return shlex.join(words)

    @classmethod
    def from_json(cls, values: Mapping[str, Any], path: str) -> Settings:
        """Read settings from a config.json. Raises FormatError for unknown settings and wrong types."""
        found, hints = dict(values), types()
        for name, value in values.items():
            if name not in hints:
                raise FormatError(
                    f"{path} has the unknown setting {name!r:.60}; was it made by a newer version?"
                )
            hint = str | None if name == "hidden" else hints[name]
            if not fits(value, hint):
                wanted = " | ".join(kind.__name__ for kind in alternatives(hint)).replace("NoneType", "None")
                raise FormatError(f"{path} has {value!r:.60} for {name!r:.60}, which must be {wanted}.")
            if isinstance(value, int) and abs(value) >= 2**63:
                raise FormatError(f"{path} has a number of more than 64 bits for {name!r}.")
        if isinstance(found.get("hidden"), str):
            try:
                found["hidden"] = widths(found["hidden"])
            except ValueError:
                raise FormatError(f"{path} has {found['hidden']!r:.60} for 'hidden', no widths.") from None
        return cls(**found)


NAMES = tuple(f.name for f in dataclasses.fields(Settings))


@functools.cache
def types() -> dict[str, Any]:
    """Return the type of each field, text for one of a few words: where it is used says which."""
    return {name: _plain(hint) for name, hint in typing.get_type_hints(Settings).items()}


def _plain(hint: Any) -> Any:
    """Return a type with text in place of words."""
    if typing.get_origin(hint) is Literal:
        return str
    is_union = not isinstance(hint, type) and typing.get_origin(hint) is not tuple
    return functools.reduce(operator.or_, map(_plain, typing.get_args(hint))) if is_union else hint


def alternatives(hint: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type: int | None is (int, NoneType), int is (int,)."""
    return (hint,) if isinstance(hint, type) else typing.get_args(hint)


def fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of a field's type; an int is a float too, True and False are neither."""
    return any(_is_one(value, kind) for kind in alternatives(hint))


def _is_one(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_one(each, int) and each > 0 for each in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def widths(text: str) -> tuple[int, ...]:
    """Parse widths: 256,128 is (256, 128), none is (). Raises ValueError for other text."""
    found = () if text == "none" else tuple(int(word) for word in text.split(","))
    if any(width < 1 for width in found):
        raise ValueError(text)
    return found


def as_text(name: str, value: Any) -> str:
    """Write a setting as on the command line: (256, 128) is 256,128, and () is none."""
    if name == "hidden" and value is not None:
        return ",".join(map(str, value)) or "none"
    return f"{value}"


def as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by name as in config.json and reports, widths as text."""
    return {
        name: as_text(name, value) if name == "hidden" and value is not None else value
        for name, value in settings.items()
    }


def flag(name: str) -> str:
    """Return the option of a setting: batch_size is --batch-size."""
    return "--" + name.replace("_", "-")
