"""A network with its numbers: how it predicts, and the file that keeps it."""
