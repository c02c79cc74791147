"""Turn settings into options, name them by their flags, and parse what a user types."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from chainrule.cli.train_words import Words
from chainrule.errors import ConfigError
from chainrule.recipe.messages import VALUE
from chainrule.recipe.settings import NAMES, SearchSettings, Settings, flag, types_of, widths

if TYPE_CHECKING:
    import typer


OTHERS = frozenset(
    {"clip_value", "repeats", "budget", "row_group_size", "trials", "folds", "pruner", "jobs"}
    | {"out", "overwrite", "resume", "rows"}
)
"""The options in messages besides the settings of a run."""


def in_flags(option: str, value: str, text: str) -> str:
    """Name an option as on the command line: `--batch-size`, `--batch-size 32`; the data, which have none, are DATA."""
    if option.startswith(VALUE):
        return value
    if option == "data":
        return "DATA"
    if option == "resume" and value not in ("", "True"):
        from chainrule.recipe.prepare import resume_command

        return resume_command(Path(value))
    if option not in NAMES and option not in OTHERS:
        return text
    return flag(option) if value in ("", "True") else f"{flag(option)} {value}"


REPEATED = ("monotonic",)
"""The options that may be given several times; as a setting they are one text."""
PANELS = ("The data", "The network", "Training", "The search", "The run")
"""The panels of `--help`, in their order."""
Panels = Mapping[str, Mapping[str, Words]]
Command = Callable[..., None]


def with_options(*described: tuple[type[Settings | SearchSettings], Panels]) -> Callable[[Command], Command]:
    """Add an option to a subcommand that ends in **settings for each setting with words, in the order of the panels.

    described: dataclasses of settings, which have names, types and defaults, each with the words of its options.
    """
    return lambda command: _WithOptions(command, described)


class _WithOptions:
    """A subcommand with additional options, in the form that Typer reads, made when it does."""

    def __init__(
        self,
        command: Command,
        described: tuple[tuple[type[Settings | SearchSettings], Panels], ...],
    ) -> None:
        functools.update_wrapper(self, command)
        self.command, self.described = command, described

    @functools.cached_property
    def __signature__(self) -> inspect.Signature:
        own = inspect.signature(self.command, eval_str=True).parameters.values()
        named = [parameter for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
        added = list[inspect.Parameter]()
        for kind, panels in self.described:
            types, defaults = types_of(kind), kind()
            added += [
                _option(name, types[name], getattr(defaults, name), panel, words)
                for panel, options in panels.items()
                for name, words in options.items()
            ]
        return inspect.Signature(sorted([*named, *added], key=_place))

    def __call__(self, **options: Any) -> None:
        self.command(**options)


def _option(name: str, hint: object, default: object, panel: str, words: Words) -> inspect.Parameter:
    from typer import Option

    shown: bool | str = True if words.default is None else words.default
    option = Option(flag(name), help=words.help, show_default=shown, rich_help_panel=panel)
    typed = str | None if name == "hidden" else list[str] | None if name in REPEATED else hint
    how = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, how, default=default, annotation=Annotated[typed, option])


def _place(parameter: inspect.Parameter) -> int:
    """Return the index of a parameter's panel, -1 if it has none."""
    panels = [getattr(info, "rich_help_panel", None) for info in get_args(parameter.annotation)[1:]]
    return max((PANELS.index(panel) for panel in panels if panel in PANELS), default=-1)


def set_on_command_line(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Return the options, among these names, that were set on the command line."""
    sources = ((name, context.get_parameter_source(name)) for name in names)
    return [name for name, source in sources if source is not None and source.name == "COMMANDLINE"]


def hidden_widths(text: str | None) -> tuple[int, ...] | None:
    """Parse --hidden. Raises ConfigError unless text is widths or none."""
    try:
        return None if text is None else widths(text)
    except ValueError:
        raise ConfigError(f"--hidden must be widths such as 256,128, or none, not {text!r}.") from None


def joined(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with those of several values as one text; None for none."""
    many = {name: settings[name] for name in REPEATED if name in settings}
    return {**settings, **{name: _as_list(values) if values else None for name, values in many.items()}}


def _as_list(texts: list[str]) -> str:
    """Return several values as one: area:+1,minutes:-1, with a comma in quotes; a single one may be such a list."""
    import csv
    import io

    if len(texts) == 1:
        return texts[0]
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow(texts)
    return line.getvalue()


def as_one_text(data: list[str]) -> str:
    """Join several files of DATA by commas. Raises ConfigError unless all are Parquet or Arrow files."""
    if len(data) == 1:
        return data[0]
    from chainrule.datasets.column_files import ENDINGS

    other = next((each for each in data if not each.lower().endswith(ENDINGS) or "," in each), None)
    if other is not None:
        raise ConfigError(
            f"several DATA must be Parquet or Arrow files without a comma in their names, not {other}; name "
            "one, or a folder."
        )
    return ",".join(data)
