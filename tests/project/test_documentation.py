"""What the documentation says is so: its Python runs and prints what it shows, its commands and links exist.

Blocks of Python in a page run in order, in one namespace, in an empty folder. A block of text straight beneath one is
what it prints; numbers agree to one unit of the last digit shown. `<!-- slow -->` above a block leaves it to the slow
test, which runs all of them. `<!-- needs NAME -->` above one leaves it out without that package or command.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import io
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chainrule import METHODS, lab
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.formulas.schedules import SCHEDULES, Constant
from chainrule.inspection.attribution import METHODS as ATTRIBUTIONS
from chainrule.inspection.derivation.derivation import Derivation
from chainrule.trained.persistence import LAYERS
from commands import group, invoke

ROOT = Path(__file__).parents[2]
README, CHINESE = ROOT / "README.md", ROOT / "README.zh-TW.md"
GUIDE, CHINESE_GUIDE = ROOT / "docs" / "guide.md", ROOT / "docs" / "guide.zh-TW.md"
TRANSLATED = [
    (README, CHINESE),
    *(
        (ROOT / "docs" / f"{name}.md", ROOT / "docs" / f"{name}.zh-TW.md")
        for name in ("guide", "index", "start", "teaching")
    ),
]
"""Pages in English and in Chinese."""
PAGES = (
    README,
    CHINESE,
    *(
        page
        for under in ("*.md", "gallery/*.md", "moving/*.md", "reference/*.md")
        for page in sorted((ROOT / "docs").glob(under))
    ),
)
NEEDS = re.compile(r"<!-- needs ([\w-]+) -->$")
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d*)?(?:e[-+]?\d+)?")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str
    is_slow: bool
    prints: str | None
    needs: str | None = None


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    found = list(FENCE.finditer(text))
    outputs: list[str | None] = [
        after[2] if after[1] == "text" and not text[block.end() : after.start()].strip() else None
        for block, after in pairwise(found)
    ]
    return [
        Block(
            page,
            text.count("\n", 0, block.start()) + 1,
            block[1],
            block[2],
            text[: block.start()].rstrip().endswith("<!-- slow -->"),
            output,
            needs[1] if (needs := NEEDS.search(text[: block.start()].rstrip())) else None,
        )
        for block, output in zip(found, [*outputs, None], strict=False)
    ]


def python_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "python"]


# A Chinese page has the English one's code, which prints the same: test_both_languages_have_the_same_code.
TRANSLATIONS = [chinese for _, chinese in TRANSLATED]
PYTHON_PAGES = [page for page in PAGES if page not in TRANSLATIONS and python_blocks(page)]
SLOW_PAGES = [page for page in PYTHON_PAGES if any(block.is_slow for block in python_blocks(page))]


# --- Python


def unit(shown: str) -> float:
    """One unit in the last digit of a number as it is shown; none for a whole number."""
    mantissa, _, exponent = shown.replace(",", "").partition("e")
    decimals = len(mantissa.partition(".")[2])
    return 10.0 ** (int(exponent or 0) - decimals) if decimals or exponent else 0.0


OTHER_PROCESSORS = 0.05
"""The relative error of what a page says of a whole training: the last bits of a sum differ between processors."""


def without_numbers(text: str) -> str:
    """The words of a text, in which a sign may take the place of a space, so that columns shift by one."""
    return NUMBER.sub("#", " ".join(text.split()))


def assert_prints(block: Block, printed: str, relative: float = 0.0) -> None:
    where = f"{name_of(block.page)}:{block.line}"
    expected = block.prints or ""
    assert without_numbers(expected) == without_numbers(printed), f"{where} prints\n{printed}"
    for shown, came in zip(NUMBER.findall(expected), NUMBER.findall(printed), strict=True):
        number = float(shown.replace(",", ""))
        difference = abs(number - float(came.replace(",", "")))
        assert difference <= max(1.001 * unit(shown), relative * abs(number)), (
            f"{where} prints {came} where it says {shown}:\n{printed}"
        )


def is_there(name: str) -> bool:
    """Whether a package is installed, or a command."""
    return find_spec(name) is not None or shutil.which(name) is not None


def run_page(page: Path, slow: bool) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for file in page.parent.glob("*.c"):  # which a page has its reader put into the folder
        shutil.copy(file, file.name)
    for block in python_blocks(page):
        if (block.is_slow and not slow) or (block.needs and not is_there(block.needs)):
            continue
        code = compile("\n" * block.line + block.code, str(page), "exec", dont_inherit=True)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            builtins.exec(code, namespace)
        if block.prints is not None:
            assert_prints(block, printed.getvalue())
        derived = [value for value in namespace.values() if isinstance(value, Derivation)]
        assert all(one.value for one in derived), f"{name_of(page)}:{block.line} proves that 0 = 0"


QUICK_PAGES = [README, GUIDE, *(ROOT / "docs" / f"{name}.md" for name in ("notation", "studio"))]
"""The pages that `make test` runs; the others take longer."""


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page in QUICK_PAGES else pytest.mark.slow, id=name_of(page))
        for page in PYTHON_PAGES
    ],
)
def test_python_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
):
    slow = f"test_slow_python_runs[{name_of(page)}]"
    if any(item.name == slow for item in request.session.items):
        pytest.skip("the slow test of this run takes these blocks too")
    monkeypatch.chdir(tmp_path)
    run_page(page, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW_PAGES, ids=name_of)
def test_slow_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run_page(page, slow=True)


@pytest.mark.parametrize(
    ("expected", "printed", "agree"),
    [
        ("a 0.12\n", "a  0.12", True),
        ("a 0.12", "a 0.13", True),
        ("a 0.12", "a 0.14", False),
        ("a 0.12", "b 0.12", False),
        ("1.4e-07", "1.5e-07", True),
        ("1.4e-07", "1.4e-06", False),
        ("1,437 rows", "1,438 rows", False),
        ("[0.5 -0.1]", "[0.5 0.1]", False),
    ],
)
def test_comparison_of_outputs(expected: str, printed: str, agree: bool):
    block = Block(README, 1, "python", "", False, expected)
    with contextlib.nullcontext() if agree else pytest.raises(AssertionError):
        assert_prints(block, printed)


# --- commands


def console_lines(page: Path) -> Iterator[str]:
    """Each command of a page: lines of blocks of shell, and inline code that begins with `chainrule `."""
    for block in blocks(page):
        if block.language == "sh":
            yield from block.code.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`(chainrule [^`]+)`", FENCE.sub("", page.read_text("utf-8")))


ACTIVATED = [["python3", "-m", "venv", ".venv"], [".", ".venv/bin/activate"]]
"""The commands that make an environment, and have the shell find its programs."""


def programs(line: str) -> list[list[str]]:
    """The words of each program of a line: those between && are several."""
    words = " ".join("\n" if word == "&&" else shlex.quote(word) for word in shlex.split(line, comments=True))
    return [shlex.split(part) for part in words.split("\n") if part.strip()]


def run_nothing(page: str, line: str) -> None:
    """Read commands as their programs do; raises where an option is unknown or of another type."""
    for program, *words in programs(line):
        read(page, program, words)


def read(page: str, program: str, words: list[str]) -> None:
    """Read one command."""
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        wanted = [word for word in words if "=" not in word]
        assert set(wanted) <= set(targets), f"{page}: no such target in make {words}"
    elif program == "chainrule":
        for name in words[0].split("|"):  # `chainrule train|evaluate` speaks of both
            command = group().commands[name]
            if words[1:] or "|" not in words[0]:
                command.make_context(name, words[1:])
    else:
        is_known = [program, *words] in ACTIVATED or [program, *words[:1]] == ["pip", "install"]
        assert is_known, f"{page}: what is {program} {words}?"


COMMANDS = {page: [line for line in console_lines(page) if line.strip()] for page in PAGES}


@pytest.mark.parametrize("page", [page for page, lines in COMMANDS.items() if lines], ids=name_of)
def test_commands_exist(page: Path):
    wrong = {}
    for line in COMMANDS[page]:
        try:
            run_nothing(name_of(page), line)
        except Exception as error:
            wrong[line] = repr(error)
    assert wrong == {}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("make tea", "no such target"),
        ("chainrule train a.csv --no-such-option", "no-such-option"),
        ("chainrule fly", "fly"),
        ("rm -r a", "what is rm"),
        (". .venv/bin/activate && make tea", "no such target"),
    ],
)
def test_a_command_that_is_wrong_is_seen(line: str, says: str):
    with pytest.raises(Exception, match=says):
        run_nothing("README.md", line)


START = [page for pages in TRANSLATED[:1] + TRANSLATED[3:] for page in pages] + [
    ROOT / "docs" / "teaching.md"
]
"""The pages that are read first, whose commands run in their order on a new machine."""
OWN = re.compile(r"# .*(?:\bown\b|自己的)")


@pytest.mark.parametrize("page", START, ids=name_of)
def test_a_page_makes_what_a_command_needs_before_it(page: Path):
    """An environment, the package with the extras of a subcommand, and each file and run but the reader's own."""
    extras, made = {"studio": "studio", "tune": "tune", "serve": "serve"}, {"mnist"}
    is_active, installed = False, ""
    for line in [
        line for block in blocks(page) if block.language == "sh" for line in block.code.splitlines()
    ]:
        for program, *words in programs(line):
            is_active |= [program, *words] == ACTIVATED[1]
            assert program not in ("pip", "chainrule") or is_active, f"{line} before the environment"
            installed += " ".join(words) if program == "pip" else ""
            if program != "chainrule" or OWN.search(line):
                continue
            command, given = words[0], [word for word in words[1:] if re.search(r"[./]", word)]
            assert "." in installed and extras.get(command, "") in installed, f"{line} before pip installs it"
            if command == "data":
                given = [f"{words[1]}.csv"]
            out = (
                given
                if command == "data"
                else words[words.index("--out") + 1 :][:1]
                if "--out" in words
                else []
            )
            assert set(given) - set(out) <= made, f"{line} before there is {given}"
            made |= set(out)


