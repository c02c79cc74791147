"""What the command prints with --lang zh is Chinese, whichever the subcommand: results, warnings and errors."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chainrule.views.words.zh.messages import _SAID as SAID
from chainrule.views.words.zh.messages import translated

from commands import invoke
from sources import tree_of

PACKAGE = Path(__file__).parents[2] / "src" / "chainrule"
ENGLISH = re.compile(r"(?<![\w./=-])[A-Za-z]{2,}(?: [A-Za-z]{2,}){2,}(?![\w/=])")
"""Three words of English or more."""
NO_LANGUAGE = re.compile(
    r"chainrule [^\n，；。：（）]*"  # commands to type
    r"|(?:cc|curl) -[^\n]*"
    r"|Open Inference Protocol"
)
"""What is no sentence: commands, and a name."""
TAGS = re.compile(r"<style>.*?</style>|<script.*?</script>|<pre.*?</pre>|<[^>]*>", re.S)
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with text, a date and three classes; later rows of it; and runs on it."""
    at, rng = tmp_path_factory.mktemp("zh"), np.random.default_rng(0)
    lines = [
        f"{size:.2f},2024-{k % 12 + 1:02d}-{k % 28 + 1:02d},the customer writes {k} that it came late,{kind}"
        for k, (size, kind) in enumerate(
            zip(rng.normal(40, 9, 160), rng.choice(["a", "b", "c"], 160), strict=True)
        )
    ]
    (at / "t.csv").write_text("\n".join(["size,day,remark,kind", *lines]), "utf-8")
    (at / "numbers.csv").write_text(
        "\n".join(["a,b,y", *(f"{a:.3f},{b:.3f},{a - b:.3f}" for a, b in rng.normal(size=(120, 2)))]), "utf-8"
    )
    return at


def say(folder: Path, *arguments: object, code: int = 0, lang: str = "zh") -> str:
    """Run a subcommand in Chinese, and return what it printed on both streams; it must exit with this code."""
    found = invoke([*(str(each).replace("@", f"{folder}/") for each in arguments), "--lang", lang])
    assert found.exit_code == code, found.output
    return str(found.stdout + found.stderr).replace(f"{folder}/", "")


def english(text: str) -> list[str]:
    return ENGLISH.findall(NO_LANGUAGE.sub(" ", text))


PLAIN = ("--epochs", 2, "--preset", "none", "--hidden", "8")
FEW: list[tuple[Any, ...]] = [
    ("train", "@t.csv", "--target-column", "kind", *PLAIN, "--out", "@t", "--report", "--verbose"),
    ("train", "@numbers.csv", "--target-column", "y", *PLAIN, "--out", "@n"),
    ("evaluate", "@t", "@t.csv", "--part", "train"),
    ("predict", "@t", "@t.csv", "--interval", 0.9),
    ("predict", "@n", "@numbers.csv", "--interval", 0.9, "--explain", "--out", "@p.csv"),
    ("check", "@n", "@numbers.csv", "--out", "@check.html"),
    ("info", "@t"),
    ("lab",),
    ("data", "iris", "@iris.csv"),
]
MORE: list[tuple[Any, ...]] = [
    ("train", "@t.csv", "--target-column", "kind", "--epochs", 2, "--out", "@f", "--report"),
    ("train", "@t.csv", "--target-column", "kind", *PLAIN, "--out", "@costs", "--costs", "0,1,2/1,0,1/9,9,0"),
    ("train", "@t", "--resume"),
    ("tune", "@t.csv", "--target-column", "kind", "--epochs", 2, "--trials", 2, "--out", "@u"),
    ("evaluate", "@t", "@t.csv"),
    ("explain", "@n", "@numbers.csv", "--row", 3, "--out", "@why.html"),
    ("info",),
    ("export", "@n", "--c"),
    ("distill", "@f", "--epochs", 2),
    ("card", "@t"),
]
WRONG: list[tuple[Any, ...]] = [
    ("train", "@t.csv"),
    ("train", "@t.csv", "--target-column", "kid"),
    ("train", "@none.csv", "--target-column", "kind"),
    ("train", "@t.csv", "--target-column", "kind", "--out", "@t"),
    ("train", "@t.csv", "--target-column", "kind", "--hidden", "x"),
    ("tune", "@t", "--resume"),
    ("evaluate", "@t", "@t.csv", "--part", "some"),
    ("predict", "@t", "@none.csv"),
    ("predict", "@t", "@t.csv", "--spread", "--out", "@p.txt"),
    ("check", "@none", "@t.csv"),
    ("explain", "@n", "@numbers.csv"),
    ("info", "@none"),
    ("export", "@n"),
    ("lab", "weather"),
    ("data", "shuffle"),
]


