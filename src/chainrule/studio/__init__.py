"""The studio: one local page on which a network is drawn on, trained and stepped through, with its real numbers."""