def test_no_page_installs_a_release_that_there_is_not():
    """A clone is what a reader has: a name that no package index knows would be one that anybody may take."""
    pages = [*PAGES, *(ROOT / f"{name}.md" for name in ("CONTRIBUTING", "RELEASING", "CHANGELOG"))]
    by_name = re.compile(r"""install [^\n`]*\bchainrule(?:\[[\w,]+\])?(?=['"\s`])""")
    assert by_name.search("pip install 'chainrule[studio]'") and by_name.search("`uv pip install chainrule`")
    found = {name_of(page): by_name.findall(page.read_text("utf-8")) for page in pages}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_every_extra_that_is_named_is_there():
    """In pages, of a clone; in errors, which an installed package prints, so that pip finds its name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    sources = sorted((ROOT / "src" / "chainrule").rglob("*.py"))
    named = [
        (name_of(path), extra)
        for path in [*PAGES, *sources]
        for extras in re.findall(r"(?:'\.|'/clone|\bchainrule)\[([\w,]+)\]", path.read_text("utf-8"))
        for extra in extras.split(",")
    ]
    assert len(named) > 30
    assert [one for one in named if one[1] not in project["optional-dependencies"]] == []


@pytest.mark.slow
def test_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Those of the blocks, in order, in one folder that has a picture of a digit and a table."""
    from PIL import Image

    from chainrule.datasets import load_mnist

    monkeypatch.chdir(tmp_path)
    Image.fromarray(255 - load_mnist()[1].images[0]).resize((280, 280)).save("digit.png")
    for page in (README, GUIDE, ROOT / "docs" / "start.md"):
        for block in blocks(page):
            printed = ""
            for line in block.code.replace("\\\n", " ").splitlines() if block.language == "sh" else ():
                for program, *words in programs(line):
                    # The studio serves until Ctrl-C: tests/cli/test_studio.py.
                    if program == "chainrule" and words[0] != "studio":
                        again = ["--overwrite"] if words[0] == "train" and "--resume" not in words else []
                        result = invoke([*words, *again])
                        assert result.exit_code == 0, f"{line}\n{result.output}"
                        printed += result.output
            if printed and block.prints is not None:  # some lines of it
                lines, height = printed.splitlines(), block.prints.count("\n")
                parts = ["\n".join(lines[first : first + height]) for first in range(len(lines))]
                shown = [part for part in parts if without_numbers(part) == without_numbers(block.prints)]
                assert_prints(block, (shown or [printed])[0], OTHER_PROCESSORS)


