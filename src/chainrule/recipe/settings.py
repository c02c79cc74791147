"""The settings of a run as data, for config.json and for the command that repeats the run."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import shlex
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from chainrule.core.settings import check_count, check_number
from chainrule.errors import ConfigError, FormatError, option

WORDS: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    str: "text",
    bool: "True or False",
    type(None): "None",
}


TIES = ("groups", "time", "gap")
"""The settings that say what ties the rows of a table together."""
DEMANDS = ("monotonic", "threshold", "costs")
"""The settings of a table that say what its network and its labels must obey."""
NO_PRESET = "none"
"""The preset of a run that trains a plain network."""


class Range(NamedTuple):
    """The range of a numeric setting, for a form; `check(value, name)` raises ConfigError for other values."""

    minimum: float
    maximum: float | None = None
    check: Callable[[Any, str], object] | None = None
    """None if the object with this setting checks it"""


def _probability(value: float, name: str) -> None:
    if not 0 <= value < 1:
        raise ConfigError(f"{option(name)} must be a probability of at least 0 and below 1, not {value:g}.")


def _accuracy(value: float, name: str) -> None:
    if not 0 < value <= 1:
        raise ConfigError(f"{option(name)} is an accuracy above 0, at most 1, not {value:g}.")


COUNT = Range(1, check=check_count)
NOT_NEGATIVE = Range(0)
SHARE = Range(0, 1)
PROBABILITY = Range(0, 1, _probability)
ACCURACY = Range(0, 1, _accuracy)
SECONDS = Range(0, check=functools.partial(check_number, above=0, hint="it is in seconds"))


Of = Literal["presets", "plain", "optimizer", "step", "table", "column"]
"""The roles of a setting.

presets: presets support it, but not as an estimator's parameter.
plain: an estimator has it for a plain network, in another form; no preset supports it.
optimizer: it belongs to an optimizer. A preset has its own, unless one is named.
step: it is about how a step is made. A method that makes its own steps does not support it.
table: it is about the columns or the rows of a table, as text.  column: it is the name of a column.
"""


class AboutSetting(NamedTuple):
    """The properties of a setting besides its name, type and default."""

    numbers: Range | None = None
    """the range of a numeric setting"""
    parameter: str | None = None
    """the estimator's parameter that it sets, unchanged, for a preset"""
    of: tuple[Of, ...] = ()


Value = TypeVar("Value")


