"""What a fit notices by itself: rows that know each other, and columns that know the target."""