def test_readme_begins_with_the_installation_and_an_example():
    for page in (README, CHINESE):
        first, second = blocks(page)[:2]
        found = [words for line in first.code.splitlines() for words in programs(line)]
        train = ["chainrule", "train", "mnist", "--report", "--out", "runs/mnist"]
        commands = [*ACTIVATED, ["pip", "install", ".[studio,tune]"], train]
        assert (first.language, found) == ("sh", commands)
        lines = [line for line in second.code.splitlines() if line.strip()]
        assert second.language == "python" and len(lines) <= 8 and not second.is_slow
        assert "make test" in [block.code.strip() for block in blocks(page) if block.language == "sh"]


@pytest.mark.parametrize("page", [README, CHINESE], ids=name_of)
def test_readme_counts_right(page: Path):
    """How many methods, attributions and experiments there are, in words."""
    words = {
        README: ("six methods", "nine methods", "six experiments"),
        CHINESE: ("六種方法", "九種方法", "六個實驗"),
    }
    assert len(ATTRIBUTIONS) == 6 and len(lab.LABS) == 6
    assert len(set(METHODS) - {"backpropagation", "none"}) == 9
    text = page.read_text("utf-8")
    assert all(word in text for word in words[page])


@pytest.mark.parametrize("page", [CHINESE, CHINESE_GUIDE], ids=name_of)
def test_chinese_has_a_line_a_paragraph(page: Path):
    """GitHub shows a line break as a space, which Chinese has none of."""
    lines = [line for line in FENCE.sub("\n", page.read_text("utf-8")).splitlines() if line.strip()]
    han = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
    broken = [
        line
        for before, line in pairwise(FENCE.sub("\n", page.read_text("utf-8")).splitlines())
        if han.search(before[-1:]) and han.match(line)
    ]
    assert lines and broken == []


