"""The experiment on vanishing gradients at a small budget: the shape that the lesson describes, and honest words."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from chainrule import ConfigError
from chainrule.lab.vanishing import ARMS, Measured, cells, make_network, vanishing
from chainrule.views import words as all_words
from chainrule.views.words.facts import CURES, NORMED, RESIDUAL_RELU

words = all_words.lab_vanishing
CODES = {label: code for code, label in words.NETS.items()}
SEEN: list[tuple[float, str]] = []


@pytest.fixture(scope="module")
def report():
    return vanishing(
        repeats=2, budget=0.03, depths=(2, 20), width=32, progress=lambda *seen: SEEN.append(seen)
    )


def gradients(report):
    return {CODES[row["net"]]: float(row["gradient"]) for row in report.table.records()}


@pytest.mark.slow
def test_the_gradient_vanishes_in_the_plain_net_and_each_cure_restores_it(report):
    found = gradients(report)
    assert list(found) == list(ARMS)
    assert found["sigmoid"] < 1e-6
    assert all(0.01 < found[arm] < 1000 for arm in CURES)
    assert found["relu_batch_norm"] > 3  # it explodes at the start
    shallow, deep = (float(report.tables[1].rows[0][k]) for k in (1, 2))
    assert shallow > 1e6 * deep


@pytest.mark.slow
def test_shattering_is_what_size_does_not_show(report):
    cosines = {row["net"]: float(row["cosine"]) for row in report.tables[-1].records()}
    assert cosines["ReLU + batch norm"] < 0.3 < cosines["ReLU + batch norm + residual"]
    assert "reduce shattering" in report.finding


def test_the_words_are_built_from_the_numbers(report):
    found = gradients(report)
    times = float(re.search(r"is ([\d.e+]+) times below", report.finding)[1])
    assert times == pytest.approx(1 / found["sigmoid"], rel=0.06)
    for arm in CURES:
        assert f"{words.NETS[arm]} to {words.share(found[arm])}" in report.finding
    assert f"{report.settings['images']:,} images" in report.held_fixed
    assert f"{report.settings['steps']:,} steps" in report.held_fixed and "2 seeds" in report.held_fixed
    assert "explode" in report.limits and "before it" in report.limits


def test_progress_and_settings(report):
    shares = [share for share, _ in SEEN]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert report.settings["depths"] == [2, 20] and report.settings["repeats"] == 2
    assert report.seconds > 0 and report.name == "vanishing"


def test_the_figures_show_every_net(report):
    profile, first = report.figures
    for figure in (profile, first):
        lines = [trace for trace in figure.data if trace.showlegend is not False]
        assert [line.name for line in lines] == [words.NETS[arm] for arm in ARMS]
        looks = {(line.line.color, line.line.dash, line.marker.symbol) for line in lines}
        assert len(looks) == len({look[1] for look in looks}) == len(ARMS)  # never color alone
        assert figure.layout.title.text
    assert "guessing: 2.30" in profile.to_json()
    assert len(profile.data) == 4 * len(ARMS)  # a line and a band in each panel


@pytest.mark.parametrize("arm", ARMS)
def test_every_net_has_its_depth(arm):
    for depth in (1, 2, 7):
        network = make_network(ARMS[arm](depth, 16))
        dense = [link for link in network.walk() if link.layer.kind == "dense"]
        assert len(dense) == depth + 1 and not any(link.layer.kind == "projection" for link in network.walk())


def test_a_net_that_diverges_is_said_to():
    lost = Measured(
        "relu", 20, 10, np.ones((2, 3)), 0.1, np.array([0.5, math.inf]), np.array([0.9, math.nan])
    )
    assert cells(lost) == ("1", 0.1, None, "0.500 to 0.500, 1 diverged", "90.0 %")
    gone = replace(lost, losses=np.full(2, math.inf), accuracies=np.full(2, math.nan))
    assert cells(gone)[2:] == (None, "2 diverged", None)


def test_the_words_do_not_claim_what_was_not_found():
    def measured(arm, ratio, loss):
        return Measured(arm, 20, 10, np.full((1, 2), ratio), 0.1, np.array([loss]), np.array([0.5]))

    plain = measured("sigmoid", 0.5, 1.0)
    deepest = {"sigmoid": plain} | {arm: measured(arm, 1e-5, 2.2) for arm in CURES}
    said = " ".join(words.finding(deepest, plain, plain, dict.fromkeys((NORMED, RESIDUAL_RELU), 0.5), 0.1))
    assert "restore" not in said and "stays below 0.001 with ReLU, " in said
    assert "that of guessing" not in said and "no cure halved it" in said
    assert "explosion" not in said and "reduce shattering" not in said


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers():
    one, two = (
        vanishing(repeats=1, budget=0.01, depths=(2,), width=8, seed=4).to_json()["tables"] for _ in range(2)
    )
    assert one == two


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"depths": ()}, "depths"),
        ({"depths": (3, 2)}, "ascending"),
        ({"width": 0}, "width"),
        ({"repeats": 0}, "repeats"),
    ],
)
def test_bad_input(options, what):
    with pytest.raises(ConfigError, match=what):
        vanishing(**options)


@pytest.mark.slow
def test_the_default_is_what_the_lesson_says():
    # The lesson is about the deepest nets, whose numbers are the same without the depths between.
    report = vanishing(repeats=1, depths=(2, 20))
    found, rows = gradients(report), {CODES[row["net"]]: row for row in report.table.records()}
    assert found["sigmoid"] < 1e-6 and abs(float(rows["sigmoid"]["loss"]) - math.log(10)) < 0.05
    assert all(float(rows[arm]["loss"]) < 1 for arm in CURES)
    assert "All four cured networks learn" in report.finding and "that of guessing" in report.finding
