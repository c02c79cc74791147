"""Reasons of what an estimator answers, by the columns of its table."""
