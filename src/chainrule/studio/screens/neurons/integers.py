"""What 8-bit integers do to the network on show, by layer, class and input."""

from __future__ import annotations

from typing import Any

from chainrule.errors import ConfigError
from chainrule.export.comparing import ROWS
from chainrule.export.effect import Int8Effect, effect_of_int8
from chainrule.model import Model
from chainrule.studio.screens.model import shown_part
from chainrule.studio.screens.neurons import edits as editing
from chainrule.studio.screens.neurons import measures
from chainrule.studio.screens.neurons.python import preamble
from chainrule.studio.session.commands import command
from chainrule.studio.session.studio import Studio
from chainrule.views import words
from chainrule.views.tables import int8_cells, int8_sentences
from chainrule.views.words import LANGUAGES, spoken_in

MOST_INPUTS = 10_000
"""Of a network on which this is tried: rows of more are large."""


@command("neurons.integers", reads=True)
def integers(studio: Studio) -> dict[str, Any]:
    """Return sentences and tables on what integers do on the shown samples, at most ROWS of them, in each language."""
    model, data = editing.copied(studio.model), shown_part(studio)
    assert isinstance(model, Model), "a studio shows a model"
    if model.network.inputs > MOST_INPUTS:
        raise ConfigError(
            f"the network has {model.network.inputs:,} inputs, and this is measured for at most {MOST_INPUTS:,}; "
            "export it with dtype='int8'."
        )
    found = effect_of_int8(model.graph(), {"X": measures.thinned(data.X, data.y, ROWS).X})
    lines = [
        "from chainrule.export.effect import effect_of_int8",
        "",
        'print(effect_of_int8(model.graph(), {"X": X}))',
        'model.export("net.c", X, dtype="int8")  # writes it for a chip',
    ]
    return {
        "told": {language: describe_effect(found, language) for language in LANGUAGES},
        "difference": found.difference,
        "code": "\n".join([*preamble(studio, most=ROWS), *lines]),
    }


def describe_effect(found: Int8Effect, language: str) -> dict[str, Any]:
    """Return the title, the sentences and the tables in a language."""
    with spoken_in(language):
        tables = [
            {"columns": list(heads), "rows": [list(row) for row in rows]} for heads, rows in int8_cells(found)
        ]
        return {"title": words.model.INT8, "text": list(int8_sentences(found)), "tables": tables}
