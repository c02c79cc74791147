"""The verdict on a network of a table: sentence, headline and table of models say the same, on every surface."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.recipe.baselines import BaselineComparison, Compared
from chainrule.recipe.judge import Judgement
from chainrule.trust.notice import Notice, Notices
from chainrule.views import words
from chainrule.views.text.verdict import for_readers, headlines, in_short, verdict
from commands import invoke

MODELS = ("network", "constant", "linear", "boosting")
LOSSES = st.floats(0.01, 3.0, allow_nan=False)
SHARES = st.integers(0, 40).map(lambda hits: hits / 40)
TEXT = pytest.mark.filterwarnings("always:column 'remark' is free text")
LATER = Notice("time", ("day",), "r2", 0.9427, -0.452, 0.8)


def made(metrics: list[dict[str, float]]) -> tuple[Judgement, BaselineComparison]:
    """A judgement of 40 rows whose metrics are the network's, beside models with those that follow."""
    is_number = "rmse" in metrics[0]
    y = np.arange(40) % 2
    task = "regression" if is_number else "binary"
    shares = None if is_number else np.full((40, 2), 0.5)
    judgement = Judgement(
        *("test", task, metrics[0], [] if is_number else ["kept", "returned"]),
        *(y[:, None] * 1.0 if is_number else y, y[:, None] * 1.0 if is_number else y, shares),
        worst=np.arange(0),
    )
    models = tuple(Compared(name, each, 0.1) for name, each in zip(MODELS, metrics, strict=True))
    return judgement, BaselineComparison(models, tuple(metrics[0]), 160)


OF_CLASSES = st.lists(st.fixed_dictionaries({"accuracy": SHARES, "log_loss": LOSSES}), min_size=4, max_size=4)
OF_NUMBERS = st.lists(st.fixed_dictionaries({"rmse": LOSSES, "mae": LOSSES}), min_size=4, max_size=4)


@given(OF_CLASSES | OF_NUMBERS, st.sampled_from(words.LANGUAGES))
def test_a_headline_that_is_no_better_than_the_constant_is_never_called_best(
    metrics: list[dict[str, float]], language: str
):
    judgement, comparison = made(metrics)
    found, (network, constant) = comparison.verdict, metrics[:2]
    with words.spoken_in(language):
        shown = headlines(judgement, comparison)
        told = " ".join(in_short(judgement, comparison)), for_readers(judgement, comparison)[0]
        praise = [words.verdict.verdict(code, "linear", "", "", "")[:6] for code in ("best", "close")]
        better = words.verdict.is_right(*"||"), words.verdict.smaller_errors(*"||||")
        praise += [each.partition("|")[0] for each in better]
        assert shown[0].label == words.model.of_part("test", found.metric)
    is_better = {
        name: network[name] > constant[name] if name == "accuracy" else network[name] < constant[name]
        for name in ("accuracy", "rmse", "log_loss")
        if name in network
    }
    assert sorted(is_better.values()) == sorted(each.is_good for each in shown)
    if not all(is_better.values()):
        assert found.code not in ("best", "close")
        assert not any(each.startswith(tuple(praise)) for each in told)
    if found.code in ("best", "close"):
        assert found.network <= 1.01 * min(each[found.metric] for each in metrics)
        assert all(each.is_good for each in shown)


def test_probabilities_without_labels():
    """Better log loss, and labels that are right no more often than one label for all."""
    rows = [(0.7656, 0.48), (0.7812, 0.53), (0.77, 0.49), (0.7, 0.6)]
    judgement, comparison = made([{"accuracy": a, "log_loss": loss} for a, loss in rows])
    assert comparison.verdict.code == "labels"
    assert verdict(comparison.verdict, "fast") == (
        "The probabilities of this network are better than the same ones for every row: log loss 0.48; always the "
        "same: 0.53. But its labels are right no more often than always the same one: accuracy 76.56 %; always the "
        "same: 78.12 %."
    )
    first, second = headlines(judgement, comparison)
    assert (first.label, first.value, first.is_good) == ("test log loss", "0.48", True)
    assert (second.value, second.beside, second.is_good) == ("76.56 %", "always the same: 78.12 %", False)
    equal = made([{"accuracy": 0.7, "log_loss": loss} for _, loss in rows])[1].verdict
    assert equal.code == "labels"
    with words.spoken_in("zh"):
        assert "並不比永遠給同一個標籤更準：準確率 76.56 %" in verdict(comparison.verdict)


def test_the_honest_score_leads():
    judgement, comparison = made(
        [{"rmse": each, "r2": r2} for each, r2 in ((2, 0.94), (7, 0), (6, 0.1), (3, 0.9))]
    )
    notices = Notices((Notice("row_number", ("id",), "r2", 0.95, 0.9, 1.0), LATER))
    first, second = headlines(judgement, comparison, notices)
    assert (first.label, first.value, first.is_good) == ("R² of a small model on later rows", "-0.452", False)
    assert first.beside == "on rows drawn at random: 0.943" and second.value == "2"
    assert in_short(judgement, comparison, notices)[0] == (
        "The scores may be too good: R² of a small model on later rows is -0.452; on rows drawn at random: 0.943."
    )
    assert headlines(judgement, comparison)[0] == second


