"""Measure activations and gradients from layer to layer, and diagnose vanishing gradients and similar problems."""
