"""Looking at a network: what its numbers are and whether they are right."""
