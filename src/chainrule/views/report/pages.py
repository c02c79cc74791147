"""The page of a result, by its class: an attribution, a derivation, a check, terms, a story, or an experiment."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import singledispatch
from typing import Any

from chainrule.fitting.terms import Terms
from chainrule.inspection.attribution.result import FEATURES_SHOWN, Attribution
from chainrule.inspection.derivation.derivation import Derivation
from chainrule.inspection.story import Story
from chainrule.trust.drift import DriftCheck
from chainrule.views import words
from chainrule.views.experiments import Report
from chainrule.views.markup import figure, pairs, section, table, text
from chainrule.views.notebook.results import DERIVATION_STYLE, tree, values
from chainrule.views.report import additive, page, story
from chainrule.views.text import drift as drift_text
from chainrule.views.text.inspection import cells, latex


def attribution(attribution: Attribution, row: int = 0) -> str:
    """Return the page of a sample's attribution as HTML."""
    said, (n, features) = words.attribution, attribution.values.shape
    target = said.target(attribution.targets[row])
    rows = [(*texts, f"{value:+.5g}") for *texts, value in cells(attribution, row)]
    return page(
        said.title(attribution.method, target, row, 1),
        said.question(target),
        said.subtitle(attribution.method, features, row, n),
        [
            section("", figure(attribution.figure(row))),
            section(said.ADDS_UP, f"<p>{text(attribution.completeness(row))}</p>"),
            section(said.largest(min(FEATURES_SHOWN, features)), table(said.HEADS, rows)),
        ],
    )


def derivation(derivation: Derivation, terms: int, nodes: int) -> str:
    """Return the page of `Derivation.html`: at most `nodes` equations of at most `terms` terms."""
    formulas = html.escape(latex(derivation, terms, nodes))
    # The block scrolls sideways, so that a long formula does not widen the page.
    sections = [
        f'<section class="derivation"><style>{DERIVATION_STYLE}</style><h2>{words.derivation.TWO_WAYS}</h2>'
        f"{values(derivation)}</section>",
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


def drift(found: DriftCheck) -> str:
    """Return the page of a check of later rows: what has changed, by column."""
    said, (first, *more) = words.drift, drift_text.sentences(found)
    lines = "".join(f"<p>{text(line)}</p>" for line in (*more, said.HOW_TO_READ))
    return page(
        said.TITLE,
        said.TITLE,
        first,
        [
            section("", figure(found.figure()), lines),
            section(
                "", table(said.HEADS, drift_text.cells(found), (0, 1)), f"<p>{text(said.HOW_COUNTED)}</p>"
            ),
        ],
    )


def terms(found: Terms, row: Mapping[str, object] | None = None) -> str:
    """Return the page of an additive model. row: one to add up."""
    said = words.additive
    pairs = sum(len(each.axes) == 2 for each in found.terms)
    about = said.about(len(found) - pairs, pairs)
    return page(said.TITLE, said.TITLE, about, [additive.sections(found, row)])


def experiment(report: Report) -> str:
    """Return the page of an experiment: its answer, figures, tables and settings."""
    said = words.experiments
    (found, _), *others = report.words()
    settings = [(words.phrases.spoken(name), value) for name, value in report.settings.items()]
    more = "".join(section("", table.html()) for table in report.tables[1:])
    sections = [
        section(found, f'<p class="answer">{text(report.answer)}</p><p>{text(report.finding)}</p>'),
        *(section("", figure(made)) for made in report.figures),
        *(section(said.IN_NUMBERS, table.html()) for table in report.tables[:1]),
        f'<div class="pair">{more}</div>' if more else "",
        *(section(head, f"<p>{text(paragraph)}</p>") for head, paragraph in others),
        section(said.SETTINGS, pairs([*settings, (said.SECONDS, f"{report.seconds:.1f}")])),
    ]
    return page(report.title, report.title, report.question, sections)


@singledispatch
def page_of(result: object, *arguments: Any) -> str:
    """Return the page of a result; the arguments are those of its function in the table below.

    Raises TypeError for other objects.
    """
    raise TypeError(f"{type(result).__name__} has no page.")


page_of.register(Attribution, attribution)
page_of.register(Derivation, derivation)
page_of.register(Story, story.render)
page_of.register(Terms, terms)
page_of.register(DriftCheck, drift)
page_of.register(Report, experiment)
