"""The additional answers of an exported page of Backpropagation: both passes of each sample, and their details."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from chainrule.errors import ChainruleError
from chainrule.studio.screens.model import shown_part
from chainrule.studio.session.commands import EXPORTS, Exported, KeptAnswer, find

OF_A_WALK = ("backprop.weight", "backprop.neuron", "backprop.chain")
SECONDS = 8.0
"""The seconds after which no further sample is computed: the derivation of a weight of a large network takes long."""


def walks(page: Exported) -> Iterator[KeptAnswer]:
    """Compute the passes of each sample of the page, with the selected weight and neuron, and a step."""
    asked = {name: arguments for name, arguments in page.calls if name in OF_A_WALK}
    asked["backprop.update"] = {"rate": page.state.get("backprop.rate", 0.01)}
    shown = _put_on_page(page)
    end = time.monotonic() + SECONDS
    for place, row in enumerate(page.rows):
        if time.monotonic() > end and place > shown:
            del page.rows[place:]
            return
        found = find("backprop.walk")(page.studio, {"sample": row, "n": 1})
        yield KeptAnswer("backprop.walk", {"sample": place, "n": 1}, found | {"has_before": False})
        for name, others in asked.items():
            of_walk: dict[str, Any] = others | {"walk": found["walk"]}
            try:
                yield KeptAnswer(name, of_walk, find(name)(page.studio, of_walk))
            except ChainruleError:  # it was requested for another network
                continue


EXPORTS["backprop"] = walks


def _put_on_page(page: Exported) -> int:
    """Return the index on the page of the selected sample, and make the page start there.

    A sample that is not among the page's replaces the last of them.
    """
    row, count = (
        page.state.get("backprop.sample"),
        int(shown_part(page.studio).X.shape[0]) if page.rows else 0,
    )
    if not isinstance(row, int) or not 0 <= row < count:
        return 0
    if row not in page.rows:
        page.rows[-1] = row
    page.state["backprop.sample"] = page.rows.index(row)
    return page.rows.index(row)
