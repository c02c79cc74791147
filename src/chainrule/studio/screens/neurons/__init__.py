"""The screen Neurons: the activations of each neuron on samples, and the effect of edits of the network."""
