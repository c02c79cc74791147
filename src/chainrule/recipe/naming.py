"""How messages name the options of a run: as whoever asked for the run wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Names:
    """The names of Python: `batch_size`, `batch_size=32`. The command has names of its own, `--batch-size 32`."""

    others: frozenset[str] = frozenset()
    """options that are no settings of a run"""

    def __call__(self, option: str) -> str:
        """The name of an option."""
        return option

    def value(self, option: str, value: Any) -> str:
        """A value of an option."""
        return repr(value)

    def given(self, option: str, value: Any) -> str:
        """An option with a value."""
        return f"{self(option)}={self.value(option, value)}"

    def resume(self, place: Path) -> str:
        """How the run of a folder is gone on with."""
        return f"run(..., out={str(place)!r}, resume=True)"


PYTHON = Names()
