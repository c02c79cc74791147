"""What it costs that one network answers in place of an average."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.core import records


@records.kind("distillation")
@dataclass(frozen=True)
class DistillationCost(records.Shown, records.TextResult):
    """What it costs that one network answers in place of another estimator; print it.

    Pairs are of the teacher and the student.
    """

    own: int
    """the rows of the teacher that the student has learned"""
    between: int
    """the rows in between that it has learned"""
    judged: int
    """the rows for which both answer here"""
    is_new: bool
    """whether the teacher has not learned these, and their targets are known"""
    difference: float
    """of classes the mean of sum_k |p_k - q_k| / 2, 0 to 1; of numbers the root mean square of the difference, in
    standard deviations of the teacher's answers"""
    same_labels: float | None
    """the share of rows with the same likeliest class; None of numbers"""
    losses: tuple[float, ...]
    """log loss, or root mean squared error; () without new rows"""
    seconds: tuple[float, ...]
    """for the answers to 1,000 rows"""
    bytes: tuple[int, ...]
    """of their files"""
    networks: tuple[int, ...]
    trained: float
    """the seconds that all of it took"""
