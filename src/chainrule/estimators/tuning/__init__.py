"""The search for the best settings of an estimator: what is varied, how a setting is tried, and the search."""
