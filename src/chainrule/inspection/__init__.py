"""Inspection: the numbers inside a network, and checks of whether they are right."""
