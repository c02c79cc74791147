"""What units respond to, and what the layers make of the samples."""
