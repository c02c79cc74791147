"""The page on training at scale: formulas by hand, and up to date."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    spec = spec_from_file_location("make_scale", DOCS / "make_scale.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(scale):
    assert (DOCS / "scale.md").read_text("utf-8") == scale.page(), "run python docs/make_scale.py"


def test_a_network_by_hand(scale):
    net = scale.Net("3-5-2", (3, 5, 2), 640)
    assert net.parameters == 4 * 5 + 6 * 2
    assert net.operations == 4 * 15 + 6 * 10
    assert scale.computing(net, 64) == pytest.approx(10 * 120 / (32 * 95e9 * 0.7))


def test_sums_over_hosts_by_hand(scale):
    """8 hosts, messages of 2 s, 10 bytes a second, 80 bytes."""
    assert scale.ring(80, 8, 2, 10) == 2 * 7 * (2 + 1)
    assert scale.doubling(80, 8, 2, 10) == 3 * (2 + 8)
    assert scale.halving(80, 8, 2, 10) == 2 * 3 * 2 + 2 * 7 / 8 * 8
    assert scale.ring(80, 1, 2, 10) == scale.doubling(80, 1, 2, 10) == scale.halving(80, 1, 2, 10) == 0


def test_the_fastest_sum_is_taken(scale):
    net = scale.NETS[0]
    compute, whole = scale.step(net, 64, times=2)
    assert compute == 2 * scale.computing(net, 64)
    size = 4 * net.parameters
    sums = [each(size, 64) for each in (scale.ring, scale.doubling, scale.halving)]
    assert whole - compute == pytest.approx(min(sums)) and min(sums) == scale.doubling(size, 64)
    large = 4 * scale.NETS[-1].parameters
    assert scale.halving(large, 1024) < min(scale.ring(large, 1024), scale.doubling(large, 1024))
    assert scale.step(net, 1)[0] == scale.step(net, 1)[1]


def test_intervals_by_hand(scale):
    assert scale.young(2, 100) == 20
    assert scale.daly(2, 100) == pytest.approx(20 * (1 + 0.1 / 3 + 0.01 / 9) - 2)
    assert scale.daly(200, 100) == 100


def test_words_of_numbers(scale):
    assert [scale.seconds(x) for x in (2e-6, 0.0123, 3.0, 90, 7200, 2e5)] == [
        "2 µs",
        "12.3 ms",
        "3 s",
        "1.5 min",
        "2 h",
        "2.31 days",
    ]
    assert [scale.byte(x) for x in (12, 1234, 5e6, 7e9, 2.04e14)] == [
        "12 B",
        "1.23 kB",
        "5 MB",
        "7 GB",
        "204 TB",
    ]
