"""Write out the chain rule for one weight, with all numbers, as text, LaTeX and MathML."""
