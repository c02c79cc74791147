"""The trace of one forward and backward walk with all its numbers, and checks of the gradients."""