BEGUN = [tuple([*each, "--overwrite"]) for each in FEW[:2]]
"""The runs that the others need."""


def left_in_english(folder: Path, commands: list[tuple[Any, ...]], code: int = 0) -> dict[Any, list[str]]:
    """What commands print in English, in their order: each needs the runs of those before it."""
    left = {}
    for arguments in commands:
        said = say(folder, *arguments, code=code)
        assert re.search("[一-龥]", said), arguments
        if found := english(said):
            left[arguments] = found
    return left


def test_what_a_subcommand_prints_is_chinese(folder: Path):
    assert left_in_english(folder, FEW) == {}
    assert left_in_english(folder, WRONG, code=2) == {}
    for page in ("t/report.html", "check.html"):
        assert english(TAGS.sub("\n", (folder / page).read_text("utf-8"))) == [], page


@pytest.mark.slow
def test_what_each_other_subcommand_prints_is_chinese(folder: Path):
    assert left_in_english(folder, [*BEGUN, *MORE]) == {}
    for page in ("f/report.html", "why.html"):
        assert english(TAGS.sub("\n", (folder / page).read_text("utf-8"))) == [], page


def test_a_variable_sets_the_language(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHAINRULE_LANG", "zh")
    assert "ACTION 必須是" in invoke(["data", "weather"]).stderr
    assert "ACTION must be" in invoke(["data", "weather", "--lang", "en"]).stderr
    refused = invoke(["data", "weather", "--lang", "xx"])
    assert refused.exit_code == 2 and "--lang must be en or zh, not 'xx'" in refused.stderr


def test_json_is_the_same_in_each_language(folder: Path):
    both = [
        json.loads(say(folder, "data", "iris", "@iris.csv", "--json", lang=each)) for each in ("en", "zh")
    ]
    assert both[0] == both[1]


def test_english_is_seen():
    assert english("警告：it is three words。chainrule train a b c") == ["it is three words"]
    assert english("在 t.csv 的 Random Forest 上") == []


# --- the list of messages


@cache
def written() -> tuple[set[str], list[str]]:
    """What the package's strings say, values as {}; and those of its warnings and of the command's errors."""
    known, needed = set[str](), list[str]()
    for path in PACKAGE.rglob("*.py"):
        if "words" in path.parts or "studio" in path.parts:
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp)) and (text := template(node)):
                known.add(text)
            call = node
            if isinstance(node, ast.Raise) and path.parent == PACKAGE / "cli":
                call = node.exc
            elif not (isinstance(node, ast.Call) and is_hint(node) and path.name not in OF_PYTHON):
                continue
            if isinstance(call, ast.Call) and call.args and (text := template(call.args[0])):
                needed.append(text)
    return known, needed


OF_PYTHON = ("numbers.py", "rows.py", "options.py", "read_source.py", "loop.py", "train.py")
"""The files with warnings of arguments that the command never passes."""


def is_hint(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr == "give"


def template(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = template(node.left), template(node.right)
        return None if parts[0] is None else parts[0] + (parts[1] or "")
    return "{}" if isinstance(node, ast.Call) else None


def test_every_message_in_the_list_is_one_of_the_package():
    assert [each for each in SAID if each not in written()[0]] == []


MOST_MISSING = 10
"""The most messages without Chinese: each is one that somebody reads in English."""


def test_nearly_every_warning_and_error_of_the_command_is_in_the_list():
    sentences = [each for each in written()[1] if re.search(r"[a-z]{2}", each.replace("{}", ""))]
    missing = [each for each in sentences if each not in SAID]
    assert len(sentences) > 60 and len(missing) <= MOST_MISSING, missing


def test_parts_of_a_message_are_translated():
    said = "the column 'y' of t.csv is read as numbers without their unit 'kg'."
    assert translated(said) == "t.csv 的欄位 'y' 以沒有單位 'kg' 的數字讀取。"
    assert translated("nobody knows this message") == "nobody knows this message"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["vanishing", "without-backprop", "universality", "optimizers", "regularization", "features"]
)
def test_an_experiment_is_reported_in_chinese(folder: Path, name: str):
    said = say(folder, "lab", name, "--budget", 0.01, "--repeats", 2, "--out", "@lab")
    page = TAGS.sub("\n", (folder / f"lab/{name}.html").read_text("utf-8"))
    assert english(said) == [] and english(page) == []
