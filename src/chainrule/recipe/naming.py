"""Names of a run's options in messages: as in Python, or as on the command line."""

from __future__ import annotations

from pathlib import Path


class Names:
    """The names of options in Python: `batch_size`, `batch_size=32`. The command's subclass has `--batch-size 32`."""

    others: frozenset[str] = frozenset()
    """options besides the settings of a run"""

    def __call__(self, option: str) -> str:
        """Return the name of an option."""
        return option

    def value(self, option: str, value: object) -> str:
        """Return a value of an option in the caller's notation."""
        return repr(value)

    def given(self, option: str, value: object) -> str:
        """Return an option with a value."""
        return f"{self(option)}={self.value(option, value)}"

    def resume(self, place: Path) -> str:
        """Return the call that continues the run of a folder."""
        return f"run(..., out={str(place)!r}, resume=True)"


PYTHON = Names()
