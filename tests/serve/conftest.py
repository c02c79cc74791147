"""Models in files and servers of them, once for all tests: they take most of the time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from served_models import Served, write_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_models(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def served(models: dict[str, Path]) -> Iterator[dict[str, Served]]:
    found = {name: Served(path) for name, path in models.items()}
    yield found
    for each in found.values():
        each.service.close()
