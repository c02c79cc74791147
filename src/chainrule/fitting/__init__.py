"""A fit: what it is planned to be, its start, its loop, and the result that everything else reads."""
