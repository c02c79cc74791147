"""Single sentences of both languages, as people read them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from chainrule.views import words
from chainrule.views.markup import table
from chainrule.views.report.sections import errors_of
from chainrule.views.words.facts import alike, decimals, metrics_alike, set_off


@pytest.mark.parametrize(
    ("name", "within"), [("F1 分數", " F1 分數"), ("準確率", "準確率"), ("AUC", " AUC "), ("R²", " R² ")]
)
def test_a_name_is_set_off_where_it_is_not_chinese(name: str, within: str):
    assert set_off(name) == within


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([738.3761, 97.1, 1106.61204], ["738.38", "97.10", "1106.61"]),
        ([41.27, 12345.6, 900.0], ["41.27", "12,345.60", "900.00"]),
        ([0.0123456, 0.5, 0.03], ["0.012346", "0.500000", "0.030000"]),
        ([212932.4, 15181.2], ["212,932", "15,181"]),
        ([-0.0001, 5.0, -3.5], ["-0.0001", "5.0000", "-3.5000"]),
        ([-1e-9, 5.0, 0.0], ["0.0000", "5.0000", "0.0000"]),
        ([float("inf"), 2.5, float("nan")], ["inf", "2.5000", "nan"]),
        ([1e-7, 5.0, 2e6], ["1e-07", "5", "2e+06"]),
        ([1.5e15, 2e15], ["1.5e+15", "2e+15"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_have_equal_decimals(numbers: list[float], said: list[str]):
    assert alike(numbers, decimals(numbers)) == said


def test_names_in_chinese_sentences():
    with words.spoken_in("zh"):
        assert words.reasons.of_rows("churn 為 yes 的機率") == "哪些因素影響 churn 為 yes 的機率"
        assert words.reasons.of_rows("答案") == "哪些因素影響答案"
        assert words.tables.over_thresholds("f1") == "各門檻的 F1 分數"
        assert words.tables.decision("0.3", "f1", "0.2 到 0.4", 90).endswith("此時 F1 分數最高。")
        assert words.tables.on_judged_rows("f1", "0.8", "0.7", 9).startswith(
            "在 9 列測試資料上，F1 分數為 0.8；"
        )


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (
            "Validation score did not improve for 20 consecutive epochs",
            "提前停止：驗證分數連續 20 個週期沒有進步。",
        ),
        (
            "Training loss did not improve more than tol=0.0001 for 10 consecutive epochs",
            "提前停止：訓練損失連續 10 個週期的下降都不超過 tol=0.0001。",
        ),
        ("val_loss has not improved since epoch 7", "提前停止：val_loss 從第 7 個週期起沒有進步。"),
        ("the time limit of 2.5 s is over", "提前停止：2.5 秒的時間上限已到。"),
        ("a callback's own reason", "提前停止：a callback's own reason。"),
    ],
)
def test_why_training_stopped_in_chinese(reason: str, said: str):
    with words.spoken_in("zh"):
        assert words.model.stopped(reason) == said


def test_the_numbers_of_a_story_add_up():
    """All have the decimals with which the largest effect has four digits; what would be 0 so has a digit."""
    said = words.reasons
    assert said.amount("number", 212932.05, 0) == "212,932" and said.change("number", -15181.2, 0) == "15,181"
    assert said.amount("number", 738.3761, 1) == "738.4" and said.amount("number", 791.0, 1) == "791.0"
    assert [said.change("number", each, 1) for each in (-193.5677, 8.4, 0.0123)] == ["193.6", "8.4", "0.01"]
    assert said.amount("probability", 0.73219, 2) == "73.22 %"
    assert [said.change("probability", each, 2) for each in (0.123, -0.00004)] == [
        "12.30 points",
        "0.004 points",
    ]
    assert said.adds_up(0.0) == "The effects add up to the whole difference."
    assert said.adds_up(1e-13) == "The effects add up to the whole difference (off by 1e-13)."
    with words.spoken_in("zh"):
        assert words.reasons.change("probability", 0.123, 2) == "12.30 個百分點"
        assert words.reasons.adds_up(0.0) == "各個影響加起來就是全部的差別。"


@pytest.mark.parametrize(
    ("language", "many", "one"), [("en", "Each point", "The point"), ("zh", "每一點", "只有一點")]
)
def test_a_diagram_of_few_rows_has_one_point(language: str, many: str, one: str):
    with words.spoken_in(language):
        of_many = words.tables.calibration("yes", 1000, 10, 90, 1, "1.46 %", "1.30 %")
        of_few = words.tables.calibration("yes", 13, 1, 90, 0, "1.40 %", "9.59 %")
    assert many in of_many and one in of_few and "13" in of_few and "1.40 %" in of_few


def test_one_start_is_no_starts():
    assert "best of 1 start, by" in words.lab_universality.caption(1)
    assert "best of 3 starts, by" in words.lab_universality.caption(3)


def test_a_page_says_what_is_predicted():
    assert words.model.judged_on(81, 951, "test") == (
        "A fully connected network of 81 parameters, evaluated on 951 test samples."
    )
    assert "81 parameters to predict cost, evaluated" in words.model.judged_on(81, 951, "test", "cost")
    assert words.model.judged_on(810, 951, "test", "cost", 10) == (
        "The average of 10 fully connected networks with 810 parameters in all to predict cost, evaluated on 951 test "
        "samples."
    )
    assert "in all, corrected by the similar ones of 600 training rows, to predict cost, evaluated on" in (
        words.model.judged_on(810, 951, "test", "cost", 10, 600)
    )
    assert words.model.part_of_average(1, 10, 0.25) == (
        "This is the first of 10 networks whose average predicts, with 25.00 % of it: its curves, epochs and time of "
        "training are shown."
    )
    assert words.model.part_of_average(8, 24, 0.5).startswith("These are the first 8 of 24 networks whose")
    with words.spoken_in("zh"):
        assert "以 600 列訓練資料中的相似列修正" in words.model.judged_on(810, 951, "test", "cost", 10, 600)
        assert "10 個網路中的第一個，權重為 25.00 %" in words.model.part_of_average(1, 10, 0.25)
        assert "24 個網路中的前 8 個，權重" in words.model.part_of_average(8, 24, 0.5)
        said = words.model.judged_on(810, 951, "test", "cost", 10)
        assert said.startswith("預測 cost 的 10 個全連接神經網路的平均，共有 810 個參數")


@pytest.mark.parametrize(
    ("values", "best", "said"),
    [
        ([91.062, 275.5, 91.27, 107.41], 0, ["91.06", "275.50", "91.27", "107.41"]),
        ([0.89142, -0.03072, 0.86417, -0.03072], 0, ["0.8914", "-0.0307", "0.8642", "-0.0307"]),
        ([40000.0, 166441.0, 30712.0, 29123.4], 3, ["40,000", "166,441", "30,712", "29,123"]),
        ([0.5, float("nan")], 1, ["0.5000", "nan"]),
        ([0.0, 2.5, 0.5, 3.0], 0, ["0.000", "2.500", "0.500", "3.000"]),
        ([1e-7, 2.5], 0, ["1e-07", "2.5"]),
    ],
)
def test_metrics_of_several_models_have_equal_decimals(values: list[float], best: int, said: list[str]):
    """Those with which the best one has four digits; of all where it is 0 or undefined."""
    assert metrics_alike(values, best) == said


def test_errors_of_the_worst_rows_have_equal_decimals():
    y, predicted = np.array([[1253.07, 1.0], [775.1, 2.0]]), np.array([[1048.0, 1.5], [554.0, 2.25]])
    judged = SimpleNamespace(worst=np.array([1, 0]), y=y[:, 0], predicted=predicted[:, 0])
    assert errors_of(judged) == [("775.1", "554.0", "-221.1"), ("1253.1", "1048.0", "-205.1")]
    judged = SimpleNamespace(worst=np.array([0]), y=y, predicted=predicted)
    assert errors_of(judged) == [("1253.1, 1.0", "1048.0, 1.5", "-205.1, 0.5")]


def test_long_names_at_the_head_of_a_table_may_be_broken():
    assert '<th scope="col">total_<wbr>day_<wbr>minutes</th>' in table(["total_day_minutes"], [])
    assert "&lt;a_<wbr>b&gt;" in table(["<a_b>"], [])
