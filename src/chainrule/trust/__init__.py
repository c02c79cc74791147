"""Intervals, and sets of labels, that cover the truth as often as asked: conformal prediction on held-out rows."""
