"""The command `chainrule` in this process, as Typer's runner has it, but for the time that its options take to make."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from unittest import mock

from typer.main import get_command
from typer.testing import CliRunner, Result

from chainrule.cli import app


@cache
def group() -> Any:
    """The subcommands with all their options: made once, a tenth of a second, which is a third of a short training."""
    return get_command(app)


def invoke(words: Sequence[object], prog_name: str = "chainrule") -> Result:
    """Run the command on these words: what it printed, its exit status, and its exception.

    Help is of a group of its own, since an option keeps the form in which a narrow terminal shows it.
    """
    texts = [str(word) for word in words]
    if not texts or {"--help", "-h"} & set(texts):
        return CliRunner().invoke(app, texts, prog_name=prog_name)
    with mock.patch("typer.testing._get_command", lambda _: group()):
        return CliRunner().invoke(app, texts, prog_name=prog_name)
