"""How the text of a training table is written, kept in the model's file: later tables are read by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from chainrule.datasets.headers import TableLayout
from chainrule.datasets.numerals import COMMA, POINT, Decimals

FORM = "text_form"
"""The key, in the metadata of a model's file, of the form of the text of the table."""
LATER = "write them with a decimal point if they are decimal commas"
"""What may be done where the training does not say either what the commas of a column are."""


class TextForm(NamedTuple):
    """How the text of a training table is written."""

    encoding: str | None = None
    """None of tables that are no text"""
    decimal: Mapping[str, str] = {}
    """the decimal signs of columns, by name"""

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Self:
        """Return the form of columns that were read from a file."""
        signs = {name: getattr(column, "decimal", "") for name, column in columns.items()}
        return cls(getattr(columns, "encoding", None), {name: sign for name, sign in signs.items() if sign})

    @classmethod
    def in_metadata(cls, metadata: Mapping[str, Any]) -> Self:
        """Return the form in the metadata of a model's file; the default for a file without one."""
        found = metadata.get(FORM)
        data: dict[str, Any] = found if isinstance(found, dict) else {}
        encoding, decimal = data.get("encoding"), data.get("decimal")
        signs = decimal.items() if isinstance(decimal, dict) else ()
        return cls(
            encoding if isinstance(encoding, str) else None,
            {str(name): sign for name, sign in signs if sign in (POINT, COMMA)},
        )

    def to_metadata(self) -> dict[str, Any]:
        """Return the entry for the metadata of a model's file."""
        return {FORM: self._asdict()}

    def with_form(self, layout: TableLayout) -> TableLayout:
        """Return the layout of later tables, which are written in this form where they leave a choice."""
        return layout._replace(decimals=Decimals(self.decimal, otherwise=LATER), usual_encoding=self.encoding)
