"""The screen Plane: a small network on points of a plane, and its training."""
