"""The figures that a page takes from another: each is what the other says now, rounded.

Pages that `make bench` and `make bench-tables` write change with a run, and those that cite them do not by themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from page import TRAINING
from results import Results
from speed import geometric_mean
from verdicts import Comparison, compared

from chainrule.race import fit_lookup

ROOT = Path(__file__).parents[2]
QUESTIONS = "docs/questions.md"
NUMBER = r"(\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)"
MEAN = r"training against {}, 2 threads, geometric mean \| [\d.]+ \| #"
LARGE = "784-2500-2000-1500-1000-500-10"
RATIO = r"(?s) Training, 2 threads\n(?:(?! Training, ).)*?\n\| {}, batch \d+ \| (?:[^|]* \| ){{4}}# \|"
SECONDS = r"\n\| {} \| {} \| [\d.]+ \| \d+ \| # \|"
SMALLER = r"\n\| {} \| {} \| [\d.]+ \| # \|"
BEST_OF_FEW = r"\n- \*\*200 rows, `preset=.best.`\*\* [^\n]*20 tables"
AUTOGLUON = r"\n\| AutoGluon best \| 20 \| {} \| {} \| [\d.]+ \| {} \| {} \|"
ANY = r"[\d.]+"
FEW = r"\n- \*\*{} rows\*\*: .*The geometric mean is #:"


def same(value: float) -> float:
    return value


# A page, its words with # for the figure; the page that has it, a pattern with # for the number; how one follows from
# the other. Line breaks count as spaces in the words.
FIGURES: list[tuple[str, str, str, str, Callable[[float], float]]] = [
    (
        QUESTIONS,
        "training is # times as fast in the geometric mean",
        "docs/benchmarks.md",
        MEAN.format("PyTorch"),
        same,
    ),
    (QUESTIONS, "For 8-32-32-1 it is # times", "docs/benchmarks.md", RATIO.format("8-32-32-1"), same),
    (QUESTIONS, f"for {LARGE} it is # times", "docs/benchmarks.md", RATIO.format(LARGE), same),
    (
        QUESTIONS,
        "Of # comparisons",
        "docs/benchmarks.md",
        r"any cell \| at least 1.0 \| [\d.]+; 1 of # cells",
        same,
    ),
    (
        QUESTIONS,
        "one is lost, by # %",
        "docs/benchmarks.md",
        r"any cell \| at least 1.0 \| #; 1 of",
        lambda r: 100 * (1 - r),
    ),
    (
        QUESTIONS,
        "boosted trees on #, and",
        "docs/tables.md",
        SMALLER.format("HistGradientBoosting", 20),
        lambda n: 20 - n,
    ),
    (
        QUESTIONS,
        "than CatBoost on # of 18",
        "docs/tables.md",
        SMALLER.format("CatBoost", 18),
        lambda n: 18 - n,
    ),
    (
        QUESTIONS,
        "boosted trees take # of its time",
        "docs/tables.md",
        SECONDS.format("HistGradientBoosting", 20),
        same,
    ),
    (QUESTIONS, "of its time, and CatBoost # times", "docs/tables.md", SECONDS.format("CatBoost", 18), same),
    (QUESTIONS, "best preset on # and than", "docs/automl.md", AUTOGLUON.format(ANY, "#", ANY, ANY), same),
    (QUESTIONS, "its default on #. In", "docs/automl.md", r"\n\| AutoGluon \| 20 \| [\d.]+ \| # \|", same),
    (QUESTIONS, "best preset is # times", "docs/automl.md", AUTOGLUON.format("#", ANY, ANY, ANY), same),
    (QUESTIONS, "of one row takes # times", "docs/automl.md", AUTOGLUON.format(ANY, ANY, "#", ANY), same),
    (QUESTIONS, "files are # times as large", "docs/automl.md", AUTOGLUON.format(ANY, ANY, ANY, "#"), same),
    (
        "README.zh-TW.md",
        "有 # 張優於 AutoGluon",
        "docs/automl.md",
        AUTOGLUON.format(ANY, "#", ANY, ANY),
        same,
    ),
    (
        "README.md",
        "best preset on [# of 20 open",
        "docs/automl.md",
        AUTOGLUON.format(ANY, "#", ANY, ANY),
        same,
    ),
    (
        QUESTIONS,
        "# % of the test images after four",
        "docs/guide.md",
        r"\| plain, 784-256-10 .* # % \(",
        same,
    ),
    (QUESTIONS, "784-256-10, # % with regularization", "docs/guide.md", r"\| regularized .* # % \(", same),
    (QUESTIONS, "# % with augmented images", "docs/guide.md", r"\| augmented .* # % \(", same),
    (
        QUESTIONS,
        "Tables of 2 to # rows",
        "docs/estimators.md",
        "With 2 to # rows the default is an ensemble",
        same,
    ),
    (QUESTIONS, "its loss is # with 50 rows", "docs/estimators.md", FEW.format(50), same),
    (QUESTIONS, "with 50 rows and # with 200 rows", "docs/estimators.md", FEW.format(200), same),
    (QUESTIONS, "in 20 seconds has #, over", "docs/estimators.md", BEST_OF_FEW + ": #, where", same),
    (
        QUESTIONS,
        "on which the default has #. [",
        "docs/estimators.md",
        BEST_OF_FEW + r": [\d.]+, where the default has # \(",
        same,
    ),
    (
        QUESTIONS,
        "gradient of the first layer is # of",
        "docs/laboratory.md",
        r"gradient is # of the last layer's",
        same,
    ),
    (
        "docs/moving/pytorch.md",
        "training is # times as fast",
        "docs/benchmarks.md",
        MEAN.format("PyTorch"),
        same,
    ),
    (
        "docs/moving/pytorch.md",
        "smaller the difference: # times",
        "docs/benchmarks.md",
        RATIO.format("8-32-32-1"),
        same,
    ),
    ("docs/moving/pytorch.md", f"# times for {LARGE}", "docs/benchmarks.md", RATIO.format(LARGE), same),
    (
        "docs/moving/scikit_learn.md",
        "Training is # times as fast",
        "docs/benchmarks.md",
        MEAN.format("scikit-learn"),
        same,
    ),
    *(
        (page, f"# × {peer}", "docs/benchmarks.md", MEAN.format(peer), same)
        for page in ("README.md", "README.zh-TW.md")
        for peer in ("PyTorch", "scikit-learn")
    ),
]
BEFORE_LOOKUP = {
    "weather": 1.2629,
    "storms": 2.5086,
    "phoneme": 0.21398,
    "nlswork": 0.31115,
    "randhie": 3.6841,
    "nassCDS": 0.12208,
    "Bikeshare": 27.508,
}
"""The loss of "best" in 60 s on one split without similar training rows, and without the recipe "free": cells of
benchmarks/results/automl.jsonl."""
NOT_MEASURED = {"3.11", "3.0", "2.0"}
"""Versions of Python and of licences."""


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def number(pattern: str, text: str) -> str:
    """The number at the # of a pattern, which must be found once or more, each time the same."""
    found = set(re.findall(pattern.replace("#", NUMBER), text))
    assert len(found) == 1, (pattern, found)
    return found.pop()