def test_the_class_that_is_not_recognized():
    judgement, comparison = made([{"accuracy": 0.9, "log_loss": each} for each in (0.2, 0.6, 0.3, 0.4)])
    assert len(in_short(judgement, comparison)) == 1
    missed = judgement._replace(predicted=np.where(np.arange(40) < 38, 0, 1))
    assert in_short(missed, comparison)[-1] == "Class 'returned' is recognized least: 1 of 20 (5.00 %)."


def test_what_a_reader_is_told_first():
    """How much better than one answer for all, how it stands, and where its errors are largest, worked by hand."""
    judgement, comparison = made([{"rmse": each} for each in (2.0, 8.0, 1.6, 3.0)])
    off = judgement._replace(predicted=np.where(judgement.y == 1, 3.0, 0.0))  # half of the rows by 2
    assert for_readers(off, comparison, Notices((LATER,)), "best") == [
        "The scores may be too good: R² of a small model on later rows is -0.452; on rows drawn at random: 0.943.",
        "Errors are 75.0 % smaller than with the same answer for every row: RMSE 2 and 8. The linear model is better "
        "here: RMSE 1.6; this network: 2.",
        "Errors are largest where predictions are 3 to 3: RMSE 2; of all rows 1.414.",
    ]
    worse = made([{"rmse": each} for each in (9.0, 8.0, 1.6, 3.0)])[1]
    assert for_readers(judgement, worse, None, "best") == [
        "The same answer for every row is no worse than this network: RMSE 8 and 9. The linear model is better here: "
        "RMSE 1.6; this network: 9."
    ]
    alone = judgement._replace(metrics={"rmse": 0.1})  # half are 0 and half 1: the mean is off by 0.5
    assert for_readers(alone, None) == [
        "Errors are 80.0 % smaller than with the same answer for every row: RMSE 0.1 and 0.5."
    ]


def test_what_a_reader_of_classes_is_told_first():
    judgement, comparison = made(
        [{"accuracy": a, "log_loss": loss} for a, loss in ((0.975, 0.2), (0.5, 0.7), (0.9, 0.3), (0.8, 0.4))]
    )
    missed = judgement._replace(predicted=np.where(np.arange(40) < 39, judgement.y, 0))
    right = "The predicted class is right in 97.50 % of cases; always the most frequent class, in 50.00 %."
    stands = "This network is the best of the four: log loss 0.2; next, linear model: 0.3."
    fails = "Class 'returned' is recognized least: 19 of 20 (95.00 %)."
    assert for_readers(missed, comparison) == [f"{right} {stands}", fails]
    assert for_readers(missed, None) == [right, fails]
    assert for_readers(missed._replace(metrics={"loss": 0.2}), None) == ["The test loss is 0.2.", fails]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A table with a column of text that says nothing to the network, trained with a report in Chinese."""
    at, rng = tmp_path_factory.mktemp("verdict"), np.random.default_rng(0)
    lines = [
        f"the customer {k} writes that order number {k * 7} came too late again,{price:.2f},{kind}"
        for k, (price, kind) in enumerate(
            zip(rng.lognormal(3, 1, 150), rng.choice(["a", "b"], 150), strict=True)
        )
    ]
    (at / "orders.csv").write_text("\n".join(["remark,price,kind", *lines]), "utf-8")
    options = ("--target-column", "kind", "--epochs", 2, "--preset", "none", "--report", "--lang", "zh")
    return at, invoke(["train", at / "orders.csv", "--out", at / "run", *options])


@TEXT
def test_what_the_fit_warned_of_is_in_the_report(run: tuple[Path, Any]):
    at, done = run
    assert done.exit_code == 0, done.output
    page = re.sub(
        r"<style>.*?</style>|<script.*?</script>|<[^>]*>", " ", (at / "run/report.html").read_text("utf-8")
    )
    page = unescape(re.sub("<style>.*?</style>", "", page, flags=re.S))
    assert "'remark'" in page.partition(words.model.NETWORK)[0]
    assert "remark" in (at / "run/metrics.json").read_text("utf-8")


@TEXT
def test_info_and_card_have_the_verdict_of_the_run(run: tuple[Path, Any]):
    at, _ = run
    said = " ".join(invoke(["info", at / "run"]).stdout.split())
    invoke(["card", at / "run", "--overwrite"])
    from chainrule.recipe.card import verdict_of

    found = verdict_of(at / "run")
    assert found is not None and verdict(found) in said
    assert verdict(found) in (at / "run/README.md").read_text("utf-8")
