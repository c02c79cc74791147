"""Tables and reports: what every experiment of the laboratory hands back."""

from __future__ import annotations

import json
import math
import sys
import types

import numpy as np
import pytest

from chainrule import ConfigError, ShapeError, lab
from chainrule.lab import check_options, part, scaled
from chainrule.views.experiments import Report
from chainrule.views.figures import learning_curve
from chainrule.views.tables import Table, cell, rendered

EVIL = "</script><b>&[red]"


def table(caption="how they fared"):
    rows = (("plain", 3, 1.5e-13, None), ("cured", 1_234_567, 0.25, "ok"))
    return Table(("net", "count", "share", "note"), rows, caption)


def report(**changes):
    settings = {"seed": 0, "repeats": 2, "budget": 1.0, "widths": (1, np.int64(2))}
    parts = {
        "name": "made-up",
        "title": "A title",
        "question": "A question?",
        "answer": "It is so.",
        "finding": "It was found.",
        "held_fixed": "All was held.",
        "limits": "Nothing else.",
        "tables": (table(), Table(("a",), ((math.nan,),))),
        "figures": (learning_curve([{"loss": 1.0}, {"loss": 0.5}], "loss"),),
        "settings": settings,
        "seconds": 1.25,
    }
    return Report(**(parts | changes))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("text", "text"),
        (1_234_567, "1,234,567"),
        (np.int64(12), "12"),
        (0.012345678, "0.01235"),
        (1.5e-13, "1.5e-13"),
        (np.float32(0.5), "0.5"),
        (123456.7, "123,457"),
        (math.nan, "undefined"),
        (math.inf, "inf"),
        (True, "yes"),
        (np.bool_(False), "no"),
    ],
)
def test_a_cell_for_people(value, shown):
    assert cell(value) == shown


def test_a_ragged_table_is_refused():
    with pytest.raises(ShapeError, match="2 cells for 3 columns"):
        Table(("a", "b", "c"), ((1, 2),))


def test_a_table_in_every_form():
    made = table()
    assert made.records()[0] == {"net": "plain", "count": 3, "share": 1.5e-13, "note": None}
    assert made.to_json()["rows"][1] == ["cured", 1_234_567, 0.25, "ok"]
    lines = str(made).splitlines()
    assert lines[0] == "how they fared" and "1,234,567" in str(made) and "1.5e-13" in str(made)
    assert all(line == line.rstrip() for line in lines)
    assert '<td class="number">1,234,567</td>' in made.html() and made._repr_html_() == made.html()


def test_words_read_from_the_left_and_numbers_from_the_right():
    made = table()
    assert made.left == {0, 3}
    assert '<th scope="col" class="number">share</th><th scope="col">note</th>' in made.html()
    assert '<td class="number">0.25</td><td>ok</td>' in made.html()
    assert Table(("a", "b"), ()).left == {0} and str(Table(("a", "b"), ()))


def test_a_narrow_terminal_wraps_names_and_cuts_nothing():
    columns = ("method", "passes a step", "milliseconds a step", "why")
    made = Table(columns, (("backpropagation", 2.168, 0.02123, "the chain rule, one backward pass"),))
    text = rendered(made, 56)
    assert max(map(len, text.splitlines())) <= 56 and "…" not in text
    for word in ("backpropagation", "passes", "milliseconds", "2.168", "0.02123", "chain"):
        assert word in text


@pytest.mark.parametrize("width", [40, 60, 80, 110])
def test_columns_that_find_no_room_stand_below_with_the_rows_named_once_more(width):
    names = ("plain, a long name", "cured")
    columns = ("net", "what became of it", *(f"share after {k}" for k in range(12)))
    rows = tuple((name, "it learned something", *(10.0 ** (k - 9) / 3 for k in range(12))) for name in names)
    text = rendered(Table(columns, rows, "A caption that says what the columns are, in a sentence."), width)
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    words = text.split()
    assert all(cell(value) in words for row in rows for value in row[2:])
    blocks = text.count("plain, a long name")
    assert blocks == text.count("cured") == text.count("net") and blocks > 1
    assert words.count("something") == 2


def test_a_report_as_text_has_every_part():
    text = str(report())
    for words in (
        "A title",
        "A question?",
        "What was found. It is so. It was found.",
        "All was held.",
        "Nothing else.",
        "1,234,567",
        "1.2 s",
    ):
        assert words in text
    assert "seed 0, repeats 2, budget 1.0" in text and "\x1b" not in text


def test_a_report_as_json():
    data = report().to_json()
    assert json.loads(json.dumps(data)) == data
    assert data["settings"]["widths"] == [1, 2] and data["tables"][1]["rows"] == [[None]]
    assert (data["answer"], data["finding"]) == ("It is so.", "It was found.")
    assert "figures" not in data and data["seconds"] == 1.25


def test_a_report_as_a_page_and_as_files(tmp_path):
    made = report(title=EVIL, finding=EVIL, tables=(Table((EVIL,), ((EVIL,),), EVIL),), settings={EVIL: EVIL})
    html = made.html()
    assert EVIL not in html.replace(EVIL.replace("<", "\\u003c"), "") and "&lt;b&gt;" in html
    assert html.count('class="figure"') == 1 and "https://" not in html.split("<main>")[1]
    made.write(tmp_path / "page.HTML")
    made.write(tmp_path / "data.json")
    assert (tmp_path / "page.HTML").read_text("utf-8") == html
    assert json.loads((tmp_path / "data.json").read_text("utf-8")) == made.to_json()
    with pytest.raises(ConfigError, match=r"\.html or \.json"):
        made.write(tmp_path / "page.pdf")


def test_a_report_in_a_notebook_is_light():
    shown = report()._repr_html_()
    assert "It was found." in shown and "1,234,567" in shown and len(shown) < 10_000


def test_the_first_table_and_figure_answer():
    made = report()
    assert made.table is made.tables[0] and made.figure is made.figures[0]


def test_options():
    check_options(0, 1, 0.02)
    for options, name in (((-1, 1, 1.0), "seed"), ((0, 0, 1.0), "repeats"), ((0, 1, 0.0), "budget")):
        with pytest.raises(ConfigError, match=name):
            check_options(*options)
    for budget in (math.inf, math.nan, True, "1"):
        with pytest.raises(ConfigError, match="budget"):
            check_options(0, 1, budget)


def test_scaled_and_parts_of_the_progress():
    assert scaled(100, 0.5) == 50 and scaled(100, 0.001) == 1 and scaled(10, 0.01, 4) == 4
    seen = []
    half = part(lambda share, what: seen.append((share, what)), 0.5, 1.0)
    half(0.5, "training")
    half(7, "beyond")
    assert seen == [(0.75, "training"), (1.0, "beyond")]
    part(None, 0, 1)(0.5, "nobody looks")


def test_run_finds_an_experiment_by_its_name(monkeypatch):
    with pytest.raises(ConfigError, match="vanishing, without-backprop"):
        lab.run("alchemy")
    module = types.ModuleType("chainrule.lab.alchemy")
    module.alchemy = lambda **options: report(settings=options)
    monkeypatch.setitem(sys.modules, "chainrule.lab.alchemy", module)
    monkeypatch.setitem(lab.LABS, "alchemy", "Gold from lead.")
    assert lab.run("alchemy", seed=3).settings == {"seed": 3}
