"""How large activations and gradients are from layer to layer, and what a layer that lost them suffers from."""
