"""The screen Train: a form, the run that it starts, and what a page sees of it."""
