"""Trace one forward and backward pass with all numbers, and check gradients."""
