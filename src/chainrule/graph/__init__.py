"""What a fitted thing computes from its raw inputs to its answer, as a graph of named operations."""
