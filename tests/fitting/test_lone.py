"""Classes with one row: what cannot be known of them is said by name, once, where rows are held out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from chainrule import MLPClassifier
from chainrule.race import candidates
from chainrule.race.candidates import Candidate
from chainrule.tables.held_out import as_words

RANDOM = np.random.default_rng(0)
TABLE = {"a": RANDOM.normal(size=200), "b": RANDOM.normal(size=200)}
USUAL = RANDOM.choice(["down", "up"], 200)
ONE = np.where(np.arange(200) == 17, "rare", USUAL)
SMALL: dict[str, Any] = {
    "preprocess": "auto",
    "hidden_layer_sizes": (4,),
    "max_iter": 2,
    "random_state": 0,
    "refit": False,
}
SAID = "the least populated class 'rare' in y has only 1 member"


def told(y: Any, **settings: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        MLPClassifier(**SMALL | settings).fit(TABLE, y)
    assert all(each.filename == __file__ for each in found if "least populated" in str(each.message))
    return [str(each.message) for each in found if "least populated" in str(each.message)]


def test_a_fit_names_a_class_with_one_row():
    (said,) = told(ONE)
    assert said.startswith(SAID) and "collect more rows of it" in said
    assert not told(USUAL)
    of_two = np.where(ONE == "rare", "rare", "usual")
    assert told(of_two)[0].startswith(SAID)


def test_where_no_row_is_held_out_nothing_is_said():
    X = np.stack([*TABLE.values()], 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Stochastic Optimizer")
        MLPClassifier(hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X, ONE)
        MLPClassifier(**SMALL).fit(
            TABLE, ONE, X_val={name: x[:20] for name, x in TABLE.items()}, y_val=USUAL[:20]
        )


def test_a_race_does_too(monkeypatch: pytest.MonkeyPatch):
    one = Candidate("fast", changed={"hidden_layer_sizes": (4,)})
    monkeypatch.setattr(candidates, "CANDIDATES", (one,))
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())
    assert told(ONE, preset="best", time_limit=0.2)[0].startswith(SAID)


def test_sets_by_label_name_the_labels_with_too_few_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = MLPClassifier(**SMALL).fit(TABLE, ONE)
    with pytest.warns(
        UserWarning, match="9 held-out rows of each label, and class 'rare' has fewer, so it is in"
    ) as said:
        sets = made.predict_set(TABLE, 0.9, per_label=True)
    assert len(said) == 1 and sets[:, made.classes_.tolist().index("rare")].all()


def test_many_classes_are_counted():
    assert as_words(["a"]) == "class 'a'" and as_words([1, 2]) == "classes 1, 2"
    assert as_words([*"abc"]) == "classes 'a', 'b', 'c'"
    assert as_words([*"abcde"]) == "classes 'a', 'b', 'c' and 2 others"
