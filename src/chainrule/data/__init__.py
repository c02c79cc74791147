"""Input data: arrays, data frames and sparse matrices, checked once, as samples that the engines read."""
