"""A model as a service over HTTP: its answers, what they need, how it is, and its figures; see docs/serve.md.

Nothing here prints: `chainrule serve` passes a function that writes the log.
"""
