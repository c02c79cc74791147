"""The sizes of activations and gradients from layer to layer, and the diagnosis of vanishing gradients and the like."""
