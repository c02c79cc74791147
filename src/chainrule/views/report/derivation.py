"""A derivation as a page of its own."""

from __future__ import annotations

import html

from chainrule.inspection.derivation.derivation import Derivation
from chainrule.views.notebook.derivation import STYLE, tree, values
from chainrule.views.report.page import page
from chainrule.views.text.derivation import latex
from chainrule.views.text.trace import samples


def render(derivation: Derivation, terms: int, nodes: int) -> str:
    """The page of `Derivation.html`."""
    trace = derivation.trace
    # The block scrolls sideways by itself, so that a long formula does not widen the page.
    sections = [
        f'<section class="derivation"><style>{STYLE}</style><h2>Two ways to one number</h2>{values(derivation)}'
        "</section>",
        '<section class="derivation"><h2>The chain rule, from the number to the loss</h2>'
        "<p>Each line unfolds into what it is made of. Of a long sum the largest terms are shown; the others are "
        f"added up exactly.</p>{tree(derivation, terms, nodes)}</section>",
        f"<section><h2>As LaTeX</h2><pre>{html.escape(latex(derivation, terms, nodes))}</pre></section>",
    ]
    return page(
        derivation.name,
        f"{derivation.tree.symbol.text()} = {derivation.value:.6g}",
        f"The derivative of the loss by {derivation.name}, {samples(trace)}, walked {trace.mode}; "
        f"loss {trace.loss:.6g}.",
        sections,
    )
