"""Packages that load a name when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from chainrule import datasets, training
from chainrule.training import without_backprop


@pytest.mark.parametrize("package", [datasets, training, without_backprop], ids=lambda found: found.__name__)
def test_every_public_name_is_there(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is vars(package)[name]  # and is kept
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        _ = package.nothing


def test_a_name_loads_its_module_and_no_other():
    code = "import sys; from chainrule.training import History; print(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "chainrule.training.history" in shown and "chainrule.training.run" not in shown
