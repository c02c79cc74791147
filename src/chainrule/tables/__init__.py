"""Tables of any types: what each column is, and the numbers that a network learns from it."""
