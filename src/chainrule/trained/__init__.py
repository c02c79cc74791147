"""A network with its parameters: prediction, evaluation, and model files."""
