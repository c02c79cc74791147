"""The comparison on real tables: which they are, who is compared, what is measured, and the page of it."""