def setting(default: Value, *of: Of, numbers: Range | None = None, parameter: str | None = None) -> Value:
    """Return the field of a setting, see `AboutSetting`."""
    made: Any = dataclasses.field(default=default, metadata={"about": AboutSetting(numbers, parameter, of)})
    return made  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Settings:
    """The settings of a run: one field per option of `chainrule train`. None: chosen by the data, or not used.

    The options of the command, the controls of the studio's form, the checks, and the settings of presets derive from
    these fields (`ABOUT`); their help is in `cli/train_words.py` and the studio's texts, under the same names.

    hidden: the widths of the hidden layers, (256, 128); () for a linear model.
    header, sheet: where a table lies in a file of text or a workbook, as `chainrule.datasets.read_table` takes them.
    exclude_columns: the columns of a table to exclude, by name, such as "id,name".
    decimal: the decimal sign of the columns of a text whose numbers are others with either sign.  encoding: of a text.
    groups, time: the columns of a table that say which rows belong together, and when each was: test rows and those
    held out for validation are whole groups, or what comes later.  gap: of an estimator, such as "24" or "36h".
    exposure: the column of what the amounts of the target are amounts of, which is no input.
    time_to_event, event: the columns that say when each row was last seen, and whether its event came then.
    monotonic: the directions of columns, such as "area:+1,minutes:-1".  threshold: a probability, or the score that it
    maximizes.  costs: rows for each true class, such as "0,1/20,0"; see `recipe.demands`.
    preset: for a table, an estimator's `preset`, which provides everything that is not set; "none" for a plain network.
    members: for a preset, the number of networks whose predictions are averaged.
    time_limit: the maximum seconds of training.
    plan: the run, or the file, whose race is repeated.
    augment: whether to distort the images randomly in each epoch, by `chainrule.recipe.augmented.IMAGES`.
    """

    hidden: tuple[int, ...] | None = setting(None, parameter="hidden_layer_sizes")
    activation: str = setting("relu", "presets")
    batch_norm: bool = setting(False, parameter="batch_norm")
    dropout: float | None = setting(None, numbers=PROBABILITY, parameter="dropout")
    input_dropout: float = setting(0.0, numbers=PROBABILITY)
    residual: bool = setting(False, parameter="residual")
    loss: str | None = setting(None, "presets")
    label_smoothing: float = setting(0.0, numbers=SHARE, parameter="label_smoothing")
    method: str = setting("backpropagation")
    optimizer: str = setting("adam", "optimizer", "step")
    lr: float | None = setting(None, "optimizer", "step", numbers=NOT_NEGATIVE)
    schedule: str | None = setting(None, "step", parameter="schedule")
    epochs: int | None = setting(None, numbers=COUNT, parameter="max_iter")
    batch_size: int | None = setting(None, numbers=COUNT, parameter="batch_size")
    l2: float = setting(0.0, "plain", numbers=NOT_NEGATIVE)
    l1: float = setting(0.0, numbers=NOT_NEGATIVE)
    max_norm: float | None = setting(None, "step", numbers=NOT_NEGATIVE)
    momentum: float | None = setting(None, "optimizer", "step", numbers=SHARE)
    nesterov: bool = setting(False, "optimizer", "step")
    weight_decay: float | None = setting(None, "optimizer", "step", numbers=NOT_NEGATIVE)
    clip_norm: float | None = setting(None, "step", numbers=NOT_NEGATIVE, parameter="clip_norm")
    precision: Literal["bf16"] | None = setting(None, "step", parameter="precision")
    seed: int = setting(0, "presets", numbers=NOT_NEGATIVE)
    dtype: Literal["float32", "float64"] = setting("float32", "presets")
    validation_fraction: float | None = setting(None, numbers=SHARE, parameter="validation_fraction")
    patience: int | None = setting(None, numbers=COUNT, parameter="n_iter_no_change")
    target: float | None = setting(None, numbers=ACCURACY)
    positive: str | None = setting(None, "presets")
    engine: Literal["auto", "native", "reference", "xla"] = setting("auto", parameter="engine")
    device: str | None = setting(None)
    shards: int | None = setting(None)
    reduce: Literal["tree", "psum"] = setting("tree")
    checkpoint_steps: int | None = setting(None, "presets", numbers=COUNT)
    target_column: str | None = setting(None, "presets")
    header: int | None = setting(None, "presets", numbers=NOT_NEGATIVE)
    sheet: str | None = setting(None, "presets")
    exclude_columns: str | None = setting(None, "presets", "table")
    decimal: Literal[".", ","] | None = setting(None, "presets", "table")
    encoding: str | None = setting(None, "presets", "table")
    groups: str | None = setting(None, "presets", "table", "column")
    time: str | None = setting(None, "presets", "table", "column")
    gap: str | None = setting(None, "presets", "table")
    exposure: str | None = setting(None, "presets", "table", "column")
    time_to_event: str | None = setting(None, "presets", "table", "column")
    event: str | None = setting(None, "presets", "table", "column")
    monotonic: str | None = setting(None, "presets")
    threshold: str | None = setting(None, "presets")
    costs: str | None = setting(None, "presets")
    preset: str | None = setting(None, "presets")
    members: int | None = setting(None, numbers=COUNT, parameter="n_members")
    time_limit: float | None = setting(None, numbers=SECONDS, parameter="time_limit")
    plan: str | None = setting(None, "presets")
    augment: bool = setting(False)

    @property
    def has_preset(self) -> bool:
        """Whether a preset is named."""
        return self.preset not in (None, NO_PRESET)

    @property
    def has_demands(self) -> bool:
        """Whether the network or its labels must obey something."""
        return any(getattr(self, name) is not None for name in DEMANDS)

    @property
    def has_shards(self) -> bool:
        """Whether batches are split into shards: by their number, or for a sum over processes."""
        return self.shards is not None or self.reduce != "tree"

    def __post_init__(self) -> None:
        """Convert NumPy numbers and lists to Python numbers and tuples."""
        for name in NAMES:
            value = getattr(self, name)
            if name == "hidden" and isinstance(value, list):
                object.__setattr__(self, name, tuple(value))
            elif type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
                object.__setattr__(self, name, value.item())

    def check_types(self) -> None:
        """Raise ConfigError for a value whose type is not its field's."""
        for name, hint in types().items():
            value = getattr(self, name)
            if not fits(value, hint):
                wanted = "widths such as (256, 128), () for a linear model, or None"
                if name != "hidden":
                    wanted = " or ".join(WORDS[kind] for kind in alternatives(hint))
                raise ConfigError(f"{option(name)} must be {wanted}, not {value!r}.")

    def check_numbers(self) -> None:
        """Raise ConfigError for a number that is not finite, or out of its field's range."""
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{option(name)} must be a finite number, not {value}.")
        for name, about in ABOUT.items():
            numbers, value = about.numbers, getattr(self, name)
            if numbers is not None and numbers.check is not None and value is not None:
                numbers.check(value, name)

    def given(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults."""
        return given(self)

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
                raise FormatError(
                    f"{path} has {found['hidden']!r:.60} for 'hidden', which must be widths."
                ) from None
        return cls(**found)


@dataclass(frozen=True)
class SearchSettings:
    """The settings of a search besides those of a run, which every trial has; as in `chainrule.estimators.tune`."""

    trials: int | None = None
    time_limit: float | None = None
    folds: int | None = None
    pruner: str = "median"
    jobs: int = 1


ABOUT: dict[str, AboutSetting] = {f.name: f.metadata["about"] for f in dataclasses.fields(Settings)}
"""The properties of each setting."""
NAMES = tuple(ABOUT)
SEARCH = tuple(f.name for f in dataclasses.fields(SearchSettings))


def given(settings: Settings | SearchSettings) -> dict[str, Any]:
    """Return the settings that differ from their defaults."""
    values = {f.name: (getattr(settings, f.name), f.default) for f in dataclasses.fields(settings)}
    return {name: value for name, (value, default) in values.items() if value != default}


def types_of(kind: type[Settings | SearchSettings]) -> dict[str, Any]:
    """Return the type of each field, text for a choice of words, which is checked on use."""
    return {name: _plain(hint) for name, hint in typing.get_type_hints(kind).items()}


@functools.cache
def types() -> dict[str, Any]:
    """Return the type of each setting of a run."""
    return types_of(Settings)


def _plain(hint: object) -> Any:
    """Return a type with text in place of words."""
    if typing.get_origin(hint) is Literal:
        return str
    is_union = not isinstance(hint, type) and typing.get_origin(hint) is not tuple
    return functools.reduce(operator.or_, map(_plain, typing.get_args(hint))) if is_union else hint


def alternatives(hint: object) -> tuple[Any, ...]:
    """Return the alternatives of a type: int | None is (int, NoneType), int is (int,)."""
    return (hint,) if isinstance(hint, type) else typing.get_args(hint)


def fits(value: object, hint: object) -> bool:
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
