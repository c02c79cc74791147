"""Array functions, files, random numbers and results as data, used by all other packages."""
