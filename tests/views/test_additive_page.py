"""The page that is an additive model: what stands in its figures is what adds up to a prediction."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import FormatError
from chainrule.core import codec
from chainrule.fitting.terms import AdditiveTerm, Axis, Terms
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.views import report, words
from chainrule.views.words import spoken_in
from house_tables import write

AGE, KIND = Axis("age", "knots", (20.0, 40.0, 80.0)), Axis("kind <b>", "categories", ("a&b", "(other)"))
EDGES = Axis("age", "edges", (30.0, 50.0))


def term(axes: tuple[Axis, ...], values: object, importance: float) -> AdditiveTerm:
    found = np.array(values, float)[..., None]
    return AdditiveTerm(axes, found, found - 0.5, found + 0.5, importance)


TERMS = Terms(
    np.array([1.0]),
    (
        term((AGE,), [9.0, 0.0, 2.0, 4.0], 3.0),
        term((KIND,), [0.0, -1.0, 1.0], 2.0),
        term((KIND, EDGES), [[0, 0, 0, 0], [0, 1, 2, 3], [0, -1, -2, -3]], 1.0),
    ),
    "log_odds",
    ("> 50",),
)
ROW = {"age": 30.0, "kind <b>": "a&b"}


def read_again(data: Any) -> Terms:
    return codec.read(Terms, data, "the terms")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_row_adds_up_on_the_page(language: str, tmp_path: Path):
    """1 + 1 (halfway between the knots 20 and 40) - 1 (of a&b) + 2 (a&b from 30 to 50) = 3: p = 1 / (1 + e^-3)."""
    with spoken_in(language):
        TERMS.write(tmp_path / "model.html", ROW)
    page = (tmp_path / "model.html").read_text("utf-8")
    assert [float(each) for each in re.findall(r'<td class="number">([-+][\d.]+)</td>', page)] == [
        1,
        1,
        -1,
        2,
        3,
    ]
    assert "95.26 %" in page and "<b>" not in page.split("<main>")[1].replace("&lt;b&gt;", "")
    assert len(re.findall(r'class="figure"', page)) == 1 + len(TERMS)


def test_the_figures_show_the_numbers_of_the_model():
    band, line, missing = TERMS.figure("age").data
    assert line.x.tolist() == [20, 40, 80] and line.y.tolist() == [0, 2, 4]
    assert list(band.y) == [0.5, 2.5, 4.5, 3.5, 1.5, -0.5] and list(missing.y) == [9]
    (points,) = TERMS.figure("kind <b>").data
    assert points.y.tolist() == [1, 0, -1] and points.error_y.array.tolist() == [0.5] * 3
    (cells,) = TERMS.figure("kind <b> x age").data
    assert np.array(cells.z).tolist() == [[1, 2, 3], [-1, -2, -3]]  # nothing is added where one is missing
    assert cells.x == ("&lt; 30", "30 to 50", "≥ 50") and cells.y == ("a&amp;b", "other")
    assert json.loads(TERMS.figure("age").to_json())["layout"]["yaxis"]["title"]["text"].endswith(
        "of &gt; 50"
    )


def test_several_classes_have_a_line_each():
    one = TERMS.terms[0]
    both = AdditiveTerm((AGE,), *(np.repeat(each, 2, -1) for each in one[1:4]), 1.0)
    found = Terms(np.zeros(2), (both,), "softmax", ("no", "yes"))
    assert [trace.name for trace in found.figure("age").data][1::3] == ["no", "yes"]
    assert read_again(codec.write(found)).link == "softmax" and "class" in found.html(ROW)


def test_a_file_keeps_the_link():
    again = read_again(codec.write(TERMS))
    assert (again.link, again.labels) == ("log_odds", ("> 50",))
    old = {key: value for key, value in codec.write(TERMS).items() if key not in ("link", "labels")}
    assert read_again(old).link == "identity"
    with pytest.raises(FormatError, match="link of the terms must be one of"):
        codec.read(Terms, codec.write(TERMS) | {"link": "probit"}, "the terms")


@pytest.mark.slow
def test_the_report_of_a_run_has_the_model_and_a_test_row(tmp_path: Path):
    rng = np.random.default_rng(0)
    age, kind = rng.integers(20, 80, 400), rng.choice(["a", "b"], 400)
    write(
        tmp_path / "t.csv",
        {"age": age, "kind": kind, "y": age * (kind == "a") + rng.normal(size=400)},
        ["age", "kind", "y"],
    )
    settings = Settings(target_column="y", preset="additive", epochs=3, members=2)
    outcome = run(str(tmp_path / "t.csv"), settings, out=tmp_path / "run")
    report.write_run(outcome, tmp_path / "report.html", "en")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert f"<h2>{words.additive.THE_MODEL}</h2>" in page and f"<h2>{words.additive.ROW}</h2>" in page
    assert "is the prediction" in page
