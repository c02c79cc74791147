"""The words in English, one module a subject."""
