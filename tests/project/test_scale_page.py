"""The page on training at scale: formulas by hand, the simulation against the formula, and up to date."""

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


@pytest.mark.slow
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
    size = scale.crossover(1024)
    assert scale.doubling(size, 1024) == pytest.approx(scale.halving(size, 1024))
    assert scale.doubling(0.9 * size, 1024) < scale.halving(0.9 * size, 1024)
    net = scale.NETS[0]
    compute, whole = scale.step(net, 64, times=2)
    assert compute == 2 * scale.computing(net, 64)
    assert whole - compute == pytest.approx(scale.doubling(4 * net.parameters, 64))
    assert scale.step(net, 1)[0] == scale.step(net, 1)[1]


def test_intervals_by_hand(scale):
    assert scale.young(2, 100) == 20
    assert scale.daly(2, 100) == pytest.approx(20 * (1 + 0.1 / 3 + 0.01 / 9) - 2)
    assert scale.daly(200, 100) == 100
    costs = {t: scale.expected(1.0, t, 2, 100, 5) for t in (5, 10, scale.daly(2, 100), 40, 80)}
    assert min(costs, key=costs.get) == scale.daly(2, 100)
    assert scale.expected(1.0, 1.0, 0.0, 1e9, 0.0) == pytest.approx(1.0)


def test_simulated_runs_take_what_the_formula_says(scale):
    for interval in (5.0, 20.0, 60.0):
        formula = scale.expected(1200.0, interval, 2.0, 100.0, 5.0)
        assert scale.simulated(1200.0, interval, 2.0, 100.0, 5.0) == pytest.approx(formula, rel=0.05)


def test_the_slowest_of_many(scale):
    assert scale.slowest(1, 0.05) == pytest.approx(1, abs=0.01)
    assert scale.slowest(1000, 0.05) == pytest.approx(
        1.176, abs=0.005
    )  # e^(0.05 x 3.241), the mean of 1,000's largest


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
