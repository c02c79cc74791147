"""The exceptions and warnings of the package, and what their messages are made of.

    ChainruleError
    ├── ConfigError      an invalid setting: a negative rate, an unknown name
    ├── ShapeError       arrays whose shapes do not match the network or each other
    ├── DataError        values that cannot be used: NaN, a label without an output
    ├── FormatError      a damaged file, or one of another format
    ├── NonFiniteError   training that produced NaN or infinity
    └── DistributedError another process of the run that has gone or does not answer

Each message says the argument, what was expected, what was given, and the next step. All but the last two are also a
`ValueError`, so code written for scikit-learn catches them as it is.

A message may be shown where options have other names: the command has `--batch-size` for `batch_size`, and names a loss
by its kind rather than by its class. The functions `option` and `instead` mark such parts of a message. The text of an
error or a warning does not contain the marks; `renamed` rewrites a message with other names.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# Private-use characters, which no message contains otherwise: "{name|value|text}" and "{|other|text}".
_MARKED = re.compile("\ue000([^\ue000-\ue002]*)\ue001([^\ue000-\ue002]*)\ue001([^\ue000-\ue002]*)\ue002")


def option(name: str, text: str | None = None, value: str = "") -> str:
    """Mark a part of a message as an option, by its name in `Model.fit` and similar functions.

    text: its text in the message, as "learning_rate of Adam"; the name unless given.  value: a value to pass to it.
    """
    return f"\ue000{name}\ue001{value}\ue001{name if text is None else text}\ue002"


def instead(text: str, other: str) -> str:
    """Mark a part of a message that is replaced by `other` where settings are text: LBFGS, lbfgs."""
    return f"\ue000\ue001{other}\ue001{text}\ue002"


def unmarked(text: str) -> str:
    """Return a message without its marks, with options as in Python."""
    return _MARKED.sub(lambda found: found[3], text)


def renamed(text: str, name: Callable[[str, str, str], str]) -> str:
    """Return a message with other names: name(option, value, text) is an option with its value, as shown."""
    return _MARKED.sub(lambda found: name(found[1], found[2], found[3]) if found[1] else found[2], text)


class ChainruleError(Exception):
    """Base class of all errors that Chainrule raises on purpose."""

    def __init__(self, message: str = "") -> None:
        """Store the message with its marks; its text is without them."""
        self._marked = message
        super().__init__(unmarked(message))

    def said(self, name: Callable[[str, str, str], str]) -> str:
        """Return the message with other names, as `renamed` does."""
        if self.args != (unmarked(self._marked),):
            return str(self)  # the message was replaced after the error was made
        return renamed(self._marked, name)


class ConfigError(ChainruleError, ValueError):
    """A setting is invalid: out of its range, unknown, or in conflict with another."""


class ShapeError(ChainruleError, ValueError):
    """The shapes of arrays do not match the network or each other."""


class DataError(ChainruleError, ValueError):
    """Values are unusable for training or prediction."""


class FormatError(ChainruleError, ValueError):
    """A file is damaged or of another format; the message has the file and, where known, the byte offset."""


class NonFiniteError(ChainruleError, ArithmeticError):
    """Training produced NaN or infinity.

    step: the step (from 1) at which it appeared.  link: the name of the first link whose output was not finite,
    or "input", "loss", "gradient of NAME", "update of NAME".
    """

    def __init__(self, message: str, step: int, link: str) -> None:
        """Store the step and the link with the message."""
        super().__init__(message)
        self.step = step
        self.link = link


class DistributedError(ChainruleError, RuntimeError):
    """Another process of the run has ended, or does not answer."""


def counted(count: int, noun: str) -> str:
    """Format a count with its noun: 1 epoch, 2 epochs."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def fault_of(error: BaseException) -> str:
    """Return what an error of another library says, in one line; the name of its class where it says nothing."""
    return " ".join(f"{error}".split())[:200] or type(error).__name__


class TableWarning(UserWarning):
    """What a read of a table, or a fit, decided of it, where it could be otherwise.

    code: what it is about: "header", "years", "no_header", "sheet", "minguo", "words", "codes" or "marks".
    facts: the names and numbers of the sentence, by which another language says it.
    """

    def __init__(self, message: str, code: str = "", **facts: object) -> None:
        """Store the sentence in English, and what it says."""
        super().__init__(message)
        self.code, self.facts = code, facts


class LeakWarning(UserWarning):
    """A training table has rows that belong together, or a column that knows the target: its scores are too good.

    Each fit of a table warns of what it notices, once for each thing; docs/trust.md has the kinds. To switch it off:

        warnings.simplefilter("ignore", chainrule.LeakWarning)

    notice: what was noticed, as data, see `notices_` of the estimators.
    """

    def __init__(self, message: str, notice: object = None) -> None:
        """Store the sentence and the notice."""
        super().__init__(message)
        self.notice = notice
