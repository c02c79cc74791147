"""Results as pictures, notebook cells and pages."""
