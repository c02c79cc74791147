"""The public edge: arrays, frames and sparse matrices, checked once, as samples that the engines read."""
