"""What a fit has noticed as the cells of a table."""

from __future__ import annotations

from chainrule.estimators.notices.notice import Notices
from chainrule.views import words


def cells(found: Notices) -> list[tuple[str, ...]]:
    """Return a row per notice: what it is, its columns, both scores, and what to pass."""
    said = words.notices
    return [
        (
            said.KINDS[each.what],
            words.phrases.several(each.columns) if each.columns else "",
            said.score(each.score, each.score_with),
            said.score(each.score, each.score_without),
            said.to_pass(each),
        )
        for each in found
    ]
