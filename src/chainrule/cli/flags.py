"""Name the options of `chainrule train` by their flags, and parse what a user types."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.errors import ConfigError
from chainrule.recipe.naming import Names
from chainrule.recipe.settings import as_text, flag, widths

if TYPE_CHECKING:
    import typer


class Flags(Names):
    """The names of the command: `--batch-size`, `--batch-size 32`."""

    others = frozenset(
        {"clip_value", "repeats", "budget", "row_group_size", "trials", "folds", "pruner", "jobs"}
    )

    def __call__(self, option: str) -> str:
        """Return the flag of an option; DATA, as in the usage, for the data, which have none."""
        return "DATA" if option == "data" else flag(option)

    def value(self, option: str, value: Any) -> str:
        """Return a value as it is typed."""
        return as_text(option, value)

    def given(self, option: str, value: Any) -> str:
        """Return a flag with its value; a switch has none."""
        return self(option) if value is True else f"{self(option)} {self.value(option, value)}"

    def resume(self, place: Path) -> str:
        """Return the command that continues a run."""
        from chainrule.recipe.commands import resume_command

        return resume_command(place)


FLAGS = Flags()


def set_on_command_line(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Return those of the names of options that were given, not left at their defaults."""
    sources = ((name, context.get_parameter_source(name)) for name in names)
    return [name for name, source in sources if source is not None and source.name == "COMMANDLINE"]


def hidden_widths(text: str | None) -> tuple[int, ...] | None:
    """Parse --hidden. Raises ConfigError for text other than widths and none."""
    try:
        return None if text is None else widths(text)
    except ValueError:
        raise ConfigError(f"--hidden must be widths such as 256,128, or none, not {text!r}.") from None


def as_one_text(data: list[str]) -> str:
    """Return DATA, several files by commas. Raises ConfigError where they are not all files of columns."""
    if len(data) == 1:
        return data[0]
    from chainrule.datasets.column_files import ENDINGS

    other = next((each for each in data if not each.lower().endswith(ENDINGS) or "," in each), None)
    if other is not None:
        raise ConfigError(
            f"several DATA are Parquet or Arrow files without a comma in their names, and {other} is another; name "
            "one, or a folder."
        )
    return ",".join(data)
