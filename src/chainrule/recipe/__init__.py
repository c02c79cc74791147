"""A run as a library: from settings and data to a trained, judged model in a folder of its own. It prints nothing."""
