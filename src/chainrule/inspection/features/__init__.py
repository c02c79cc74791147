"""Features: what neurons respond to, and what the outputs of layers encode."""
