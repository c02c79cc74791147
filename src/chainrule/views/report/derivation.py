"""Write a page about one derivation."""

from __future__ import annotations

import html

from chainrule.inspection.derivation.derivation import Derivation
from chainrule.views.notebook.derivation import STYLE, tree, values
from chainrule.views.report.page import page
from chainrule.views.text.derivation import latex
from chainrule.views.text.trace import samples
from chainrule.views.words.en import derivation as words


def render(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the page of `Derivation.html`: at most `nodes` equations of at most `terms` terms."""
    # The block scrolls sideways by itself, so that a long formula does not widen the page.
    sections = [
        f'<section class="derivation"><style>{STYLE}</style><h2>{words.TWO_WAYS}</h2>{values(derivation)}'
        "</section>",
        f'<section class="derivation"><h2>{words.CHAIN}</h2><p>{words.UNFOLD}</p>'
        f"{tree(derivation, terms, nodes)}</section>",
        f"<section><h2>{words.AS_LATEX}</h2><pre>{html.escape(latex(derivation, terms, nodes))}</pre></section>",
    ]
    return page(
        derivation.name,
        f"{derivation.tree.symbol.text()} = {derivation.value:.6g}",
        words.subtitle(derivation, samples(derivation.trace)),
        sections,
    )
