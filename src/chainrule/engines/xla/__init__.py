"""The xla engine: the package's formulas, compiled by JAX for the CPU or an accelerator."""
