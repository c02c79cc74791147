"""The page about a derivation."""

from __future__ import annotations

import html

from chainrule.inspection.derivation.derivation import Derivation
from chainrule.views import words
from chainrule.views.notebook.derivation import STYLE, tree, values
from chainrule.views.report.page import page
from chainrule.views.text.derivation import latex


def render(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the page of `Derivation.html`: at most `nodes` equations of at most `terms` terms."""
    formulas = html.escape(latex(derivation, terms, nodes))
    # The block scrolls sideways, so that a long formula does not widen the page.
    sections = [
        f'<section class="derivation"><style>{STYLE}</style><h2>{words.derivation.TWO_WAYS}</h2>{values(derivation)}'
        "</section>",
        f'<section class="derivation"><h2>{words.derivation.CHAIN}</h2><p>{words.derivation.UNFOLD}</p>'
        f"{tree(derivation, terms, nodes)}</section>",
        f"<section><h2>{words.derivation.AS_LATEX}</h2><pre>{formulas}</pre></section>",
    ]
    return page(
        derivation.name,
        f"{derivation.tree.symbol.text()} = {derivation.value:.6g}",
        words.derivation.subtitle(derivation),
        sections,
    )
