"""One walk there and back with every number of it, and the checks that it is right."""
