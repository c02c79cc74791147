"""A network as a chain of links, its blocks, and the forward and backward pass."""
