"""What every other part may use: array functions, files, random numbers, and results as data."""
