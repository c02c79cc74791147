"""What every other part may use: arrays of any library, files that are whole at any instant, random numbers."""