@pytest.mark.parametrize("page", [CHINESE, CHINESE_GUIDE], ids=name_of)
def test_chinese_is_written_as_in_taiwan(page: Path):
    text = page.read_text("utf-8")
    forbidden = (
        "數據",
        "網絡",
        "默認",
        "回歸",
        "鏈式法則",
        "鏈鎖法則",
        "優化器",
        "登記",
        "多類分類",
        "任何函數",
        " to ",
    )
    prose = FENCE.sub("", text)
    assert [word for word in forbidden if word in prose] == []
    assert page != CHINESE or "連鎖律（chain rule）" in prose
    # Bold that ends with a punctuation mark before a letter is none: GitHub shows the asterisks.
    assert re.findall(r"\*\*[^*]+[。，、；：）」]\*\*(?=\w)", prose) == []


@pytest.mark.parametrize("page", [README, CHINESE], ids=name_of)
def test_pictures_have_a_light_and_a_dark_form(page: Path):
    text = page.read_text("utf-8")
    dark = re.findall(r'<source media="\(prefers-color-scheme: dark\)" srcset="(\S+?)">', text)
    light = re.findall(r'<img src="(\S+?)" width="\d+" alt="[^"]{20,}">', text)
    assert len(light) == len(dark) == text.count("<picture>") >= 2
    assert [path.replace("-light.", "-dark.") for path in light] == dark
    assert all((page.parent / path).is_file() for path in dark)


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_the_moving_picture_moves_and_is_small(ground: str):
    from PIL import Image

    path = ROOT / "docs" / "images" / f"training-{ground}.gif"
    with Image.open(path) as picture:
        assert picture.n_frames >= 20 and picture.info["loop"] == 0
    assert path.stat().st_size < 1_200_000


def test_pictures_ask_for_nothing():
    """What GitHub shows through <img> may load nothing; a reader's editor might."""
    for path in (ROOT / "docs" / "images").glob("*.svg"):
        text = path.read_text("utf-8")
        assert not re.search(r"url\((?!#)|<script|@import|href=\"http", text), path.name


