"""What tests need of the extra `test-all`."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest


def needs(package: str) -> pytest.MarkDecorator:
    """Skip a test without the package; on a server (CI is set), which installs the extra, the test fails instead."""
    missing = find_spec(package) is None and not os.environ.get("CI")
    return pytest.mark.skipif(missing, reason=f"needs {package}, of the extra test-all")
