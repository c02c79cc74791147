"""The screen Neurons: what each neuron does on samples, and what a network becomes by an edit."""
