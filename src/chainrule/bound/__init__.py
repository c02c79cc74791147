"""A fitted estimator bound for single rows: from the raw row to the answer in microseconds."""
