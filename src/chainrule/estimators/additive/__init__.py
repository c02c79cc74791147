"""The additive model: its pairs, its terms, and the one network that its members become."""
