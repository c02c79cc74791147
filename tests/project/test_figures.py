"""The figures that a page takes from another: each is what the other says now, rounded.

Pages that `make bench` and `make bench-tables` write change with a run, and those that cite them do not by themselves.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from page import TRAINING
from results import Results
from speed import geometric_mean
from verdicts import Comparison, compared

ROOT = Path(__file__).parents[2]
QUESTIONS = "docs/questions.md"
SPEED, TABLES, AUTOML = "docs/benchmarks.md", "docs/tables.md", "docs/automl.md"
ESTIMATORS, FEW_ROWS = "docs/estimators.md", "benchmarks/notes/few_rows.md"
GUIDE, PYTORCH = "docs/guide.md", "docs/moving/pytorch.md"
NUMBER = r"(\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)"
MEAN = r"training against {}, 2 threads, geometric mean \| [\d.]+ \| #"
LARGE = "784-2500-2000-1500-1000-500-10"
RATIO = r"(?s) Training, 2 threads\n(?:(?! Training, ).)*?\n\| {}, batch \d+ \| (?:[^|]* \| ){{3}}# \|"
SECONDS = r"\n\| {} \| {} \| [\d.]+ \| \d+ \| # \|"
BEST_OF_FEW = r"\n- \*\*200 rows, `preset=.best.`\*\* [^\n]*20 tables"
AUTOGLUON = r"\n\| AutoGluon best \| 20 \| {} \| {} \| [\d.]+ \| {} \| {} \|"
ANY = r"[\d.]+"
FEW = r"\n- \*\*{} rows\*\*: .*The geometric mean is #:"


# A page, its words with # for the figure; the page that has it, a pattern with # for the number.
# Line breaks count as spaces in the words.
FIGURES: list[tuple[str, str, str, str]] = [
    (QUESTIONS, "training is # times as fast in the geometric mean", SPEED, MEAN.format("PyTorch")),
    (QUESTIONS, "For 8-32-32-1 it is # times", SPEED, RATIO.format("8-32-32-1")),
    (QUESTIONS, f"for {LARGE} it is # times", SPEED, RATIO.format(LARGE)),
    (QUESTIONS, "Of # comparisons", SPEED, r"any cell \| at least 1.0 \| [\d.]+; 1 of # cells"),
    (QUESTIONS, "boosted trees take # of its time", TABLES, SECONDS.format("HistGradientBoosting", 20)),
    (QUESTIONS, "of its time, and CatBoost # times", TABLES, SECONDS.format("CatBoost", 18)),
    (QUESTIONS, "best preset on # and than", AUTOML, AUTOGLUON.format(ANY, "#", ANY, ANY)),
    (QUESTIONS, "its default on #. In", AUTOML, r"\n\| AutoGluon \| 20 \| [\d.]+ \| # \|"),
    (QUESTIONS, "best preset is # times", AUTOML, AUTOGLUON.format("#", ANY, ANY, ANY)),
    (QUESTIONS, "of one row takes # times", AUTOML, AUTOGLUON.format(ANY, ANY, "#", ANY)),
    (QUESTIONS, "files are # times as large", AUTOML, AUTOGLUON.format(ANY, ANY, ANY, "#")),
    ("README.zh-TW.md", "有 # 張優於 AutoGluon", AUTOML, AUTOGLUON.format(ANY, "#", ANY, ANY)),
    ("README.md", "best preset on [# of 20 open", AUTOML, AUTOGLUON.format(ANY, "#", ANY, ANY)),
    (QUESTIONS, "# % of the test images after four", GUIDE, r"\| plain, 784-256-10 .* # % \("),
    (QUESTIONS, "784-256-10, # % with regularization", GUIDE, r"\| regularized .* # % \("),
    (QUESTIONS, "# % with augmented images", GUIDE, r"\| augmented .* # % \("),
    (QUESTIONS, "Tables of 2 to # rows", ESTIMATORS, "With 2 to # rows the default is an ensemble"),
    (QUESTIONS, "its loss is # with 50 rows", FEW_ROWS, FEW.format(50)),
    (QUESTIONS, "with 50 rows and # with 200 rows", FEW_ROWS, FEW.format(200)),
    (QUESTIONS, "in 20 seconds has #, over", FEW_ROWS, BEST_OF_FEW + ": #, where"),
    (
        QUESTIONS,
        "on which the default has #. [",
        FEW_ROWS,
        BEST_OF_FEW + r": [\d.]+, where the default has # \(",
    ),
    (
        QUESTIONS,
        "gradient of the first layer is # of",
        "docs/laboratory.md",
        r"gradient is # of the last layer's",
    ),
    (PYTORCH, "training is # times as fast", SPEED, MEAN.format("PyTorch")),
    (PYTORCH, "smaller the difference: # times", SPEED, RATIO.format("8-32-32-1")),
    (PYTORCH, f"# times for {LARGE}", SPEED, RATIO.format(LARGE)),
    ("docs/moving/scikit_learn.md", "Training is # times as fast", SPEED, MEAN.format("scikit-learn")),
    *(
        (page, f"# × {peer}", SPEED, MEAN.format(peer))
        for page in ("README.md", "README.zh-TW.md")
        for peer in ("PyTorch", "scikit-learn")
    ),
]


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
    ("page", "words", "source", "pattern"), FIGURES, ids=[f"{page}: {words}" for page, words, *_ in FIGURES]
)
def test_a_figure_is_that_of_the_page_behind_it(page: str, words: str, source: str, pattern: str):
    measured = number(pattern, text_of(source)).replace(",", "")
    assert_rounds(float(measured), cited(page, words))


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
