"""The laboratory's screens: networks trained side by side."""
