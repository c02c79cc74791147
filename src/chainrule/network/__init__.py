"""A network as a chain of links, its blocks, and the two walks over it."""
