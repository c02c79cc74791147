"""Write out the chain rule for one parameter, with all numbers, as text, LaTeX and MathML."""
