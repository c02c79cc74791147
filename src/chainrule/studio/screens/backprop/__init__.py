"""The screen Backpropagation and the lesson of the chain: walks, and the derivative of each number on them."""
