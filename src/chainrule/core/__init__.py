"""Array functions, files, random numbers and results as data, for all other packages."""