def cited(page: str, words: str) -> str:
    pattern = re.escape(words).replace(r"\#", "#").replace(r"\ ", r"\s+")
    return number(rf"(?<![\d.]){pattern}" if words.startswith("#") else pattern, text_of(page))


def unit(shown: str) -> float:
    """One unit of a number's last digit."""
    digits, _, power = shown.replace(",", "").partition("e")
    return 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def assert_rounds(measured: float, shown: str) -> None:
    assert abs(measured - float(shown.replace(",", ""))) <= 0.5001 * unit(shown), f"{measured} is not {shown}"


@pytest.mark.parametrize(
    ("page", "words", "source", "pattern", "follows"),
    FIGURES,
    ids=[f"{page}: {words}" for page, words, *_ in FIGURES],
)
def test_a_figure_is_that_of_the_page_behind_it(
    page: str, words: str, source: str, pattern: str, follows: Callable[[float], float]
):
    said = number(pattern, text_of(source)).replace(",", "")
    assert_rounds(follows(float(said)), cited(page, words))


def test_no_figure_among_the_questions_is_left_out():
    """Of those with a decimal point; a new one is given its page above."""
    prose = re.sub(r"\]\([^)]*\)|`[^`]*`", "", text_of(QUESTIONS))
    shown = set(re.findall(r"(?<![\w.-])\d+\.\d+(?:e-?\d+)?(?![\w.-]*\d)", prose)) - NOT_MEASURED
    assert shown == {
        f for page, words, *_ in FIGURES if page == QUESTIONS and "." in (f := cited(page, words))
    }


