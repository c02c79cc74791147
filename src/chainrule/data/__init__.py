"""Input data: arrays, data frames and sparse matrices, validated once and converted to samples for the engines."""
