"""Single sentences of both languages, as people read them."""

from __future__ import annotations

import pytest

from chainrule.views import words
from chainrule.views.report.sections import table
from chainrule.views.words.facts import set_off


@pytest.mark.parametrize(
    ("name", "within"), [("F1 分數", " F1 分數"), ("準確率", "準確率"), ("AUC", " AUC "), ("R²", " R² ")]
)
def test_a_name_is_set_off_where_it_is_not_chinese(name: str, within: str):
    assert set_off(name) == within


def test_names_in_chinese_sentences():
    with words.spoken_in("zh"):
        assert words.reasons.of_rows("churn 為 yes 的機率") == "什麼影響 churn 為 yes 的機率"
        assert words.reasons.of_rows("答案") == "什麼影響答案"
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


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_an_answer_and_its_effects_have_numbers_of_one_kind(language: str):
    with words.spoken_in(language):
        said = words.reasons
        assert [said.amount("number", each) for each in (212932.05, 2013.42, 0.0123456)] == [
            *("212,932", "2013.42", "0.0123456")
        ]
        assert said.change("number", -15181.04) == "15,181"


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


def test_long_names_at_the_head_of_a_table_may_be_broken():
    assert '<th scope="col">total_<wbr>day_<wbr>minutes</th>' in table(["total_day_minutes"], [])
    assert "&lt;a_<wbr>b&gt;" in table(["<a_b>"], [])
