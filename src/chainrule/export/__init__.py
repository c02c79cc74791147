"""The formats that a graph is written to, each compared with it."""
