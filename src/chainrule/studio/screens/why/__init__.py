"""The screen Why: the contribution of each input to an answer."""