@pytest.mark.parametrize("table", BEFORE_LOOKUP)
def test_what_similar_rows_do_to_a_loss_is_measured(table: str):
    cells = map(json.loads, (ROOT / "benchmarks/results/automl.jsonl").read_text("utf-8").splitlines()[1:])
    losses = [
        cell["found"].get("log_loss", cell["found"].get("rmse"))
        for cell in cells
        if (cell.get("table"), cell.get("who")) == (table, "best")
    ]
    assert BEFORE_LOOKUP[table] in losses[:-1]
    smaller = 100 * (1 - smaller_loss(table) / BEFORE_LOOKUP[table])
    assert_rounds(
        smaller,
        cited("docs/estimators.md", f"# % smaller on {table}" if table == "weather" else f"# % on {table}"),
    )


def smaller_loss(table: str) -> float:
    """That of "best" as it is."""
    losses = text_of("docs/automl.md").partition("## Log loss, or RMSE")[2].partition("## Seconds")[0]
    return float(number(rf"\n\| {table} \| \**#\** \|", losses))


def test_the_changelog_has_the_smallest_and_the_largest_of_them():
    smaller = [100 * (1 - smaller_loss(table) / before) for table, before in BEFORE_LOOKUP.items()]
    assert_rounds(min(smaller), cited("CHANGELOG.md", "and nlswork its loss is # to"))
    assert_rounds(max(smaller), cited("CHANGELOG.md", "to # % smaller. `lookup=False`"))


def test_a_lookup_keeps_as_many_rows_as_the_page_says():
    shown = cited("docs/estimators.md", "has them, up to # training rows")
    assert int(shown.replace(",", "")) == fit_lookup.MOST_KEPT


@pytest.fixture(scope="module")
def comparisons() -> dict[str, Comparison]:
    """What docs/benchmarks.md is written from, of two threads."""
    newest = Results.newest()
    assert newest is not None
    return dict(compared(newest, TRAINING, 2))


JAX = ("jax-step", "jax-scan")


def test_the_mean_against_jax_is_that_of_the_results(comparisons: dict[str, Comparison]):
    mean = geometric_mean(min(one.ratio(peer) for peer in JAX) for one in comparisons.values())
    for page in ("README.md", "README.zh-TW.md"):
        assert_rounds(mean, cited(page, "# × JAX"))


@pytest.mark.parametrize("page", ["README.md", "README.zh-TW.md"])
def test_the_rates_are_those_of_the_results(comparisons: dict[str, Comparison], page: str):
    rows = re.findall(
        r"\n\| (\d+-[\d-]+)[^|\d]+(\d+) \| \*\*(.+)\*\* \| (.+) \| (.+) \| (.+) \|", text_of(page)
    )
    assert len(rows) == 5
    for widths, batch, *shown in rows:
        rates = comparisons[f"train: {widths}, batch {batch}"].rates
        for peers, figure in zip(
            (("chainrule",), ("sklearn",), ("torch", "torch-compile"), JAX), shown, strict=True
        ):
            assert_rounds(max(rates[peer] for peer in peers if peer in rates) / 1000, figure)
