"""What tests of the race of preset="best" share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chainrule.estimators.best import candidates
from chainrule.estimators.best.candidates import Candidate


@pytest.fixture
def race_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function: let these candidates race alone, whatever the number of rows."""

    def only(*few: Candidate) -> None:
        monkeypatch.setattr(candidates, "CANDIDATES", few)
        monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())

    return only
