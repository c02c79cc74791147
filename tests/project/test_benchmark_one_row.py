"""The benchmark of one row: how it takes turns, and its page."""

from __future__ import annotations

import time

import one_row
import pytest


def test_tasks_take_turns_and_a_figure_is_the_median(monkeypatch: pytest.MonkeyPatch):
    clock, calls = [0.0], []
    costs = {"a": iter([9, 10, 1, 3, 5, 5, 2, 2]), "b": iter([99, 20, 7, 7, 7])}  # milliseconds

    def spend(name: str) -> None:
        calls.append(name)
        clock[0] += next(costs[name]) / 1000

    monkeypatch.setattr(time, "process_time", lambda: clock[0])
    monkeypatch.setattr(one_row, "TURN", 0.0201)
    found = one_row.timed({"a": lambda: spend("a"), "b": lambda: spend("b")}, rounds=3)
    assert "".join(calls) == "aabb" + "aab" * 3  # two calls of 10 ms in a turn of 20
    assert found == pytest.approx({"a": 2e-3, "b": 7e-3})  # of (1 + 3) / 2, (5 + 5) / 2 and (2 + 2) / 2


def test_the_page_has_a_place_for_what_is_written():
    text = one_row.PAGE.read_text("utf-8")
    assert text.count(one_row.BEGIN) == text.count(one_row.END) == 1
    lines = one_row.page(["| a | b | 1 | 2 |"], 4_000, 30.0, (9.2, 12.7))
    assert "load of 9 to 13" in lines[1]
    assert lines[-2] == "| a | b | 1 | 2 |"
