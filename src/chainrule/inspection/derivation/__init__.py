"""The chain rule of one weight written out, to the last digit, as text, LaTeX and MathML."""