# --- what is said, in both languages


def without_comments(block: Block) -> str:
    if block.language == "python":
        return ast.dump(ast.parse(block.code))
    if block.language == "sh":
        lines = [shlex.split(line, comments=True) for line in block.code.splitlines()]
        return repr([line for line in lines if line])
    return ""


@pytest.mark.parametrize("pages", TRANSLATED, ids=["README", "guide", "index", "start", "teaching"])
def test_both_languages_have_the_same_code(pages: tuple[Path, Path]):
    english, chinese = (
        [
            (block.language, block.is_slow, block.needs, block.prints, without_comments(block))
            for block in blocks(page)
            if block.language != "{toctree}"  # the menu of all pages stands in the English front page
        ]
        for page in pages
    )
    assert english == chinese


@pytest.mark.parametrize("pages", TRANSLATED, ids=["README", "guide", "index", "start", "teaching"])
def test_both_languages_have_the_same_parts(pages: tuple[Path, Path]):
    def parts(page: Path) -> dict[str, list[str]]:
        text = FENCE.sub("", page.read_text("utf-8"))
        return {
            "headings": re.findall(r"^#+(?= )", text, re.MULTILINE),
            "code": sorted(re.findall(r"`([^`\n]+)`", text)),
            "links": [
                link.partition("#")[0].replace(".zh-TW", "")  # a Chinese page leads to Chinese ones
                for link in re.findall(r"\]\((\S+?)\)", text)
            ],
            "marks": re.findall(r"<!-- .+? -->", text),
            "numbers": re.findall(r"\d+(?:\.\d+)? ?%", text),
        }

    assert parts(pages[0]) == parts(pages[1])


@pytest.mark.parametrize("page", [GUIDE, CHINESE_GUIDE], ids=name_of)
def test_the_guide_lists_what_there_is(page: Path):
    listed = set(re.findall(r"`(\w+)`", page.read_text("utf-8")))
    registries = (LAYERS, ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES)
    classes = {kind.__name__ for registry in registries for kind in registry.values()}
    assert classes - {Constant.__name__} - listed == set()


def test_every_experiment_of_the_laboratory_has_a_picture():
    from chainrule.lab import LABS

    sections = re.split(r"^## ", (ROOT / "docs" / "laboratory.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    shown = {section.split("\n")[0]: re.findall(r"!\[[^\]]{20,}\]\((\S+)\)", section) for section in sections}
    assert shown == {name: [f"images/lab-{name}.png"] for name in LABS}


def test_every_experiment_of_the_laboratory_has_a_page_to_play_with(monkeypatch):
    """The page of pages to play with leads to each report that the site's builder writes."""
    from chainrule.lab import LABS

    monkeypatch.syspath_prepend(ROOT / "docs")
    text = (ROOT / "docs" / "playground.md").read_text("utf-8")
    led_to = re.findall(r'href="pages/lab-([\w-]+)\.html"', text)
    assert led_to == list(LABS) == list(importlib.import_module("build_site").REPORTS)


def links(page: Path) -> list[str]:
    """The places in this project that a page links to."""
    found = re.findall(r"\]\((\S+?)\)|src=\"(\S+?)\"", FENCE.sub("", page.read_text("utf-8")))
    return [link for pair in found for link in pair if link and "://" not in link]


@cache
def anchors(page: Path) -> set[str]:
    """What may stand behind # in a link to a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


LINKING = [page for page in (*PAGES, ROOT / "CONTRIBUTING.md") if links(page)]


@pytest.mark.parametrize("page", LINKING, ids=name_of)
def test_links_lead_somewhere(page: Path):
    assert [link for link in links(page) if not leads_somewhere(page, link)] == []


def test_a_link_that_leads_nowhere_is_seen():
    assert sum(len(links(page)) for page in LINKING) > 300
    assert leads_somewhere(README, "docs/guide.md") and leads_somewhere(README, "CONTRIBUTING.md#tests")
    assert not leads_somewhere(README, "docs/none.md") and not leads_somewhere(README, "CONTRIBUTING.md#none")
