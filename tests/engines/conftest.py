"""Tests of the native engine, which would take no more threads than there are cores."""

from __future__ import annotations

import pytest

from chainrule.engines.native import engine as native


@pytest.fixture(autouse=True)
def as_if_on_many_cores(monkeypatch):
    """So many threads as a test asks for, on any machine."""
    monkeypatch.setattr(native, "cores", lambda: 1024)
