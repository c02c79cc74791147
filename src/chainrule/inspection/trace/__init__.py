"""Trace one forward and backward walk with all its numbers, and check the gradients."""
