"""The laboratory's screens: networks that train side by side."""
