"""Run a training from settings and data to an evaluated model in a folder. This package prints nothing."""
