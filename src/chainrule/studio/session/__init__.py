"""One studio that is open: how it starts, the model and data it shows, and the commands and messages of its pages."""
