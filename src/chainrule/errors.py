"""What can go wrong, in one tree.

    ChainruleError
    ├── ConfigError      a setting that cannot be: a negative rate, an unknown name
    ├── ShapeError       arrays that do not fit the network or each other
    ├── DataError        values that cannot be learned from: NaN, a label that no output stands for
    ├── FormatError      a file that is not what it claims to be
    └── NonFiniteError   training that produced NaN or infinity

Each message names the argument, what was expected, what came, and the next step. All but the last are also a
`ValueError`, so code written for scikit-learn catches them as it is.
"""


class ChainruleError(Exception):
    """The base of every error that Chainrule raises on purpose."""


class ConfigError(ChainruleError, ValueError):
    """A setting that cannot be: out of its range, unknown, or in conflict with another."""


class ShapeError(ChainruleError, ValueError):
    """Arrays whose shapes do not fit the network or each other."""


class DataError(ChainruleError, ValueError):
    """Values that cannot be learned from or predicted on."""


class FormatError(ChainruleError, ValueError):
    """A file that is not what it claims to be; the message names the file and, where known, the byte offset."""


class NonFiniteError(ChainruleError, ArithmeticError):
    """NaN or infinity in training.

    step: the step (from 1) at which it appeared.  link: the name of the first link whose output was not finite,
    or "input", "loss", "gradient of NAME", "update of NAME".
    """

    def __init__(self, message: str, step: int, link: str) -> None:
        """Keep where it happened beside the sentence that says so."""
        super().__init__(message)
        self.step = step
        self.link = link
