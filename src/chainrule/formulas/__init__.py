"""The mathematics: pure functions, array in, array out, and each derivative beneath its formula."""
