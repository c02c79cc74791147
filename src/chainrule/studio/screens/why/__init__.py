"""The screen Why: what each input did for an answer."""
