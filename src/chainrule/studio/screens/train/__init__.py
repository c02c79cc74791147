"""The screen Train: a form, the run that it starts, and its progress."""
