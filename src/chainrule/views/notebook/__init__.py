"""Notebook outputs of results: HTML with tables and inline SVG, without scripts, offline.

Outputs use the notebook's colors and background, for light and dark themes. Their size does not grow with the network,
the batch or the run: the middle of a long table is omitted, and curves are thinned out.
"""
