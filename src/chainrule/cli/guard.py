"""Turn errors into one sentence and an exit code; only --debug prints a traceback.

0  success   1  the target was missed, or a bug in Chainrule      2  bad input      130  Ctrl-C
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import typer

from chainrule import distributed
from chainrule.cli.output import plain
from chainrule.core import hints
from chainrule.errors import ChainruleError, LeakWarning

Command = Callable[..., Any]


class InterruptedRun(Exception):
    """Ctrl-C in a run that can be resumed; the message says how."""


class Several(ChainruleError):
    """The errors of several inputs, each of which is reported; the other inputs were processed."""

    def __init__(self, errors: list[Exception]) -> None:
        """Store one or more errors."""
        super().__init__(f"{len(errors)} inputs cannot be used.")
        self.errors = errors


def guarded(command: Command) -> Command:
    """Return a subcommand whose errors become sentences on standard error."""

    @functools.wraps(command)
    def run(**options: Any) -> Any:
        try:
            with hints.once(tell):
                return command(**options)
        except (typer.Exit, BrokenPipeError):
            raise
        except InterruptedRun as interruption:
            leave(plain(interruption), 130)
        except KeyboardInterrupt:
            leave("Interrupted.", 130)
        except Exception as error:
            if options.get("debug"):
                raise
            errors = error.errors if isinstance(error, Several) else [error]
            code = 2 if isinstance(error, (ChainruleError, OSError)) else 1
            leave("\n".join(f"Error: {plain(sentence(each))}" for each in errors), code)

    return run


def tell(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as a sentence on standard error, without its location in the code."""
    typer.secho(f"Warning: {plain(in_options(message))}", fg=typer.colors.YELLOW, err=True)


def in_options(message: Warning | str) -> str:
    """Return a warning's sentence, with options of the command in place of arguments of a fit."""
    if isinstance(message, LeakWarning) and message.notice is not None:
        from chainrule.estimators.notices.notice import Notice
        from chainrule.views import words

        assert isinstance(message.notice, Notice)
        return words.notices.sentence(message.notice, "command")
    return str(message)


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
    if isinstance(error, ChainruleError):
        from chainrule.cli.flags import in_flags
        from chainrule.recipe.messages import told

        return told(error, in_flags)
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"{error.filename} does not exist; check the path."
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"{where}{error.strerror[0].lower()}{error.strerror[1:]}."
    if isinstance(error, MemoryError):
        return "there is not enough memory for this."
    return f"a bug in chainrule ({type(error).__name__}: {error}); --debug shows where."
