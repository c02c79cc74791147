"""What a subcommand is made with: its settings as options, and its errors as one sentence and an exit code.

0  success   1  the target was missed, or a bug in Chainrule      2  bad input      130  Ctrl-C

Both name an option by its flag. Only --debug prints a traceback.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, get_args

import typer

from chainrule import distributed
from chainrule.cli.output import plain
from chainrule.cli.train_words import Words
from chainrule.core import hints
from chainrule.errors import ChainruleError, ConfigError
from chainrule.recipe.messages import in_flags, told
from chainrule.recipe.settings import SearchSettings, Settings, flag, types_of, widths
from chainrule.views import words

Command = Callable[..., Any]
REPEATED = ("monotonic",)
"""The options that may be given several times; as a setting they are one text."""
PANELS = ("The data", "The network", "Training", "The search", "The run")
"""The panels of `--help`, in their order."""
Panels = Mapping[str, Mapping[str, Words]]


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
    shown: bool | str = True if words.default is None else words.default
    option = typer.Option(flag(name), help=words.help, show_default=shown, rich_help_panel=panel)
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


class InterruptedRun(Exception):
    """Ctrl-C in a run that can be resumed; the message says how."""


class Several(ChainruleError):
    """The errors of several inputs, each of which is reported; the other inputs were processed."""

    def __init__(self, errors: list[Exception]) -> None:
        """Store one or more errors."""
        super().__init__(f"{len(errors)} inputs cannot be used.")
        self.errors = errors


def guard_subcommand(command: Command) -> Command:
    """Return a subcommand that prints in the language of --lang, its errors as sentences on standard error."""

    @functools.wraps(command)
    def run(**options: Any) -> Any:
        lang = options["lang"]
        with words.spoken_in(lang if lang in words.LANGUAGES else words.LANGUAGES[0]):
            return carry_out(options)

    def carry_out(options: dict[str, Any]) -> Any:
        try:
            if options["lang"] not in words.LANGUAGES:
                raise ConfigError(f"--lang must be {' or '.join(words.LANGUAGES)}, not {options['lang']!r}.")
            with hints.once(tell):
                return command(**options)
        except (typer.Exit, BrokenPipeError):
            raise
        except InterruptedRun as interruption:
            leave(plain(interruption), 130)
        except KeyboardInterrupt:
            leave(words.command.INTERRUPTED, 130)
        except Exception as error:
            if options.get("debug"):
                raise
            errors = error.errors if isinstance(error, Several) else [error]
            code = 2 if isinstance(error, (ChainruleError, OSError)) else 1
            leave("\n".join(f"{words.command.ERROR}{plain(sentence(each))}" for each in errors), code)

    return run


def tell(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as a sentence on standard error, without its location in the code."""
    from chainrule.views.text.tables import warned

    typer.secho(f"{words.command.WARNING}{plain(warned(message))}", fg=typer.colors.YELLOW, err=True)


def leave(message: str, code: int) -> None:
    """Print a message on standard error, and exit with a code; after an error without waiting for other processes."""
    several = distributed.process_count() > 1
    who = f"process {distributed.process_index()}: " if several and not distributed.is_first() else ""
    typer.secho(who + message, fg=typer.colors.RED if code != 130 else None, err=True)
    if several and code != 130:
        distributed.end(code)
    raise typer.Exit(code)


def sentence(error: Exception) -> str:
    """Return the sentence that reports an error to a user."""
    said = words.messages
    if isinstance(error, ChainruleError):
        return str(said.translated(told(error, in_flags)))
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return str(said.no_file(str(error.filename)))
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror[0].lower()}{error.strerror[1:]}."
    if isinstance(error, MemoryError):
        return str(said.NO_MEMORY)
    return str(said.bug(f"{type(error).__name__}: {error}"))
