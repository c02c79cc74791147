"""The screen Backpropagation and the lesson's chain: both passes, and the derivative of each number in them."""
