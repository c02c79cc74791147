"""The worksheet on backpropagation: its numbers, its key, and the pages that are printed."""

from __future__ import annotations

import ast
import json
import math
import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import ConfigError
from chainrule.lab import worksheet

OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}


def computed(formula: str) -> float:
    """The value of a formula of the key, typed into a calculator."""
    code = (
        formula.replace("−", "-")
        .replace("·", "*")
        .replace("²", "**2")
        .replace(",", "")
        .replace("e^", "2.718281828459045**")
    )
    if code.startswith("√"):
        return math.sqrt(computed(code[1:]))
    if code.startswith("⌈"):
        return math.ceil(computed(code.strip("⌈⌉")))
    if code.startswith("-ln "):
        return -math.log(float(code[4:]))

    def value(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return float(OPERATORS[type(node.op)](value(node.left), value(node.right)))
        if isinstance(node, ast.UnaryOp):
            return float(OPERATORS[type(node.op)](value(node.operand)))
        assert isinstance(node, ast.Constant), formula
        return float(node.value)

    return value(ast.parse(code, mode="eval").body)


def by_name(sheet: worksheet.Worksheet) -> dict[str, float]:
    return {f"{each.code} {answer.name}": answer.value for each in sheet.exercises for answer in each.answers}


@given(st.integers(0, 2**32 - 1))
def test_the_key_is_the_chain_rule(seed: int):
    """Forward, backward and a step, written again with four numbers at a time."""
    sheet = worksheet.make_worksheet(seed)
    z = sheet.x @ sheet.u + sheet.b
    a = 1 / (1 + np.exp(-z))
    p = np.exp(s := a @ sheet.v + sheet.c) / np.exp(s).sum()
    of_s = p - np.eye(2)[sheet.label]
    of_z = sheet.v @ of_s * a * (1 - a)
    of_u = np.outer(sheet.x, of_z)
    k, i = ("₁₂".index(letter) for letter in sheet.weight[1:])
    found = by_name(sheet)
    for name, values in (
        ("hidden z", z),
        ("hidden a", a),
        ("outputs s", s),
        ("outputs p", p),
        ("errors ∂L/∂s", of_s),
    ):
        np.testing.assert_allclose([found[f"{name}₁"], found[f"{name}₂"]], values, rtol=1e-12)
    assert found["outputs L"] == pytest.approx(-math.log(p[sheet.label]), rel=1e-12)
    assert found[f"back ∂L/∂{sheet.weight}"] == pytest.approx(of_u[k, i], rel=1e-9)
    assert found[f"step {sheet.weight}"] == pytest.approx(sheet.u[k, i] - sheet.rate * of_u[k, i], rel=1e-12)
    assert found[f"check ΔL/Δ{sheet.weight}"] == pytest.approx(of_u[k, i], rel=0.01)
    mean, std, first, scaled = (found[f"normalizing {name}"] for name in ("μ", "σ", "ẑ₁", "γ ẑ₁ + β"))
    given = sheet.exercises[-2].given
    numbers = np.array([given[f"z{n}"] for n in "₁₂₃₄"])
    assert (mean, std) == (numbers.mean(), numbers.std())
    assert first == pytest.approx((numbers[0] - mean) / std) and scaled == pytest.approx(
        given["γ"] * first + given["β"]
    )


@given(st.integers(0, 2**32 - 1))
def test_a_formula_of_the_key_has_its_value(seed: int):
    """From numbers of four decimals, within the 1 % in which an answer is right."""
    for exercise in worksheet.make_worksheet(seed).exercises:
        for answer in exercise.answers:
            assert computed(answer.how) == pytest.approx(answer.value, rel=0.01, abs=2e-4), answer


def test_numbers_by_hand():
    found = by_name(worksheet.make_worksheet(7))
    assert found["hidden z₁"] == pytest.approx(-0.1 + 1.2 * 1 + 0.9 * 0.5)
    assert found["counting n"] == 784 * 64 + 64 + 64 * 10 + 10 == 50890
    assert found["counting k"] == 938  # 937.5 batches
    assert found["judging precision"] == 11 / 14 and found["judging recall"] == 11 / 21


def test_each_seed_has_numbers_of_its_own():
    first, again, other = (
        worksheet.make_worksheet(1),
        worksheet.make_worksheet(1),
        worksheet.make_worksheet(2),
    )
    assert first.to_data() == again.to_data() and by_name(first) != by_name(other)
    with pytest.raises(ConfigError, match=r"seed must be an integer in \[0, 2\^32\), not -1"):
        worksheet.make_worksheet(-1)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_command(command, tmp_path: Path, lang: str):
    out = tmp_path / "sheets"
    printed = command("worksheet", "--copies", "3", "--seed", "7", "--out", str(out), "--lang", lang).stdout
    assert str(out / "worksheet.html") in "".join(printed.split()) and str(out / "key.html") in "".join(
        printed.split()
    )
    sheets, keys = ((out / name).read_text("utf-8") for name in ("worksheet.html", "key.html"))
    assert sheets.count('class="sheet"') == 3 and keys.count('class="sheet"') == 4
    assert {"en": "Backpropagation by hand, sheet 9", "zh": "動手算反向傳播，第 9 號題"}[lang] in sheets
    assert "<b>50,890</b>" in keys and "50,890" not in sheets
    assert f'lang="{ {"en": "en", "zh": "zh-Hant-TW"}[lang] }"' in sheets


def test_its_data(command, tmp_path: Path):
    (data,) = command("worksheet", "--out", str(tmp_path), "--json", data=True)
    assert data == json.loads(json.dumps(worksheet.make_worksheet(0).to_data()))


def test_bad_options(command, tmp_path: Path):
    assert "must be an integer in [0, 2^32), not -1" in " ".join(
        command("worksheet", "--seed", "-1", code=2).stderr.split()
    )
    (tmp_path / "file").write_text("")
    assert (
        "--out must be a writable folder"
        in command("worksheet", "--out", str(tmp_path / "file"), code=2).stderr
    )


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_and_the_paper(browser_page, page_file, command, tmp_path: Path, width: int):
    command("worksheet", "--copies", "2", "--out", str(tmp_path))
    browser_page.set_viewport_size({"width": width, "height": 900})
    for name in ("worksheet.html", "key.html"):
        page_file.write_text((tmp_path / name).read_text("utf-8"), "utf-8")
        browser_page.goto(page_file.as_uri())
        assert browser_page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert browser_page.locator("article").count() == (2 if name == "worksheet.html" else 3)
    assert browser_page.locator("svg").count() == 0
