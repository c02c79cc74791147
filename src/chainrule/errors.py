"""The exceptions of the package, in one tree.

    ChainruleError
    ├── ConfigError      an invalid setting: a negative rate, an unknown name
    ├── ShapeError       arrays whose shapes do not match the network or each other
    ├── DataError        values that cannot be used: NaN, a label without an output
    ├── FormatError      a damaged file, or one of another format
    └── NonFiniteError   training that produced NaN or infinity

Each message says the argument, what was expected, what came, and the next step. All but the last are also a
`ValueError`, so code written for scikit-learn catches them as it is.
"""


class ChainruleError(Exception):
    """The base of every error that Chainrule raises on purpose."""


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
